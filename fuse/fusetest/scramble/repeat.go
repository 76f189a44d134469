package scramble

import (
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

func init() {
	add(Repeats, "an operand broadcast before use", stretched(func(_ *sweep, v graph.Value, dims []int) graph.Value {
		return ops.Broadcast(v, dims...)
	}))
	add(Repeats, "an operand repeated before use", stretched(func(s *sweep, v graph.Value, dims []int) graph.Value {
		return copied(s, v, dims)
	}))
	add(Repeats, "broadcast as repeat", func(s *sweep, n *graph.Node, in []graph.Value) []graph.Value {
		if n.Op() != ops.BroadcastOp || !isF32(in...) || n.Fixed() || !s.hit() {
			return nil
		}
		return []graph.Value{copied(s, in[0], n.Out(0).Shape().Dims())}
	})
	add(Repeats, "repeat as reshape, broadcast, reshape", stretchedRepeat)
	add(Repeats, "broadcast left to the op that reads it", unstretched)
}

// pointwise reports an op that computes each element by itself.
func pointwise(n *graph.Node) bool {
	k, ok := whole(n)
	return ok && k == 0
}

// stretched is a kind that stretches an operand of a pointwise op, along some or
// all axes, before the op would do it.
func stretched(f func(s *sweep, v graph.Value, dims []int) graph.Value) func(*sweep, *graph.Node, []graph.Value) []graph.Value {
	return func(s *sweep, n *graph.Node, in []graph.Value) []graph.Value {
		if n.NumIn() < 2 || !pointwise(n) || !s.hit() {
			return nil
		}
		in = slices.Clone(in)
		dims := n.Out(0).Shape().Dims()
		changed := false
		for i, v := range in {
			if n.In(i).Node().Op() == graph.ConstOp || slices.Equal(v.Shape().Dims(), dims) {
				continue
			}
			to := slices.Clone(dims)
			own := aligned(v, len(dims)).Shape()
			if s.r.IntN(3) == 0 { // not everywhere
				for a := range to {
					if s.r.IntN(2) == 0 && own.Rank() == len(to) {
						to[a] = own.Dim(a)
					}
				}
			}
			in[i], changed = f(s, v, to), true
		}
		if !changed {
			return nil
		}
		return s.apply(n.Op(), n.Attrs(), in...)
	}
}

// copied stretches v by repeats, in either order of copies: of one element they
// are the same.
func copied(s *sweep, v graph.Value, dims []int) graph.Value {
	if v.Shape().Rank() == 0 {
		return ops.Broadcast(v, dims...)
	}
	v = aligned(v, len(dims))
	for a, d := range dims {
		if v.Shape().Dim(a) != d {
			v = ops.Repeat(v, a, d, []ops.RepeatMode{ops.RepeatTiled, ops.RepeatInterleaved}[s.r.IntN(2)])
		}
	}
	return v
}

func stretchedRepeat(s *sweep, n *graph.Node, in []graph.Value) []graph.Value {
	d := n.Out(0).Shape().Dims()
	if n.Op() != ops.RepeatOp || len(d) == graph.MaxRank || !isF32(in...) || !s.hit() {
		return nil
	}
	r := graph.AttrsOf[ops.RepeatAttrs](n.Attrs())
	x := in[0]
	at := r.Axis // where the axis of the copies goes
	if r.Mode == ops.RepeatInterleaved {
		at++
	}
	one := slices.Insert(x.Shape().Dims(), at, 1)
	all := slices.Clone(one)
	all[at] = r.N
	return []graph.Value{ops.Reshape(ops.Broadcast(ops.Reshape(x, one...), all...), d...)}
}

// unstretched leaves out the broadcast of an operand where the other one has
// the extents of the result.
func unstretched(s *sweep, n *graph.Node, in []graph.Value) []graph.Value {
	if n.NumIn() != 2 || !pointwise(n) || !s.hit() {
		return nil
	}
	in = slices.Clone(in)
	for i := range 2 {
		if n.In(1-i).Shape() == n.Out(0).Shape() && n.In(i).Node().Op() == ops.BroadcastOp {
			in[i] = s.value(n.In(i).Node().In(0))
			return s.apply(n.Op(), n.Attrs(), in...)
		}
	}
	return nil
}
