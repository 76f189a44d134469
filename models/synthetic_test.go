package models

import (
	"math"
	"reflect"
	"slices"
	"testing"
)

func TestSynthetic(t *testing.T) {
	for _, name := range tinyModels() {
		testSynthetic(t, builtIn(t, name))
	}
}

func testSynthetic(t *testing.T, c *Config) {
	one, again, other := Synthetic(c, 7), Synthetic(c, 7), Synthetic(c, 8)
	weights := c.Weights()
	first := map[string][]float32{}
	for _, w := range weights {
		x, err := one.Tensor(w.Name)
		if err != nil || x.Shape != w.Shape {
			t.Fatalf("%s: %v %v, want %v", w.Name, x.Shape, err, w.Shape)
		}
		for _, v := range x.F {
			if math.IsNaN(float64(v)) || math.Abs(float64(v)) > 100 {
				t.Fatalf("%s holds %v", w.Name, v)
			}
		}
		first[w.Name] = x.F
	}
	for i := len(weights) - 1; i >= 0; i-- {
		x, _ := again.Tensor(weights[i].Name)
		if !reflect.DeepEqual(x.F, first[weights[i].Name]) {
			t.Errorf("%s depends on the order of calls", weights[i].Name)
		}
		y, _ := other.Tensor(weights[i].Name)
		if reflect.DeepEqual(y.F, x.F) {
			t.Errorf("%s does not depend on the seed", weights[i].Name)
		}
	}
	if _, err := one.Tensor("blk.0.none"); err == nil {
		t.Error("no error for a name that is not there")
	}
}

// Delta nets keep between half and 0.999 of their state a token.
func TestSyntheticDecay(t *testing.T) {
	c := builtIn(t, "qwen3.5-27b")
	s := Synthetic(c, 3)
	low, high := 1.0, 0.0
	for _, layer := range []string{"blk.0.", "blk.1.", "blk.2."} {
		a, _ := s.Tensor(layer + "ssm_a")
		dt, _ := s.Tensor(layer + "ssm_dt.bias")
		for h := range a.F {
			keep := math.Exp(float64(a.F[h]) * math.Log1p(math.Exp(float64(dt.F[h]))))
			low, high = min(low, keep), max(high, keep)
		}
	}
	if low < 0.5 || low > 0.7 || high < 0.99 || high > 0.999 {
		t.Errorf("a token keeps %.3f to %.4f of the state", low, high)
	}
}

// A weight can be drawn in parts, in any order.
func TestSyntheticFill(t *testing.T) {
	s := Synthetic(builtIn(t, "qwen3.5-0.8b"), 5)
	const name, n = "blk.3.attn_k.weight", 512 * 1024
	whole, err := s.Tensor(name)
	if err != nil || len(whole.F) != n {
		t.Fatalf("%d elements, %v", len(whole.F), err)
	}
	for from := n - SyntheticStretch; from >= 0; from -= SyntheticStretch {
		part := make([]float32, SyntheticStretch)
		if err := s.Fill(name, from, part); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(part, whole.F[from:from+len(part)]) {
			t.Errorf("elements from %d on differ", from)
		}
		if from > 0 && slices.Equal(part, whole.F[:len(part)]) {
			t.Errorf("elements from %d on are those from 0 on", from)
		}
	}
	for _, bad := range []struct {
		name    string
		from, n int
	}{{"none", 0, 1}, {name, 1, 1}, {name, -SyntheticStretch, 1}, {name, n, 1}, {name, n - SyntheticStretch, SyntheticStretch + 1}} {
		if s.Fill(bad.name, bad.from, make([]float32, bad.n)) == nil {
			t.Errorf("%v: no error", bad)
		}
	}
}
