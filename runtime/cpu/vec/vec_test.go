package vec_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/quant"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec/guard"
)

var inf = float32(math.Inf(1))

// elementwise are the functions whose results are one per element, brought to
// one form: y of x, w, v and z, the latter two read by rotate alone.
var elementwise = []struct {
	name string
	ulps float64 // of the result
	f    func(f *vec.Funcs, y, x, w []float32)
	want func(x, w float64) float64
}{
	{"exp", 1, func(f *vec.Funcs, y, x, _ []float32) { f.Exp(y, x) }, func(x, _ float64) float64 { return math.Exp(x) }},
	{"sigmoid", 2.5, func(f *vec.Funcs, y, x, _ []float32) { f.Sigmoid(y, x) }, func(x, _ float64) float64 { return sigmoid(x) }},
	{"silu", 3, func(f *vec.Funcs, y, x, _ []float32) { f.Silu(y, x) }, func(x, _ float64) float64 { return silu(x) }},
	{"softplus", 3.5, func(f *vec.Funcs, y, x, _ []float32) { f.Softplus(y, x) }, func(x, _ float64) float64 {
		return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x)))
	}},
	{"add", 0.5, func(f *vec.Funcs, y, x, w []float32) { f.Add(y, x, w) }, func(x, w float64) float64 { return x + w }},
	{"sub", 0.5, func(f *vec.Funcs, y, x, w []float32) { f.Sub(y, x, w) }, func(x, w float64) float64 { return x - w }},
	{"div", 0.5, func(f *vec.Funcs, y, x, w []float32) { f.Div(y, x, w) }, func(x, w float64) float64 { return x / w }},
	{"larger", 0, func(f *vec.Funcs, y, x, w []float32) { f.Larger(y, x, w) }, func(x, w float64) float64 { return max(x, w) }},
	{"smaller", 0, func(f *vec.Funcs, y, x, w []float32) { f.Smaller(y, x, w) }, func(x, w float64) float64 { return min(x, w) }},
	{"shift", 0.5, func(f *vec.Funcs, y, x, _ []float32) { f.Shift(y, -0.75, x) }, func(x, _ float64) float64 { return x - 0.75 }},
	{"over", 0.5, func(f *vec.Funcs, y, x, _ []float32) { f.Over(y, 3, x) }, func(x, _ float64) float64 { return x / 3 }},
	{"clamp", 0, func(f *vec.Funcs, y, x, _ []float32) { f.Clamp(y, x, -0.5, inf) }, func(x, _ float64) float64 { return max(x, -0.5) }},
	{"mul", 0.5, func(f *vec.Funcs, y, x, w []float32) { f.Mul(y, x, w) }, func(x, w float64) float64 { return x * w }},
	{"mul_sigmoid", 3.5, func(f *vec.Funcs, y, x, w []float32) { f.MulSigmoid(y, x, w) }, func(x, w float64) float64 { return x * sigmoid(w) }},
	{"mul_silu", 4, func(f *vec.Funcs, y, x, w []float32) { f.MulSilu(y, x, w) }, func(x, w float64) float64 { return x * silu(w) }},
	{"scale", 0.5, func(f *vec.Funcs, y, x, _ []float32) { f.Scale(y, 0.75, x) }, func(x, _ float64) float64 { return 0.75 * x }},
	{"scale_mul", 1.5, func(f *vec.Funcs, y, x, w []float32) { f.ScaleMul(y, 0.7, x, w) }, func(x, w float64) float64 { return float64(float32(0.7)) * x * w }},
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func silu(x float64) float64 {
	if math.IsInf(x, -1) {
		return 0
	}
	return x * sigmoid(x)
}

func each(t *testing.T, test func(t *testing.T, f *vec.Funcs)) {
	for _, s := range isa.Available() {
		t.Run(s.String(), func(t *testing.T) { test(t, vec.For(s)) })
	}
}

// ulps is the distance of got from want in units of the last place of want, of
// 2^-112 at least: smaller products have subnormal factors.
func ulps(got float32, want float64) float64 {
	g := float64(got)
	switch {
	case math.IsNaN(want):
		if got != got {
			return 0
		}
		return math.Inf(1)
	case math.Abs(want) > math.MaxFloat32*(1+0x1p-25):
		want = math.Copysign(math.Inf(1), want)
	}
	if g == want {
		return 0
	}
	_, e := math.Frexp(max(math.Abs(want), 0x1p-112))
	return math.Abs(g-want) / math.Ldexp(1, e-24)
}

