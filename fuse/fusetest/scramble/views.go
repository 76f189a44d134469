package scramble

import (
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

func init() {
	add(Permutes, "a permute and its inverse after a value", results(func(s *sweep, v graph.Value) graph.Value {
		r := v.Shape().Rank()
		if r < 2 {
			return v
		}
		p := s.r.Perm(r)
		return ops.Permute(ops.Permute(v, p...), inverse(p)...)
	}))
	add(Reshapes, "a reshape and the way back after a value", results(func(s *sweep, v graph.Value) graph.Value {
		dims := v.Shape().Dims()
		return ops.Reshape(ops.Reshape(v, s.regroup(dims)...), dims...)
	}))
	add(Reshapes, "axes of extent 1 come and go", results(func(s *sweep, v graph.Value) graph.Value {
		dims := v.Shape().Dims()
		if len(dims) == graph.MaxRank {
			return v
		}
		return ops.Reshape(ops.Reshape(v, slices.Insert(slices.Clone(dims), s.r.IntN(len(dims)+1), 1)...), dims...)
	}))
	add(Copies, "a copy of a value", results(func(s *sweep, v graph.Value) graph.Value { return ops.Cont(v) }))
}

// results is a kind that puts f after the results of nodes.
func results(f func(*sweep, graph.Value) graph.Value) func(*sweep, *graph.Node, []graph.Value) []graph.Value {
	return func(s *sweep, n *graph.Node, in []graph.Value) []graph.Value {
		out := s.clone(n, in)
		for i, v := range out {
			if isF32(v) && n.Op() != graph.ConstOp && n.Op() != graph.WeightOp && s.hit() {
				out[i] = f(s, v)
			}
		}
		return out
	}
}

func inverse(perm []int) []int {
	inv := make([]int, len(perm))
	for i, p := range perm {
		inv[p] = i
	}
	return inv
}

// regroup returns other extents for as many elements.
func (s *sweep) regroup(dims []int) []int {
	g := s.merge(dims, 0)
	if h := s.split(dims, 0); g == nil || h != nil && s.r.IntN(2) == 0 {
		g = h
	}
	if g == nil {
		return dims
	}
	return g.apply(dims)
}

// grouping is one merge of neighbouring axes, or one split of an axis.
type grouping struct {
	from, to int   // axes from up to but not including to ...
	dims     []int // ... have these extents in the other layout
}

// merge draws neighbouring axes to be one, leaving the last keep axes alone; nil
// where there are none.
func (s *sweep) merge(dims []int, keep int) *grouping {
	var all []grouping
	for i := range len(dims) - keep {
		size := dims[i]
		for j := i + 1; j < len(dims)-keep; j++ {
			size *= dims[j]
			all = append(all, grouping{i, j + 1, []int{size}})
		}
	}
	return s.pick(all)
}

// split draws an axis to be two.
//
// Two ways to take one axis apart, 6 = 2·3 = 3·2, are never mixed: from an index in
// the one to an index in the other there is no affine form, so that such a reshape
// is no view of anything but whole tensors. Powers of one prime are free of that,
// and so is a first split in order of the primes.
func (s *sweep) split(dims []int, keep int) *grouping {
	if len(dims) == graph.MaxRank {
		return nil
	}
	var all []grouping
	for i, d := range dims[:len(dims)-keep] {
		least := leastFactor(d)
		for f := least; f < d && d%f == 0; f *= least {
			if power(d, least) || s.whole && leastFactor(d/f) > least {
				all = append(all, grouping{i, i + 1, []int{f, d / f}})
			}
		}
	}
	return s.pick(all)
}

func (s *sweep) pick(all []grouping) *grouping {
	if len(all) == 0 {
		return nil
	}
	return &all[s.r.IntN(len(all))]
}

// leastFactor returns the smallest prime in n.
func leastFactor(n int) int {
	for f := 2; f*f <= n; f++ {
		if n%f == 0 {
			return f
		}
	}
	return max(n, 2)
}

func power(n, of int) bool {
	for n%of == 0 {
		n /= of
	}
	return n == 1
}

// apply returns the extents in the other layout.
func (g *grouping) apply(dims []int) []int {
	return slices.Concat(dims[:g.from], g.dims, dims[g.to:])
}

// operand brings an operand of a result of extents out into the layout: axes
// that are merged are stretched where only some of them are, and extents of 1
// stay 1.
func (g *grouping) operand(v graph.Value, out []int) graph.Value {
	v = aligned(v, len(out))
	dims := v.Shape().Dims()
	ones := true
	for _, d := range dims[g.from:g.to] {
		ones = ones && d == 1
	}
	part := make([]int, len(g.dims))
	for i := range part {
		part[i] = 1
	}
	if !ones {
		full := slices.Clone(dims)
		copy(full[g.from:g.to], out[g.from:g.to])
		v, dims, part = ops.Broadcast(v, full...), full, g.dims
	}
	return ops.Reshape(v, slices.Concat(dims[:g.from], part, dims[g.to:])...)
}

// aligned gives v leading axes of extent 1 up to this rank; scalars stay.
func aligned(v graph.Value, rank int) graph.Value {
	dims := v.Shape().Dims()
	if len(dims) == 0 {
		return v
	}
	for len(dims) < rank {
		dims = append([]int{1}, dims...)
	}
	return ops.Reshape(v, dims...)
}
