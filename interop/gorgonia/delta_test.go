package gorgonia_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gorgonia.org/tensor"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/interop/gorgonia"
	"github.com/deltaloom/deltaloom/ops"
)

// nmse is the mean square of the difference over that of what is wanted.
func nmse(have, want []float32) float64 {
	var diff, size float64
	for i := range want {
		e := float64(have[i]) - float64(want[i])
		diff += e * e
		size += float64(want[i]) * float64(want[i])
	}
	if len(have) != len(want) || math.IsNaN(diff) {
		return math.Inf(1)
	}
	return diff / size
}

type deltaCase struct {
	B, T, Hk, Hv, K, V int
	perChannel         bool
	ops.GatedDeltaNetAttrs
}

func (c deltaCase) String() string {
	return fmt.Sprintf("B%d_T%d_Hk%d_Hv%d_K%d_V%d_%v_%v_%v", c.B, c.T, c.Hk, c.Hv, c.K, c.V, c.perChannel, c.Heads, c.Norm)
}

// inputs draws the six operands: decays in log space below zero, beta in (0, 1).
func (c deltaCase) inputs(r *rand.Rand) [6]graph.Tensor {
	G := 1
	if c.perChannel {
		G = c.K
	}
	normal := func() float32 { return float32(r.NormFloat64()) }
	var in [6]graph.Tensor
	for i, x := range []struct {
		draw func() float32
		dims []int
	}{
		{normal, []int{c.B, c.T, c.Hk, c.K}},
		{func() float32 { return normal() / float32(math.Sqrt(float64(c.K))) }, []int{c.B, c.T, c.Hk, c.K}},
		{normal, []int{c.B, c.T, c.Hv, c.V}},
		{func() float32 { return float32(-r.ExpFloat64() / 4) }, []int{c.B, c.T, c.Hv, G}},
		{func() float32 { return r.Float32() }, []int{c.B, c.T, c.Hv, 1}},
		{normal, []int{c.B, c.Hv, c.V, c.K}},
	} {
		in[i] = graph.NewTensor(graph.ShapeOf(graph.F32, x.dims...))
		for j := range in[i].F {
			in[i].F[j] = x.draw()
		}
	}
	return in
}