func TestElementwise(t *testing.T) {
	nan := float32(math.NaN())
	x := []float32{0, float32(math.Copysign(0, -1)), inf, -inf, nan, 1, -1, 88.72, 88.73, 89, 90, 1000, 3e38, -87.3, -87.4, -100, -103.9, -104, -105, -1000, -3e38,
		20, 20.00001, 1e-30, -1e-30, 1e-45, 0x1p-24, 0.3465, 0.3466, -0.3466}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200000 {
		x = append(x, 200*r.Float32()-110)
	}
	for range 200000 {
		x = append(x, float32(r.NormFloat64()))
	}
	w := make([]float32, len(x))
	for i := range w {
		w[len(w)-1-i] = x[i]
	}
	w[len(w)-3], w[len(w)-4] = 1, 2 // ±Inf times 0 is nobody's business
	each(t, func(t *testing.T, f *vec.Funcs) {
		y := make([]float32, len(x))
		for _, e := range elementwise {
			e.f(f, y, x, w)
			worst, at := 0.0, 0
			for i := range y {
				want := e.want(float64(x[i]), float64(w[i]))
				if u := ulps(y[i], want); u > worst {
					worst, at = u, i
				}
			}
			if t.Logf("%s: %.2f ulp", e.name, worst); worst > e.ulps {
				t.Errorf("%s(%v, %v) = %v, want %v: %.2f ulp, allowed %v", e.name, x[at], w[at], y[at], e.want(float64(x[at]), float64(w[at])), worst, e.ulps)
			}
		}
	})
}

func TestExpSubnormal(t *testing.T) {
	each(t, func(t *testing.T, f *vec.Funcs) {
		for x := float32(-86); x > -105; x -= 0.0137 {
			y := []float32{0}
			f.Exp(y, []float32{x})
			if want := math.Exp(float64(x)); math.Abs(float64(y[0])-want) > max(1.2e-7*want, 0x1.2p-149) {
				t.Errorf("exp(%v) = %v, want %v", x, y[0], want)
			}
		}
	})
}

// Every length gives the bits of the whole, in slices whose neighbours cannot be
// touched.
func TestLengths(t *testing.T) {
	const n = 150
	r := rand.New(rand.NewPCG(3, 4))
	x, w, v := make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range x {
		x[i], w[i], v[i] = float32(5*r.NormFloat64()), float32(5*r.NormFloat64()), float32(r.NormFloat64())
	}
	functions := map[string]func(f *vec.Funcs, y, x, w []float32){
		"axpy": func(f *vec.Funcs, y, x, w []float32) { f.Axpy(y, 0.3, x) },
		"rotate": func(f *vec.Funcs, y, x, w []float32) {
			u := append([]float32{}, x...)
			f.Rotate(u, y, w, x)
			f.Rotate(y, u, x, w)
		},
		"exp_sum": func(f *vec.Funcs, y, x, w []float32) { f.ExpSum(y, x, 2) },
		"mul_add": func(f *vec.Funcs, y, x, w []float32) { f.MulAdd(y, x, w) },
		"filter4": func(f *vec.Funcs, y, x, w []float32) {
			taps := slices.Concat(x, w, x, w)
			f.Filter4(y, [4][]float32{x, w, x, append([]float32{}, y...)}, taps)
		},
	}
	for _, e := range elementwise {
		functions[e.name] = e.f
	}
	each(t, func(t *testing.T, f *vec.Funcs) {
		for name, call := range functions {
			whole := append([]float32{}, v...)
			call(f, whole, x, w)
			for m := range n {
				from := r.IntN(n - m)
				ys, xs, ws := guard.Slices[float32](t, m), guard.Slices[float32](t, m), guard.Slices[float32](t, m)
				for k := range ys {
					copy(ys[k], v[from:])
					copy(xs[k], x[from:])
					copy(ws[k], w[from:])
					call(f, ys[k], xs[k], ws[k])
					for i, got := range ys[k] {
						if math.Float32bits(got) != math.Float32bits(whole[from+i]) {
							t.Fatalf("%s: element %d of %d is %v, in the whole %v", name, i, m, got, whole[from+i])
						}
					}
				}
			}
		}
	})
}

