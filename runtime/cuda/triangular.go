package cuda

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() {
	register(triangle, ops.TriOp)
	register(diagonal, ops.DiagOp)
	register(solveTri, ops.SolveTriOp)
}

type triParams struct{ N, Rows, Cols, Kind uint32 }

func triangle(n *graph.Node, p *plan) error {
	s := n.Out(0).Shape()
	if err := small(s.Len()); err != nil {
		return err
	}
	params := triParams{uint32(s.Len()), uint32(s.Dim(-2)), uint32(s.Dim(-1)), uint32(n.Attrs().(ops.TriAttrs).Kind)}
	p.launch("tri_f32", along(s.Len()), line(threads), params, p.in(0), p.out(0))
	return nil
}

func diagonal(n *graph.Node, p *plan) error {
	s := n.Out(0).Shape()
	if err := small(s.Len()); err != nil {
		return err
	}
	p.launch("diag_f32", along(s.Len()), line(threads), triParams{N: uint32(s.Len()), Cols: uint32(s.Dim(-1))}, p.in(0), p.out(0))
	return nil
}

type solveParams struct {
	N, M, Axes   uint32
	Dims, SA, SB [4]uint32
}

// solveTri substitutes forward, a thread a column.
func solveTri(n *graph.Node, p *plan) error {
	a, b, y := n.In(0).Shape(), n.In(1).Shape(), n.Out(0).Shape()
	lead := y.Dims()[:y.Rank()-2]
	l := lower.NewBatch(lead, a, b)
	params := solveParams{N: uint32(a.Dim(-1)), M: uint32(b.Dim(-1)), Axes: uint32(len(lead))}
	for i := range lead {
		params.Dims[i], params.SA[i], params.SB[i] = uint32(lead[i]), uint32(l.Steps[0][i]), uint32(l.Steps[1][i])
	}
	p.launch("solve_tri_f32", dim{lower.Product(lead), lower.Ceil(b.Dim(-1), 128), 1}, line(128), params, p.in(0), p.in(1), p.out(0))
	return nil
}