func shared(t *testing.T, x graph.Tensor) *tensor.Dense {
	t.Helper()
	d, err := gorgonia.ToDense(x)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Gorgonia and the reference evaluator agree on the gated delta rule.
func TestSecondOpinion(t *testing.T) {
	attrs := func(h ops.HeadMap, n ops.QKNorm, eps, scale float32) ops.GatedDeltaNetAttrs {
		return ops.GatedDeltaNetAttrs{Heads: h, Norm: n, Eps: eps, Scale: scale}
	}
	for i, c := range []deltaCase{
		{1, 1, 1, 1, 8, 4, false, attrs(0, 0, 0, 0)},
		{1, 5, 4, 4, 16, 16, false, attrs(0, 0, 0, 0)},
		{1, 5, 4, 4, 16, 16, true, attrs(0, 0, 0, 0.25)},
		{3, 4, 2, 6, 8, 12, false, attrs(ops.Interleaved, ops.NormSum, 1e-6, 0.35)},
		{3, 4, 2, 6, 8, 12, true, attrs(ops.Tiled, ops.NormSum, 0.5, 0)},
		{2, 3, 2, 4, 8, 8, false, attrs(ops.Tiled, ops.NormMax, 1e-6, 0)},
		{2, 3, 2, 4, 8, 8, true, attrs(ops.Interleaved, ops.NormMax, 1.5, 2)},
		{1, 70, 2, 2, 16, 8, false, attrs(0, ops.NormSum, 1e-6, 0.25)},
		{2, 2, 1, 1, 2, 2, false, attrs(0, 0, 0, 0)},
		{1, 2, 1, 1, 1, 1, false, attrs(0, 0, 0, 0)},
		{1, 2, 1, 3, 1, 5, true, attrs(0, ops.NormSum, 0.1, 0)},
		{1, 2, 1, 1, 4, 1, true, attrs(0, ops.NormMax, 0.1, 0)},
		{2, 3, 16, 16, 128, 128, false, attrs(0, ops.NormSum, 1e-6, 0.0883883)},
	} {
		t.Run(c.String(), func(t *testing.T) {
			in := c.inputs(rand.New(rand.NewPCG(uint64(i), 1)))
			b := graph.NewBuilder()
			feeds := map[string]graph.Tensor{}
			var args [6]graph.Value
			var d [6]*tensor.Dense
			for i, x := range in {
				name := string("qkvgbs"[i])
				args[i], feeds[name], d[i] = b.Input(name, x.Shape), x, shared(t, x)
			}
			o, next := ops.GatedDeltaNet(args[0], args[1], args[2], args[3], args[4], args[5], c.GatedDeltaNetAttrs)
			b.Output("o", o)
			b.Output("next", next)
			g, err := b.Build()
			if err != nil {
				t.Fatal(err)
			}
			want, err := ops.Run(g, feeds)
			if err != nil {
				t.Fatal(err)
			}
			haveO, haveNext, err := gorgonia.GatedDeltaNet(d[0], d[1], d[2], d[3], d[4], d[5], c.GatedDeltaNetAttrs)
			if err != nil {
				t.Fatal(err)
			}
			if !haveO.Shape().Eq(tensor.Shape(o.Shape().Dims())) || !haveNext.Shape().Eq(tensor.Shape(next.Shape().Dims())) {
				t.Fatalf("shapes %v and %v, want %v and %v", haveO.Shape(), haveNext.Shape(), o.Shape(), next.Shape())
			}
			eO, eNext := nmse(haveO.Float32s(), want.Outputs["o"].F), nmse(haveNext.Float32s(), want.Outputs["next"].F)
			t.Logf("nmse %.1e of o, %.1e of the state", eO, eNext)
			if !(eO <= 1e-10) || !(eNext <= 1e-10) {
				t.Errorf("nmse %g of o, %g of the state", eO, eNext)
			}
		})
	}
}

// The comparison is worth something: it sees every operand and attribute.
func TestSecondOpinionDiffers(t *testing.T) {
	c := deltaCase{2, 3, 2, 4, 8, 8, true, ops.GatedDeltaNetAttrs{Norm: ops.NormSum, Eps: 0.5, Scale: 0.5}}
	in := c.inputs(rand.New(rand.NewPCG(5, 5)))
	compute := func(in [6]graph.Tensor, a ops.GatedDeltaNetAttrs) []float32 {
		var d [6]*tensor.Dense
		for i := range in {
			d[i] = shared(t, in[i])
		}
		o, next, err := gorgonia.GatedDeltaNet(d[0], d[1], d[2], d[3], d[4], d[5], a)
		if err != nil {
			t.Fatal(err)
		}
		return append(o.Float32s(), next.Float32s()...)
	}
	want := compute(in, c.GatedDeltaNetAttrs)
	for i := range in {
		other := in
		other[i] = graph.NewTensor(in[i].Shape)
		copy(other[i].F, in[i].F)
		other[i].F[len(other[i].F)-1] += 0.5
		if e := nmse(compute(other, c.GatedDeltaNetAttrs), want); e < 1e-6 {
			t.Errorf("operand %d does not count: nmse %g", i, e)
		}
	}
	for _, a := range []ops.GatedDeltaNetAttrs{
		{Norm: ops.NormSum, Eps: 0.5},
		{Norm: ops.NormSum, Eps: 0.25, Scale: 0.5},
		{Norm: ops.NormMax, Eps: 0.5, Scale: 0.5},
		{Scale: 0.5},
		{Heads: ops.Tiled, Norm: ops.NormSum, Eps: 0.5, Scale: 0.5},
	} {
		if e := nmse(compute(in, a), want); e < 1e-6 {
			t.Errorf("%+v makes no difference: nmse %g", a, e)
		}
	}
	if e := nmse(compute(in, c.GatedDeltaNetAttrs), want); e != 0 {
		t.Errorf("the same operands, another result: nmse %g", e)
	}
}

func TestSecondOpinionRefuses(t *testing.T) {
	good := deltaCase{1, 2, 2, 4, 3, 5, false, ops.GatedDeltaNetAttrs{}}
	in := good.inputs(rand.New(rand.NewPCG(6, 6)))
	for i, want := range []string{"q", "k", "v", "g", "beta", "the state"} {
		for _, bad := range []*tensor.Dense{nil, dense(t, 2), dense(t, 7, 7, 7, 7), tensor.New(tensor.WithShape(1, 2, 4, 1), tensor.WithBacking(make([]float64, 8)))} {
			var d [6]*tensor.Dense
			for j := range in {
				d[j] = shared(t, in[j])
			}
			d[i] = bad
			if _, _, err := gorgonia.GatedDeltaNet(d[0], d[1], d[2], d[3], d[4], d[5], ops.GatedDeltaNetAttrs{}); err == nil {
				t.Errorf("%s of %v is taken", want, bad)
			}
		}
	}
}