func TestReductions(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	each(t, func(t *testing.T, f *vec.Funcs) {
		for n := range 300 {
			xs, ws := guard.Slices[float32](t, n), guard.Slices[float32](t, n)
			for k, x := range xs {
				w, y := ws[k], make([]float32, n)
				var dot, squares, size, sum float64
				top := -inf
				for i := range x {
					x[i], w[i] = float32(r.NormFloat64()-3), float32(r.NormFloat64())
					dot += float64(x[i]) * float64(w[i])
					size += math.Abs(float64(x[i]) * float64(w[i]))
					squares += float64(x[i]) * float64(x[i])
					top = max(top, x[i])
				}
				for i := range x {
					sum += math.Exp(float64(x[i] - top))
				}
				within := func(name string, got float32, want, size float64) {
					if math.Abs(float64(got)-want) > 4e-6*size {
						t.Errorf("%s of %d: %v, want %v", name, n, got, want)
					}
				}
				within("dot", f.Dot(x, w), dot, size)
				within("sum of squares", f.SumSquares(x), squares, squares)
				if got := f.Max(x); got != top {
					t.Errorf("max of %d: %v, want %v", n, got, top)
				}
				if n > 0 {
					within("sum of exponentials", f.ExpSum(y, x, top), sum, sum)
					within("its first element", y[0], math.Exp(float64(x[0]-top)), 1)
				}
			}
		}
	})
}

func TestAxpyAndRotate(t *testing.T) {
	each(t, func(t *testing.T, f *vec.Funcs) {
		y := []float32{1, 2, 3, 4, 5}
		f.Axpy(y, 2, []float32{10, 20, 30, 40, 50})
		for i, got := range y {
			if want := float32(21 * (i + 1)); got != want {
				t.Errorf("axpy: element %d is %v, want %v", i, got, want)
			}
		}
		u, v := []float32{1, 2, 3}, []float32{10, 20, 30}
		f.Rotate(u, v, []float32{0, 1, 0.5}, []float32{1, 0, 0.25})
		for i, want := range []float32{-10, 2, -6} {
			if u[i] != want {
				t.Errorf("rotate: u[%d] is %v, want %v", i, u[i], want)
			}
		}
		for i, want := range []float32{1, 20, 15.75} {
			if v[i] != want {
				t.Errorf("rotate: v[%d] is %v, want %v", i, v[i], want)
			}
		}
	})
}

func TestFilter4(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	each(t, func(t *testing.T, f *vec.Funcs) {
		for n := range 70 {
			for k, w := range guard.Slices[float32](t, 4*n) {
				taps := guard.Slices[float32](t, 4*n)[k]
				var x [4][]float32
				for p := range x {
					x[p] = guard.Slices[float32](t, n)[k]
					for i := range x[p] {
						x[p][i], w[4*i+p] = float32(r.NormFloat64()), float32(r.NormFloat64())
					}
				}
				y := make([]float32, n)
				f.Transpose4(taps, w)
				f.Filter4(y, x, taps)
				for i := range y {
					var s float64
					for p := range x {
						if taps[p*n+i] != w[4*i+p] {
							t.Fatalf("%d quadruples: element %d of %d is %v, want %v", n, p, i, taps[p*n+i], w[4*i+p])
						}
						s += float64(x[p][i]) * float64(w[4*i+p])
					}
					if want := silu(s); math.Abs(float64(y[i])-want) > 2e-6 {
						t.Errorf("element %d of %d is %v, want %v", i, n, y[i], want)
					}
				}
			}
		}
	})
}

func TestNorms(t *testing.T) {
	x, w := []float32{3, -4, 12, 0, 1}, []float32{1, 2, 3, 4, 0.5}
	each(t, func(t *testing.T, f *vec.Funcs) {
		y := make([]float32, len(x))
		check := func(name string, by float64, weighted bool) {
			for i := range y {
				want := float64(x[i]) / by
				if weighted {
					want *= float64(w[i])
				}
				if u := ulps(y[i], want); u > 2 {
					t.Errorf("%s: element %d is %v, want %v", name, i, y[i], want)
				}
			}
		}
		f.RMSNorm(y, x, w, 0.5)
		check("rms", math.Sqrt(170./5+0.5), true)
		f.L2Norm(y, x, 0.5)
		check("l2", math.Sqrt(170.5), false)
		f.L2NormMax(y, x, 0.5)
		check("l2 max", math.Sqrt(170), false)
		f.L2NormMax(y, x, 50)
		check("l2 max eps", 50, false)
	})
}

