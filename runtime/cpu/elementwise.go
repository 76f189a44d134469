package cpu

import (
	"math"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
)

// block is how many elements one unit of an elementwise op has.
const block = 4096

func init() {
	vector := func(op *graph.Op, work float64, f func(v *vec.Funcs, y, x []float32)) {
		register(func(n *graph.Node, p *plan) error {
			v := p.vec
			return p.blocks(n, work, func(y, x []float32) { f(v, y, x) })
		}, op)
	}
	unary := func(op *graph.Op, work float64, f func(y, x []float32)) {
		register(func(n *graph.Node, p *plan) error { return p.blocks(n, work, f) }, op)
	}
	one := func(f func(float32) float32) func(y, x []float32) {
		return func(y, x []float32) {
			for i, e := range x {
				y[i] = f(e)
			}
		}
	}
	vector(ops.ExpOp, 0.5, (*vec.Funcs).Exp)
	vector(ops.SiluOp, 0.5, (*vec.Funcs).Silu)
	vector(ops.SigmoidOp, 0.5, (*vec.Funcs).Sigmoid)
	vector(ops.SoftplusOp, 1, (*vec.Funcs).Softplus)
	unary(ops.NegOp, 0.5, one(func(x float32) float32 { return -x }))
	unary(ops.ReluOp, 0.5, one(func(x float32) float32 { return max(x, 0) }))
	unary(ops.SqrtOp, 1, one(sqrt))
	unary(ops.RsqrtOp, 2, one(func(x float32) float32 { return 1 / sqrt(x) }))
	unary(ops.LogOp, 10, one(func(x float32) float32 { return float32(math.Log(float64(x))) }))
	unary(ops.TanhOp, 10, one(func(x float32) float32 { return float32(math.Tanh(float64(x))) }))

	register(func(n *graph.Node, p *plan) error {
		s, v := n.Attrs().(ops.ScalarAttrs).S, p.vec
		return p.blocks(n, 0.3, func(y, x []float32) { v.Scale(y, s, x) })
	}, ops.ScaleOp)
	register(func(n *graph.Node, p *plan) error {
		s := n.Attrs().(ops.ScalarAttrs).S
		return p.blocks(n, 0.5, one(func(x float32) float32 { return x + s }))
	}, ops.AddScalarOp)
	register(func(n *graph.Node, p *plan) error {
		a := n.Attrs().(ops.ClampAttrs)
		return p.blocks(n, 0.5, one(func(x float32) float32 { return min(max(x, a.Lo), a.Hi) }))
	}, ops.ClampOp)

	register(binary((*vec.Funcs).Add, func(a, b float32) float32 { return a + b }), ops.AddOp)
	register(binary((*vec.Funcs).Mul, func(a, b float32) float32 { return a * b }), ops.MulOp)
	register(binary(nil, func(a, b float32) float32 { return a - b }), ops.SubOp)
	register(binary(nil, func(a, b float32) float32 { return a / b }), ops.DivOp)
	register(binary(nil, func(a, b float32) float32 { return max(a, b) }), ops.MaxOp)
	register(binary(nil, func(a, b float32) float32 { return min(a, b) }), ops.MinOp)
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// blocks computes y from x of the same size, block by block; work is the
// nanoseconds an element takes.
func (p *plan) blocks(n *graph.Node, work float64, f func(y, x []float32)) error {
	size := n.Out(0).Shape().Len()
	p.step(ceil(size, block), work*block, func(fr *frame, lo, hi int) {
		x, y := fr.in(0), fr.out(0)
		from, to := lo*block, min(size, hi*block)
		f(y[from:to], x[from:to])
	})
	return nil
}

// binary is the kernel of a function of two elements; whole rows go to the vector
// form, where there is one.
func binary(rows func(v *vec.Funcs, y, a, b []float32), one func(a, b float32) float32) kernel {
	return func(n *graph.Node, p *plan) error {
		dims := n.Out(0).Shape().Dims()
		l := newNest(dims, broadcastSteps(dims, n.In(0).Shape()), broadcastSteps(dims, n.In(1).Shape()))
		sa, sb, inner := l.step(0), l.step(1), l.inner()
		parts := 1 // of a row
		if l.rows() == 1 {
			parts = ceil(inner, block)
		}
		p.step(l.rows()*parts, float64(inner/parts), func(f *frame, lo, hi int) {
			a, b, y := f.in(0), f.in(1), f.out(0)
			for u := lo; u < hi; u++ {
				row, from := u/parts, u%parts*block
				to := inner
				if parts > 1 {
					to = min(inner, from+block)
				}
				at, bt := l.at(0, row), l.at(1, row)
				y := y[row*inner+from : row*inner+to]
				if rows != nil && sa == 1 && sb == 1 {
					rows(f.vec, y, a[at+from:at+to], b[bt+from:bt+to])
					continue
				}
				i, j := at+from*sa, bt+from*sb
				for k := range y {
					y[k] = one(a[i], b[j])
					i += sa
					j += sb
				}
			}
		})
		return nil
	}
}
