package cuda

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() {
	register(topK, ops.ArgSortOp, ops.TopKOp)
	register(gatherLast, ops.GatherLastOp)
}

type orderParams struct{ N, K uint32 }

func topK(n *graph.Node, p *plan) error {
	x, k := n.In(0).Shape(), n.Out(0).Shape().Dim(-1)
	size := x.Dim(-1)
	if err := small(x.Len()); err != nil {
		return err
	}
	chunks := lower.Ceil(size, threads)
	if chunks > 65535 {
		return unsupported("rows of %d elements", size)
	}
	p.launch("topk_f32", dim{x.Len() / size, chunks, 1}, line(threads), orderParams{uint32(size), uint32(k)}, p.in(0), p.out(0))
	return nil
}

type gatherLastParams struct {
	Size, N, Axes uint32
	Dims, SX, SI  [6]uint32
}

// gatherLast steps through rows of x as if they were elements.
func gatherLast(n *graph.Node, p *plan) error {
	x, index, y := n.In(0).Shape(), n.In(1).Shape(), n.Out(0).Shape()
	if err := small(max(x.Len(), index.Len(), y.Len())); err != nil {
		return err
	}
	rows := x.Dims()
	rows[len(rows)-1] = 1
	dims := y.Dims()
	l := lower.NewNest(dims, lower.BroadcastSteps(dims, graph.ShapeOf(graph.F32, rows...)), lower.BroadcastSteps(dims, index))
	params := gatherLastParams{Size: uint32(y.Len()), N: uint32(x.Dim(-1)), Axes: uint32(len(l.Dims))}
	fill(&params.Dims, l.Dims)
	fill(&params.SX, l.Steps[0])
	fill(&params.SI, l.Steps[1])
	p.launch("gather_last_f32", along(y.Len()), line(threads), params, p.in(0), p.in(1), p.out(0))
	return nil
}
