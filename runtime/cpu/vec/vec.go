// Package vec has the elementwise functions and reductions over float32 slices
// that kernels are put together from, for every instruction set.
//
// An elementwise function gives each element the same bits wherever it stands
// and however long the slice is, so a slice may be split over threads. Reductions
// add in an order that depends on the length alone. The result of a function may
// be one of its operands, but may not overlap one otherwise. Functions panic
// where an operand is shorter than the result.
package vec

import (
	"unsafe"

	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
)

//go:generate go -C ../gen run ./vec ../vec

// Funcs are the functions for one instruction set.
type Funcs struct {
	exp, sigmoid, silu, softplus func(y, x *float32, n int)
	add, sub, mul, div           func(y, x, w *float32, n int)
	larger, smaller, mulAdd      func(y, x, w *float32, n int)
	mulSigmoid, mulSilu          func(y, x, w *float32, n int)
	mulSiluRows                  func(y, x, w *float32, n, rows, gap int)
	scale, shift, over, axpy     func(y, x *float32, n int, a float32)
	clamp                        func(y, x *float32, n int, lo, hi float32)
	scaleMul                     func(y, x, w *float32, n int, a float32)
	filter4                      func(y, x0, x1, x2, x3, w0, w1, w2, w3 *float32, n int)
	transpose4                   func(y, x *float32, n int)
	rotate                       func(u, v, cos, sin *float32, n int)
	dot                          func(x, w *float32, n int) float32
	sumSquares, max              func(x *float32, n int) float32
	expSum                       func(y, x *float32, n int, m float32) float32
	fromHalf                     func(y *float32, x *byte, n int)
	toHalf                       func(y *byte, x *float32, n int)
}

// For returns the functions for a set that this processor has.
func For(set isa.Set) *Funcs { return sets[set] }

func p(x []float32) *float32 { return unsafe.SliceData(x) }

// Exp sets y = e^x, within 1 ulp: 0 at -Inf, +Inf past the range, NaN of NaN.
func (f *Funcs) Exp(y, x []float32) { f.exp(p(y), p(x[:len(y)]), len(y)) }

// Sigmoid sets y = 1/(1+e^-x), within 2.5 ulp.
func (f *Funcs) Sigmoid(y, x []float32) { f.sigmoid(p(y), p(x[:len(y)]), len(y)) }

// Silu sets y = x/(1+e^-x), 0 at -Inf, within 3 ulp.
func (f *Funcs) Silu(y, x []float32) { f.silu(p(y), p(x[:len(y)]), len(y)) }

// Softplus sets y = ln(1+e^x), within 3.5 ulp.
func (f *Funcs) Softplus(y, x []float32) { f.softplus(p(y), p(x[:len(y)]), len(y)) }

// Add sets y = x + w.
func (f *Funcs) Add(y, x, w []float32) { f.add(p(y), p(x[:len(y)]), p(w[:len(y)]), len(y)) }

// Sub sets y = x - w.
func (f *Funcs) Sub(y, x, w []float32) { f.sub(p(y), p(x[:len(y)]), p(w[:len(y)]), len(y)) }

// Mul sets y = x·w.
func (f *Funcs) Mul(y, x, w []float32) { f.mul(p(y), p(x[:len(y)]), p(w[:len(y)]), len(y)) }

// Div sets y = x/w.
func (f *Funcs) Div(y, x, w []float32) { f.div(p(y), p(x[:len(y)]), p(w[:len(y)]), len(y)) }

// Larger sets y to the larger of x and w, NaN where one is; of two zeros to any.
func (f *Funcs) Larger(y, x, w []float32) { f.larger(p(y), p(x[:len(y)]), p(w[:len(y)]), len(y)) }

// Smaller sets y to the smaller of x and w, NaN where one is; of two zeros to any.
func (f *Funcs) Smaller(y, x, w []float32) { f.smaller(p(y), p(x[:len(y)]), p(w[:len(y)]), len(y)) }

// MulSigmoid sets y = x·sigmoid(gate).
func (f *Funcs) MulSigmoid(y, x, gate []float32) {
	f.mulSigmoid(p(y), p(x[:len(y)]), p(gate[:len(y)]), len(y))
}

// MulSilu sets y = x·silu(gate): SwiGLU, and the gate of a gated norm.
func (f *Funcs) MulSilu(y, x, gate []float32) {
	f.mulSilu(p(y), p(x[:len(y)]), p(gate[:len(y)]), len(y))
}

// MulSiluRows sets rows of n elements, which lie side by side in x and gate and ldy
// apart in y, to x·silu(gate).
func (f *Funcs) MulSiluRows(y []float32, ldy int, x, gate []float32, n int) {
	rows := len(x) / n
	if f.mulSiluRows == nil || n%16 != 0 {
		for i := range rows {
			f.MulSilu(y[i*ldy:][:n], x[i*n:], gate[i*n:])
		}
		return
	}
	if rows > 0 {
		y, gate = y[:(rows-1)*ldy+n], gate[:len(x)]
		f.mulSiluRows(p(y), p(x), p(gate), n, rows, 4*(ldy-n))
	}
}

// Scale sets y = a·x.
func (f *Funcs) Scale(y []float32, a float32, x []float32) { f.scale(p(y), p(x[:len(y)]), len(y), a) }

// Shift sets y = x + a.
func (f *Funcs) Shift(y []float32, a float32, x []float32) { f.shift(p(y), p(x[:len(y)]), len(y), a) }

// Over sets y = x/a.
func (f *Funcs) Over(y []float32, a float32, x []float32) { f.over(p(y), p(x[:len(y)]), len(y), a) }

// Clamp sets y = min(max(x, lo), hi), NaN of NaN.
func (f *Funcs) Clamp(y, x []float32, lo, hi float32) {
	f.clamp(p(y), p(x[:len(y)]), len(y), lo, hi)
}

// ScaleMul sets y = a·x·w.
func (f *Funcs) ScaleMul(y []float32, a float32, x, w []float32) {
	f.scaleMul(p(y), p(x[:len(y)]), p(w[:len(y)]), len(y), a)
}

// Axpy adds a·x to y.
func (f *Funcs) Axpy(y []float32, a float32, x []float32) { f.axpy(p(y), p(x[:len(y)]), len(y), a) }

// MulAdd adds x·w to y.
func (f *Funcs) MulAdd(y, x, w []float32) { f.mulAdd(p(y), p(x[:len(y)]), p(w[:len(y)]), len(y)) }

// Rotate turns each pair (u, v) by the angle of that cosine and sine:
// (u cos - v sin, u sin + v cos). Rope's pairs (j, j+dims/2) are the two halves
// of the elements that turn.
func (f *Funcs) Rotate(u, v, cos, sin []float32) {
	n := len(u)
	f.rotate(p(u), p(v[:n]), p(cos[:n]), p(sin[:n]), n)
}

// Dot returns Σ x·w over the length of x.
func (f *Funcs) Dot(x, w []float32) float32 { return f.dot(p(x), p(w[:len(x)]), len(x)) }

// SumSquares returns Σ x².
func (f *Funcs) SumSquares(x []float32) float32 { return f.sumSquares(p(x), len(x)) }

// Max returns the largest element, -Inf of none. Of a slice with a NaN it may
// return anything.
func (f *Funcs) Max(x []float32) float32 { return f.max(p(x), len(x)) }

// ExpSum sets y = e^(x-m) and returns its sum: with m the largest element, the
// softmax of x before its division.
func (f *Funcs) ExpSum(y, x []float32, m float32) float32 {
	return f.expSum(p(y), p(x[:len(y)]), len(y), m)
}
