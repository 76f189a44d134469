package quant

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

// Both products of every type are those of the elements of its description.
func TestDot(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	for _, f := range blockFormats {
		n, size := f.dt.Block()
		w := f.random(r, 768/n)
		if f.dt == graph.MXFP4 { // random exponents would leave nothing but the largest block
			for at := 0; at < len(w); at += size {
				w[at] = 120 + w[at]&7
			}
		}
		x := normals(r, 768)
		q, d := make([]int8, 768), make([]float32, 768/I8Block)
		for k := range d {
			d[k] = QuantizeI8(x[k*I8Block:(k+1)*I8Block], q[k*I8Block:])
		}
		rounded := slices.Clone(x)
		if err := RoundActivations(Int8, f.dt, rounded); err != nil {
			t.Fatal(err)
		}
		var want, wantI8, sum float64
		for i := range x {
			v := float64(f.element(w[i/n*size:], i%n))
			want += v * float64(x[i])
			wantI8 += v * float64(rounded[i])
			sum += math.Abs(v * float64(x[i]))
		}
		got, err := Dot(f.dt, w, x)
		if err != nil || math.Abs(got-want) > 1e-14*sum {
			t.Errorf("%v: %g %v, want %g", f.dt, got, err, want)
		}
		got, err = DotI8(f.dt, w, q, d)
		if err != nil || math.Abs(got-wantI8) > 1e-7*sum { // d·q is rounded to f32 in rounded
			t.Errorf("%v: %g %v with rounded activations, want %g", f.dt, got, err, wantI8)
		}
	}
}

func TestDotPlainTypes(t *testing.T) {
	x := normals(rand.New(rand.NewPCG(2, 9)), 300) // more than a part, and no multiple
	for dt, limit := range map[graph.DType]float64{graph.F32: 1e-7, graph.F16: 1e-3, graph.BF16: 1e-2} {
		w := make([]byte, dt.Bytes(len(x)))
		if err := Pack(dt, w, x); err != nil {
			t.Fatal(err)
		}
		want := 0.0
		for _, v := range x {
			want += float64(v) * float64(v)
		}
		if got, err := Dot(dt, w, x); err != nil || math.Abs(got-want) > limit*want {
			t.Errorf("%v: %g %v, want %g", dt, got, err, want)
		}
	}
}

func TestDotErrors(t *testing.T) {
	for want, dot := range map[string]func() (float64, error){
		"dot i32: unsupported":                  func() (float64, error) { return Dot(graph.I32, nil, nil) },
		"dot q8_0: 33 elements are not":         func() (float64, error) { return Dot(graph.Q8_0, make([]byte, 34), make([]float32, 33)) },
		"dot q4_k: 256 elements take 144 bytes": func() (float64, error) { return Dot(graph.Q4_K, make([]byte, 143), make([]float32, 256)) },
		"dot q4_0: 64 activations, but 1 scales": func() (float64, error) {
			return DotI8(graph.Q4_0, make([]byte, 36), make([]int8, 64), make([]float32, 1))
		},
		"dot q4_0: 32 elements take 18 bytes, got 0": func() (float64, error) { return DotI8(graph.Q4_0, nil, make([]int8, 32), make([]float32, 1)) },
	} {
		if _, err := dot(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		} else if errors.Is(err, errors.ErrUnsupported) != strings.HasSuffix(want, "unsupported") {
			t.Errorf("%v: unsupported or not", err)
		}
	}
}

func TestQuantizeI8(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		name string
		x    []float32
		d    float32
		q    []int8 // the first ones; rest 0
	}{
		{"zero", block(), 0, nil},
		{"halves to even", block(127, 0.5, -0.5, 1.5, 2.5, -2.5, -127), 1, []int8{127, 0, 0, 2, 2, -2, -127}},
		{"d in f32", block(100, -100, 50), float32(100) / 127, []int8{127, -127, 64}},
		{"smallest scale", block(127*0x1p-126, 64*0x1p-126), 0x1p-126, []int8{127, 64}},
		{"no normal scale", block(126*0x1p-126, -1e-42), 0, nil},
		{"largest", block(math.MaxFloat32, -math.MaxFloat32), math.MaxFloat32 / 127, []int8{127, -127}},
		{"infinity", block(1, -inf), nan, nil},
		{"NaN", block(nan, 1), nan, nil},
	} {
		q := slices.Repeat([]int8{99}, I8Block)
		d := QuantizeI8(c.x, q)
		want := append(slices.Clone(c.q), make([]int8, I8Block-len(c.q))...)
		if !sameBits(d, c.d) || !slices.Equal(q, want) {
			t.Errorf("%s: %g %v, want %g %v", c.name, d, q, c.d, want)
		}
	}
}

// No block leaves the range, and none errs by more than half a step.
func TestQuantizeI8Range(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	for range 20000 {
		x := normals(r, I8Block)
		scale := float32(math.Exp(20 * r.NormFloat64()))
		for i := range x {
			x[i] *= scale
		}
		var q [I8Block]int8
		d := QuantizeI8(x, q[:])
		for i, v := range x {
			limit := max(0.50001*float64(d), 127*0x1p-126)
			if e := math.Abs(float64(v) - float64(d)*float64(q[i])); q[i] == -128 || e > limit {
				t.Fatalf("%g became %d·%g", v, q[i], d)
			}
		}
	}
}

func TestRoundActivationsInt8(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 9))
	for dt := range codecs {
		x := normals(r, 512)
		x[40] = float32(math.NaN())
		for _, mode := range []Rounding{Float, Int8} {
			y := slices.Clone(x)
			if err := RoundActivations(mode, dt, y); err != nil {
				t.Fatal(err)
			}
			n, _ := dt.Block()
			for i := range x {
				var q [I8Block]int8
				k := i / I8Block * I8Block
				want := x[i]
				if d := QuantizeI8(x[k:k+I8Block], q[:]); mode == Int8 && n > 1 {
					want = float32(q[i-k]) * d
				}
				if !sameBits(y[i], want) {
					t.Fatalf("%v, mode %d: element %d: %g became %g, want %g", dt, mode, i, x[i], y[i], want)
				}
			}
		}
	}
	if err := RoundActivations(Int8, graph.Q4_K, make([]float32, 48)); err == nil || !strings.Contains(err.Error(), "q4_k") {
		t.Errorf("part of a block: %v", err)
	}
	if err := RoundActivations(Int8+1, graph.Q4_K, make([]float32, 256)); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("no such mode: %v", err)
	}
}
