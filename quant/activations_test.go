package quant

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

// sameBits compares values, all NaNs being equal and -0 differing from 0.
func sameBits(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

func row256(v ...float32) []float32 { return append(v, make([]float32, 256-len(v))...) }

func TestRoundActivations(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	d100 := F16ToF32(0x3a4d) // f16(100/127)
	d2 := float32(1) / (float32(-127) / float32(-200))
	for _, c := range []struct {
		name   string
		weight graph.DType
		x      []float32
		want   []float32 // the first ones; the rest must be 0, or NaN when want ends in NaN
	}{
		{"f32 unchanged", graph.F32, []float32{1e-40, 0.1, nan}, []float32{1e-40, 0.1, nan}},
		{"f16", graph.F16, []float32{1 + 0x1p-11, 1 + 3*0x1p-11, 70000, -0x1p-25}, []float32{1, 1 + 0x1p-9, inf, float32(math.Copysign(0, -1))}},
		{"bf16", graph.BF16, []float32{1 + 0x1p-8, 1 + 3*0x1p-8, nan}, []float32{1, 1 + 0x1p-6, nan}},
		{"q8_0 zero", graph.Q8_0, block(), nil},
		{"q8_0 halves to even", graph.Q8_0, block(127, 0.5, -0.5, 1.5, 2.5, -2.5, -0.25), []float32{127, 0, 0, 2, 2, -2, 0}},
		{"q8_0 d in f16", graph.Q8_0, block(100, -100, 10), []float32{float32(127 * d100), float32(-127 * d100), float32(13 * d100)}},
		{"q8_0 nothing left", graph.Q8_0, block(1e-10, 1e-40), nil},
		{"q8_0 infinity", graph.Q8_0, block(1, -inf), []float32{nan}},
		{"q8_0 NaN", graph.Q8_0, block(nan, 1), []float32{nan}},
		{"q8_1 like q8_0", graph.Q4_1, block(127, 0.5, 1.5), []float32{127, 0, 2}},
		{"q8_K zero", graph.Q4_K, row256(), nil},
		// m = -254: iscale 0.5, d 2; ties to even
		{"q8_K negative max", graph.Q4_K, row256(-254, 254, 1, 3, 5, -1), []float32{-254, 254, 0, 4, 4, 0}},
		{"q8_K f32 scale", graph.Q6_K, row256(-200, 200), []float32{-127 * d2, 127 * d2}},
		{"q8_K infinity", graph.Q6_K, row256(1, inf), []float32{nan}},
		{"q8_K NaN", graph.Q6_K, row256(1, nan, 2), []float32{nan}},
		{"q8_K 1/m overflows", graph.Q6_K, row256(1e-38, -1e-38), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := RoundActivations(GGML, c.weight, c.x); err != nil {
				t.Fatal(err)
			}
			var rest float32
			if n := len(c.want); n > 0 && c.want[n-1] != c.want[n-1] {
				rest = nan
			}
			for i, v := range c.x {
				w := rest
				if i < len(c.want) {
					w = c.want[i]
				}
				if w == 0 && strings.HasPrefix(c.name, "q8_K") || strings.HasSuffix(c.name, "nothing left") {
					v += 0 // the scale of Q8_K may be negative, so a 0 may be -0
				}
				if !sameBits(v, w) {
					t.Fatalf("element %d: got %g, want %g", i, v, w)
				}
			}
		})
	}
}

// Both ends of the range are reached. Which of them the largest element takes
// cannot be seen in the products q·d.
func TestQ8_KEnds(t *testing.T) {
	x := row256(3, -3)
	scale := float32(-127) / 3
	d := 1 / scale
	if err := RoundActivations(GGML, graph.Q2_K, x); err != nil {
		t.Fatal(err)
	}
	if x[0] != -127*d || x[1] != 127*d {
		t.Errorf("got %g %g, want %g %g", x[0], x[1], -127*d, 127*d)
	}
}

// Rounded rows are rounded again to (nearly) themselves, every block on its own.
func TestRoundActivationsProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		weight graph.DType
		block  int
		steps  float64 // steps from 0 to the largest element
		extra  float64 // relative error of the scale
	}{{graph.Q8_0, 32, 127, 0x1p-11}, {graph.Q5_1, 32, 127, 0x1p-11}, {graph.Q4_K, 256, 127, 1e-6}} {
		for range 100 {
			x := make([]float32, 512)
			for i := range x {
				x[i] = float32(r.NormFloat64())
			}
			y := append([]float32(nil), x...)
			if err := RoundActivations(GGML, c.weight, y); err != nil {
				t.Fatal(err)
			}
			for i := range x {
				lo := i / c.block * c.block
				amax := float64(maxAbs(x[lo : lo+c.block]))
				if e := math.Abs(float64(x[i] - y[i])); e > amax*(0.501/c.steps+c.extra) {
					t.Fatalf("%v: element %d: %g became %g", c.weight, i, x[i], y[i])
				}
			}
			one := append([]float32(nil), x[:c.block]...)
			RoundActivations(GGML, c.weight, one)
			for i := range one {
				if !sameBits(one[i], y[i]) {
					t.Fatalf("%v: element %d depends on another block", c.weight, i)
				}
			}
		}
	}
}

// Where q has no tie, weights and activations in Q8_0 agree to the bit.
func TestQ8_0ActivationsMatchPack(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	x := make([]float32, 32*100)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	b := make([]byte, graph.Q8_0.Bytes(len(x)))
	Pack(graph.Q8_0, b, x)
	want := make([]float32, len(x))
	Unpack(graph.Q8_0, want, b)
	if err := RoundActivations(GGML, graph.Q8_0, x); err != nil {
		t.Fatal(err)
	}
	for i := range x {
		if !sameBits(x[i], want[i]) {
			t.Fatalf("element %d: %g, packed %g", i, x[i], want[i])
		}
	}
}

func TestRoundActivationsErrors(t *testing.T) {
	for _, dt := range []graph.DType{graph.Invalid, graph.I32, graph.DType(99)} {
		err := RoundActivations(GGML, dt, make([]float32, 256))
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), dt.String()) {
			t.Errorf("%v: got %v", dt, err)
		}
	}
	for dt, n := range map[graph.DType]int{graph.Q8_0: 33, graph.Q4_K: 288} {
		if err := RoundActivations(GGML, dt, make([]float32, n)); err == nil || !strings.Contains(err.Error(), dt.String()) {
			t.Errorf("%v with %d elements: got %v", dt, n, err)
		}
	}
}
