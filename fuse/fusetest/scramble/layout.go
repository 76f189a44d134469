package scramble

import (
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

func init() {
	add(Transposed, "computed with the axes in another order", transposed)
	add(Reshapes, "computed with axes merged", regrouped(func(s *sweep, dims []int, keep int) *grouping { return s.merge(dims, keep) }))
	// An axis is split last: nobody computes with the parts of one axis in
	// different places.
	kinds = append(kinds, Kind{Family: Reshapes, Name: "computed with an axis split", last: true,
		node: regrouped(func(s *sweep, dims []int, keep int) *grouping { return s.split(dims, keep) })})
}

// whole returns how many of the last axes an op works along, as the op's own
// description has it. The others may be laid out otherwise.
func whole(n *graph.Node) (axes int, ok bool) {
	if n.NumOut() != 1 || n.NumIn() == 0 || n.Op().View {
		return 0, false
	}
	rank := n.Out(0).Shape().Rank()
	switch op := n.Op(); {
	case op.Contract:
		axes = 2
	case op.Axes == nil:
		return 0, false
	default:
		along, _ := op.Axes(n.Attrs(), rank)
		axes = len(along)
		for i, a := range along {
			if a != rank-axes+i {
				return 0, false
			}
		}
	}
	for i := range n.NumIn() {
		s := n.In(i).Shape()
		if s.Rank() < axes || s.DType != graph.F32 {
			return 0, false
		}
		if axes > 0 && !n.Op().Contract && s.Rank() != rank && n.NumIn() == 1 {
			return 0, false
		}
	}
	if axes > 0 && hasAxis(n.Op()) {
		return 0, false // its attributes number the axis
	}
	return axes, true
}

func hasAxis(op *graph.Op) bool {
	return op == ops.ConcatOp || op == ops.PadOp || op == ops.RepeatOp
}

// transposed computes a node with the axes that it does not work along in
// another order.
func transposed(s *sweep, n *graph.Node, in []graph.Value) []graph.Value {
	rank := n.Out(0).Shape().Rank()
	if rank < 2 || !isF32(in...) || !isF32(n.Out(0)) {
		return nil
	}
	if hasAxis(n.Op()) {
		if !s.hit() {
			return nil
		}
		p := s.order(rank, 0)
		moved := make([]graph.Value, len(in))
		for i, v := range in {
			moved[i] = s.permute(v, p)
		}
		y := s.apply(n.Op(), onAxis(n.Attrs(), inverse(p)), moved...)[0]
		return []graph.Value{s.permute(y, inverse(p))}
	}
	keep, ok := whole(n)
	if !ok || rank-keep < 2 || !s.hit() {
		return nil
	}
	p := s.order(rank, keep)
	moved := make([]graph.Value, len(in))
	for i, v := range in {
		if moved[i] = v; v.Shape().Rank() > keep {
			moved[i] = s.permute(aligned(v, rank), p)
		}
	}
	y := s.apply(n.Op(), n.Attrs(), moved...)[0]
	return []graph.Value{s.permute(y, inverse(p))}
}

// onAxis returns the attributes with the axis at its new place.
func onAxis(a graph.Attrs, to []int) graph.Attrs {
	switch a := a.(type) {
	case ops.ConcatAttrs:
		a.Axis = to[a.Axis]
		return a
	case ops.PadAttrs:
		a.Axis = to[a.Axis]
		return a
	case ops.RepeatAttrs:
		a.Axis = to[a.Axis]
		return a
	}
	return a
}

// order draws an order of the axes that leaves the last keep alone: mostly the
// sweep's favourite, so that neighbours agree.
func (s *sweep) order(rank, keep int) []int {
	if p := s.perm[rank]; p != nil && keep == 0 && s.r.IntN(4) > 0 {
		return p
	}
	p := make([]int, rank)
	for i := range p {
		p[i] = i
	}
	if free := p[:rank-keep]; s.r.IntN(2) == 0 {
		i := len(free) - 1
		free[i], free[i-1] = free[i-1], free[i]
	} else {
		s.r.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
	}
	if keep == 0 && s.perm[rank] == nil {
		s.perm[rank] = p
	}
	return p
}

func (s *sweep) permute(v graph.Value, p []int) graph.Value {
	if n := v.Node(); s.cancel && n.Op() == ops.PermuteOp {
		if slices.Equal(graph.AttrsOf[ops.PermuteAttrs](n.Attrs()).Perm.Slice(), inverse(p)) {
			return n.In(0)
		}
	}
	return ops.Permute(v, p...)
}

// regrouped is a kind that computes a node with neighbouring axes as one, or an
// axis as two.
func regrouped(draw func(s *sweep, dims []int, keep int) *grouping) func(*sweep, *graph.Node, []graph.Value) []graph.Value {
	return func(s *sweep, n *graph.Node, in []graph.Value) []graph.Value {
		keep, ok := whole(n)
		if !ok || !isF32(n.Out(0)) || !s.hit() {
			return nil
		}
		g := draw(s, n.Out(0).Shape().Dims(), keep)
		if g == nil {
			return nil
		}
		return s.within(g, n, in, keep)
	}
}

// within computes a node in the layout g, but for the last keep axes.
func (s *sweep) within(g *grouping, n *graph.Node, in []graph.Value, keep int) []graph.Value {
	out := n.Out(0).Shape().Dims()
	moved := make([]graph.Value, len(in))
	for i, v := range in {
		switch r := v.Shape().Rank(); {
		case r == 0 || keep > 0 && r == keep:
			moved[i] = v
		case keep > 0:
			// The last axes are the operand's own; the others align with the result's.
			v = aligned(v, len(out))
			whole := slices.Concat(out[:len(out)-keep], v.Shape().Dims()[len(out)-keep:])
			moved[i] = s.reshape(g, v, whole)
		default:
			moved[i] = s.reshape(g, v, out)
		}
	}
	y := s.apply(n.Op(), n.Attrs(), moved...)[0]
	return []graph.Value{ops.Reshape(y, out...)}
}

// reshape is operand, with a reshape there and back left out.
func (s *sweep) reshape(g *grouping, v graph.Value, out []int) graph.Value {
	if n := v.Node(); s.cancel && n.Op() == ops.ReshapeOp && slices.Equal(n.In(0).Shape().Dims(), g.apply(out)) {
		return n.In(0)
	}
	return g.operand(v, out)
}
