package cpu

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() {
	register(causalMask, ops.CausalMaskOp)
	register(solveTri, ops.SolveTriOp)
}

func causalMask(n *graph.Node, p *plan) error {
	cols := n.Attrs().(ops.CausalMaskAttrs).N
	p.step(n.In(0).Shape().Len(), float64(cols)/2, func(f *frame, lo, hi int) {
		pos, y := f.ints(0), f.out(0)
		for r := lo; r < hi; r++ {
			row := y[r*cols : (r+1)*cols]
			seen := min(max(int(pos[r])+1, 0), cols)
			clear(row[:seen])
			for i := seen; i < cols; i++ {
				row[i] = -inf
			}
		}
	})
	return nil
}

// solveTri substitutes forward, row by row of the result.
func solveTri(n *graph.Node, p *plan) error {
	a, b, y := n.In(0).Shape(), n.In(1).Shape(), n.Out(0).Shape()
	N, M := a.Dim(-1), b.Dim(-1)
	lead := y.Dims()[:y.Rank()-2]
	l := lower.NewBatch(lead, a, b)
	p.step(lower.Product(lead), float64(N*N*M)/4, func(f *frame, lo, hi int) {
		for u := lo; u < hi; u++ {
			ua, ub := l.At(u)
			a, b, y := f.in(0)[ua*N*N:], f.in(1)[ub*N*M:], f.out(0)[u*N*M:(u+1)*N*M]
			for r := range N {
				row := y[r*M : (r+1)*M]
				copy(row, b[r*M:])
				for c := range r {
					if w := a[r*N+c]; w != 0 {
						for j, e := range y[c*M : (c+1)*M] {
							row[j] -= w * e
						}
					}
				}
				d := 1 / a[r*N+r]
				for j := range row {
					row[j] *= d
				}
			}
		}
	})
	return nil
}
