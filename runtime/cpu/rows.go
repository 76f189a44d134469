package cpu

import (
	"math"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

func init() {
	reduction := func(op *graph.Op, f func(x []float32) float32) {
		register(func(n *graph.Node, p *plan) error {
			return p.rows(n, 1, func(y, x []float32) { y[0] = f(x) })
		}, op)
	}
	reduction(ops.SumLastOp, func(x []float32) float32 { return float32(sum(x)) })
	reduction(ops.MeanLastOp, func(x []float32) float32 { return float32(sum(x) / float64(len(x))) })
	reduction(ops.MaxLastOp, slices.Max[[]float32])
	register(func(n *graph.Node, p *plan) error {
		v, eps := p.vec, n.Attrs().(ops.RMSNormAttrs).Eps
		return p.rows(n, 0.3, func(y, x []float32) {
			v.Scale(y, 1/sqrt(v.SumSquares(x)/float32(len(x))+eps), x)
		})
	}, ops.RMSNormOp)
	register(func(n *graph.Node, p *plan) error {
		v, a := p.vec, n.Attrs().(ops.L2NormAttrs)
		return p.rows(n, 0.3, func(y, x []float32) { v.Scale(y, 1/l2(v.SumSquares(x), a.Mode, a.Eps), x) })
	}, ops.L2NormOp)
	register(func(n *graph.Node, p *plan) error {
		v := p.vec
		return p.rows(n, 1, func(y, x []float32) {
			v.Scale(y, 1/v.ExpSum(y, x, v.Max(x)), y)
		})
	}, ops.SoftmaxOp)
	register(func(n *graph.Node, p *plan) error {
		return p.rows(n, 1, func(y, x []float32) {
			s := 0.0
			for i, e := range x {
				s += float64(e)
				y[i] = float32(s)
			}
		})
	}, ops.CumSumOp)
}

// l2 is what an L2 norm divides by.
func l2(squares float32, mode ops.L2Mode, eps float32) float32 {
	if mode == ops.L2Max {
		return max(sqrt(squares), eps)
	}
	return sqrt(squares + eps)
}

func sum(x []float32) float64 {
	s := 0.0
	for _, e := range x {
		s += float64(e)
	}
	return s
}

// rows computes rows of y from rows of x, along the last axes; work is the
// nanoseconds an element of x takes.
func (p *plan) rows(n *graph.Node, work float64, f func(y, x []float32)) error {
	from, to := n.In(0).Shape().Dim(-1), n.Out(0).Shape().Dim(-1)
	p.step(n.In(0).Shape().Len()/from, work*float64(from), func(fr *frame, lo, hi int) {
		x, y := fr.in(0), fr.out(0)
		for r := lo; r < hi; r++ {
			f(y[r*to:(r+1)*to], x[r*from:(r+1)*from])
		}
	})
	return nil
}

var inf, nan = float32(math.Inf(1)), float32(math.NaN())