func TestHalves(t *testing.T) {
	all := make([]byte, 2<<16)
	for i := range 1 << 16 {
		binary.LittleEndian.PutUint16(all[2*i:], uint16(i))
	}
	r := rand.New(rand.NewPCG(7, 8))
	bits := make([]float32, 1<<18)
	for i := range bits {
		bits[i] = math.Float32frombits(r.Uint32())
		if i%2 == 0 { // among the halves
			bits[i] = quant.F16ToF32(uint16(r.Uint32())) * (1 + 0x1p-12*float32(r.IntN(5)))
		}
	}
	each(t, func(t *testing.T, f *vec.Funcs) {
		y := make([]float32, 1<<16)
		f.FromHalf(y, all)
		for i, got := range y {
			if want := quant.F16ToF32(uint16(i)); got != want && want == want || want != want && got == got {
				t.Fatalf("from half %#04x: %v, want %v", i, got, want)
			}
		}
		h := make([]byte, 2*len(bits))
		f.ToHalf(h, bits)
		for i, x := range bits {
			got, want := binary.LittleEndian.Uint16(h[2*i:]), quant.F32ToF16(x)
			if got != want && x == x || x != x && got&0x7fff <= 0x7c00 {
				t.Fatalf("to half %v: %#04x, want %#04x", x, got, want)
			}
		}
		for n := range 40 {
			for k, y := range guard.Slices[float32](t, n) {
				h, want := guard.Slices[byte](t, 2*n)[k], all[30000:][:2*n]
				copy(h, want)
				f.FromHalf(y, h)
				clear(h)
				f.ToHalf(h, y)
				if !bytes.Equal(h, want) {
					t.Fatalf("%d halves become %x, want %x", n, h, want)
				}
			}
		}
	})
}

func TestShortOperand(t *testing.T) {
	each(t, func(t *testing.T, f *vec.Funcs) {
		defer func() {
			if recover() == nil {
				t.Error("an operand shorter than the result does not panic")
			}
		}()
		f.Add(make([]float32, 4), make([]float32, 4), make([]float32, 3))
	})
}

func BenchmarkVec(b *testing.B) {
	const n = 4096
	x, w, y := make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range x {
		x[i], w[i] = float32(i%17)-8, float32(i%11)-5
	}
	for _, s := range isa.Available() {
		f := vec.For(s)
		run := func(name string, call func()) {
			b.Run(s.String()+"/"+name, func(b *testing.B) {
				b.SetBytes(4 * n)
				for b.Loop() {
					call()
				}
			})
		}
		for _, e := range elementwise {
			run(e.name, func() { e.f(f, y, x, w) })
		}
		run("dot", func() { f.Dot(x, w) })
		run("rms_norm", func() { f.RMSNorm(y, x, w, 1e-6) })
	}
}

// Rows give the bits of each by itself, and leave what is between them alone.
func TestMulSiluRows(t *testing.T) {
	const rows, ldy = 5, 71
	r := rand.New(rand.NewPCG(5, 6))
	each(t, func(t *testing.T, f *vec.Funcs) {
		for _, n := range []int{1, 16, 32, 47, 64} {
			x, gate, got, want := make([]float32, rows*n), make([]float32, rows*n), make([]float32, rows*ldy), make([]float32, rows*ldy)
			for i := range x {
				x[i], gate[i] = float32(r.NormFloat64()), float32(5*r.NormFloat64())
			}
			for i := range got {
				got[i] = float32(i)
				want[i] = got[i]
			}
			f.MulSiluRows(got, ldy, x, gate, n)
			for i := range rows {
				f.MulSilu(want[i*ldy:][:n], x[i*n:], gate[i*n:])
			}
			if !slices.Equal(got, want) {
				t.Errorf("rows of %d: %v, want %v", n, got, want)
			}
		}
	})
}
