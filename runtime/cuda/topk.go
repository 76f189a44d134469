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

// Sizes of runtime/kernels/largest.cu.
const (
	largestOf = 4096 // that a block looks at
	mostOf    = 64   // taken out one by one
)

type orderParams struct{ N, K uint32 }

// topK counts, for each element, what comes before it; a few of many are found part by
// part.
func topK(n *graph.Node, p *plan) error {
	x, k := n.In(0).Shape(), n.Out(0).Shape().Dim(-1)
	size := x.Dim(-1)
	if err := small(x.Len()); err != nil {
		return err
	}
	if size > largestOf && k <= mostOf && x.Len()/size <= mostAlong {
		p.largest(x.Len()/size, size, k)
		return nil
	}
	chunks := lower.Ceil(size, threads)
	if size > 1<<16 {
		return unsupported("the order of %d elements", size)
	}
	p.launch("topk_f32", dim{x.Len() / size, chunks, 1}, line(threads), orderParams{uint32(size), uint32(k)}, p.in(0), p.out(0))
	return nil
}

// largest finds the k largest elements of rows of n.
func (p *plan) largest(rows, n, k int) {
	kernel, from := "largest_numbers", p.in(0)
	for parts := 0; parts != 1; {
		parts = lower.Ceil(n, largestOf)
		to := p.scratch(8 * int64(rows) * int64(parts) * int64(k))
		p.launch(kernel, dim{parts, rows, 1}, line(threads), orderParams{uint32(n), uint32(k)}, from, to)
		kernel, from, n = "largest_keys", to, parts*k
	}
	p.launch("places_of_keys", along(rows*k), line(threads), orderParams{N: uint32(rows * k)}, from, p.out(0))
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
	fill(params.Dims[:], l.Dims)
	fill(params.SX[:], l.Steps[0])
	fill(params.SI[:], l.Steps[1])
	p.launch("gather_last_f32", along(y.Len()), line(threads), params, p.in(0), p.in(1), p.out(0))
	return nil
}
