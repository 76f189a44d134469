package lower

import (
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// Pieces returns the extents of a tensor in indivisible pieces, and the bytes of
// one: an element, or a block of a block format.
func Pieces(s graph.Shape) (dims []int, bytes int) {
	dims = s.Dims()
	e, bytes := s.DType.Block()
	if e > 1 {
		dims[len(dims)-1] /= e
	}
	return dims, bytes
}

// View is where a view, a repeat or a copy finds its pieces: the nest runs over the
// dense result, its only operand begins at piece First; a piece has Bytes.
type View struct {
	Nest
	First, Bytes int
}

// ViewOf describes a node that moves elements and computes nothing.
func ViewOf(n *graph.Node) View {
	from, size := Pieces(n.In(0).Shape())
	dims, _ := Pieces(n.Out(0).Shape())
	steps, first := DenseSteps(from), 0
	switch a := n.Attrs().(type) {
	case ops.PermuteAttrs:
		s := make([]int, len(dims))
		for i, axis := range a.Perm.Slice() {
			s[i] = steps[axis]
		}
		steps = s
	case ops.SliceAttrs:
		start := a.Start
		if e, _ := n.In(0).Shape().DType.Block(); e > 1 && a.Axis == len(dims)-1 {
			start /= e
		}
		first = start * steps[a.Axis]
	case ops.BroadcastAttrs:
		s := make([]int, len(dims))
		skip := len(dims) - len(from)
		for i, d := range from {
			if d == dims[skip+i] {
				s[skip+i] = steps[i]
			}
		}
		steps = s
	case ops.RepeatAttrs:
		e, at := from[a.Axis], steps[a.Axis]
		d, s := []int{a.N, e}, []int{0, at}
		if a.Mode == ops.RepeatInterleaved {
			d, s = []int{e, a.N}, []int{at, 0}
		}
		dims = slices.Concat(dims[:a.Axis], d, dims[a.Axis+1:])
		steps = slices.Concat(steps[:a.Axis], s, steps[a.Axis+1:])
	default: // the same elements in the same order
		dims, steps = []int{Product(dims)}, []int{1}
	}
	return View{NewNest(dims, steps), first, size}
}
