package cpu

import (
	"math"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

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
	vector(ops.NegOp, 0.3, func(v *vec.Funcs, y, x []float32) { v.Scale(y, -1, x) })
	vector(ops.ReluOp, 0.3, func(v *vec.Funcs, y, x []float32) { v.Clamp(y, x, 0, inf) })
	unary(ops.SqrtOp, 1, one(sqrt))
	unary(ops.RsqrtOp, 2, one(func(x float32) float32 { return 1 / sqrt(x) }))
	unary(ops.LogOp, 10, one(func(x float32) float32 { return float32(math.Log(float64(x))) }))
	unary(ops.TanhOp, 10, one(func(x float32) float32 { return float32(math.Tanh(float64(x))) }))

	register(func(n *graph.Node, p *plan) error {
		s, v := n.Attrs().(ops.ScalarAttrs).S, p.vec
		return p.blocks(n, 0.3, func(y, x []float32) { v.Scale(y, s, x) })
	}, ops.ScaleOp)
	register(func(n *graph.Node, p *plan) error {
		s, v := n.Attrs().(ops.ScalarAttrs).S, p.vec
		return p.blocks(n, 0.3, func(y, x []float32) { v.Shift(y, s, x) })
	}, ops.AddScalarOp)
	register(func(n *graph.Node, p *plan) error {
		a, v := n.Attrs().(ops.ClampAttrs), p.vec
		return p.blocks(n, 0.3, func(y, x []float32) { v.Clamp(y, x, a.Lo, a.Hi) })
	}, ops.ClampOp)

	scale, shift := (*vec.Funcs).Scale, (*vec.Funcs).Shift
	unshift := func(v *vec.Funcs, y []float32, a float32, x []float32) { v.Shift(y, -a, x) }
	register(binary{(*vec.Funcs).Add, shift, shift, func(a, b float32) float32 { return a + b }}.kernel, ops.AddOp)
	register(binary{(*vec.Funcs).Mul, scale, scale, func(a, b float32) float32 { return a * b }}.kernel, ops.MulOp)
	register(binary{(*vec.Funcs).Sub, nil, unshift, func(a, b float32) float32 { return a - b }}.kernel, ops.SubOp)
	register(binary{(*vec.Funcs).Div, nil, (*vec.Funcs).Over, func(a, b float32) float32 { return a / b }}.kernel, ops.DivOp)
	register(binary{(*vec.Funcs).Larger, nil, nil, func(a, b float32) float32 { return max(a, b) }}.kernel, ops.MaxOp)
	register(binary{(*vec.Funcs).Smaller, nil, nil, func(a, b float32) float32 { return min(a, b) }}.kernel, ops.MinOp)
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// blocks computes y from x of the same size; work is the nanoseconds an element takes.
func (p *plan) blocks(n *graph.Node, work float64, f func(y, x []float32)) error {
	p.elements(n.Out(0).Shape().Len(), true, work, func(fr *frame, from, to int) {
		f(fr.out(0)[from:to], fr.in(0)[from:to])
	})
	return nil
}

// binary is a function of two elements a and b.
type binary struct {
	rows   func(v *vec.Funcs, y, a, b []float32)
	constA func(v *vec.Funcs, y []float32, a float32, b []float32) // of one a and many b, or nil
	constB func(v *vec.Funcs, y []float32, b float32, a []float32)
	one    func(a, b float32) float32
}

func (o binary) kernel(n *graph.Node, p *plan) error {
	dims := n.Out(0).Shape().Dims()
	l := lower.NewNest(dims, lower.BroadcastSteps(dims, n.In(0).Shape()), lower.BroadcastSteps(dims, n.In(1).Shape()))
	sa, sb, inner := l.Step(0), l.Step(1), l.Inner()
	p.elements(n.Out(0).Shape().Len(), true, 0.5, func(f *frame, from, to int) {
		a, b, y := f.in(0), f.in(1), f.out(0)
		for from < to {
			row, at := from/inner, from%inner
			y := y[from:min(to, from+inner-at)]
			from += len(y)
			a, b := a[l.At(0, row)+at*sa:], b[l.At(1, row)+at*sb:]
			switch {
			case sa == 1 && sb == 1:
				o.rows(f.vec, y, a, b)
			case sa == 0 && sb == 1 && o.constA != nil:
				o.constA(f.vec, y, a[0], b)
			case sa == 1 && sb == 0 && o.constB != nil:
				o.constB(f.vec, y, b[0], a)
			default:
				for i := range y {
					y[i] = o.one(a[i*sa], b[i*sb])
				}
			}
		}
	})
	return nil
}
