package fuse

import (
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/graph/index"
	"github.com/deltaloom/deltaloom/ops"
)

// A product that is summed is a contraction, however its operands were
// broadcast: axes that both have are the batch, the others rows and columns.
var _ = register(Rule{
	Name:  "canon/mul-sum",
	Doc:   "sum_last(mul(a, b)) → matmul: one node less, and no product in memory",
	Stage: Canon,
	Sizes: func(v At, yield func(Dims) bool) {
		yield(Dims{X: graph.IntsOf(v.Node().In(0).Shape().Dims()...)})
	},
	Pattern: func(p *P, d Dims) Rewrite {
		a, b := p.Var("a", d.X.Slice()...), p.Var("b", d.X.Slice()...)
		p.Out(ops.SumLast(ops.Mul(a, b)))
		return func(m *Match) []graph.Value { return []graph.Value{contract(m, a, b)} }
	},
	Examples:   []Dims{{X: graph.IntsOf(2, 3, 4, 5)}, {X: graph.IntsOf(7)}, {X: graph.IntsOf(3, 1, 6)}},
	Equivalent: dotCommutes,
})

// A mean of products is a sum of products like all others.
var _ = register(Rule{
	Name:  "canon/mean-product",
	Doc:   "mean_last(mul(a, b)) → scale(matmul, 1/n): no product in memory",
	Stage: Canon,
	Sizes: func(v At, yield func(Dims) bool) {
		yield(Dims{X: graph.IntsOf(v.Node().In(0).Shape().Dims()...)})
	},
	Pattern: func(p *P, d Dims) Rewrite {
		a, b := p.Var("a", d.X.Slice()...), p.Var("b", d.X.Slice()...)
		p.Out(ops.MeanLast(ops.Mul(a, b)))
		return func(m *Match) []graph.Value {
			return []graph.Value{ops.Scale(contract(m, a, b), float32(1/float64(d.X.At(d.X.Len()-1))))}
		}
	},
	Examples:   []Dims{{X: graph.IntsOf(2, 3, 4, 5)}, {X: graph.IntsOf(7)}, {X: graph.IntsOf(3, 1, 6)}},
	Equivalent: dotCommutes,
})

var dotCommutes = map[string]string{
	"matmul/swap reshape,reshape#2": "operands of one shape have one row each, and a·b = b·a",
}

// contract writes the sum of a·b over the last axis, with that axis kept at
// extent 1, as one matmul.
func contract(m *Match, a, b graph.Value) graph.Value {
	dims, axes := m.refined(a, b) // axes of the root, apart where a and b depend on parts of them
	last := len(dims) - 1
	var batch, rows, cols, none []int
	for i, x := range axes[:last] {
		switch inA, inB := m.dependsOnPart(a, x), m.dependsOnPart(b, x); {
		case inA && inB:
			batch = append(batch, i)
		case inA:
			rows = append(rows, i)
		case inB:
			cols = append(cols, i)
		default:
			none = append(none, i)
		}
	}
	for len(batch) > graph.MaxRank-2 {
		rows, batch = append(rows, batch[len(batch)-1]), batch[:len(batch)-1]
	}
	pick := func(axes []int) []int {
		n := make([]int, len(axes))
		for i, x := range axes {
			n[i] = dims[x]
		}
		return n
	}
	size := func(axes []int) int {
		n := 1
		for _, d := range pick(axes) {
			n *= d
		}
		return n
	}
	side := func(v graph.Value, own, others []int) graph.Value {
		x := ops.Reshape(m.Get(v), dims...)
		for _, i := range append(slices.Clone(others), none...) {
			x = ops.Slice(x, i, 0, 1)
		}
		perm := slices.Concat(none, others, batch, own, []int{last})
		x = ops.Permute(x, perm...)
		return ops.Reshape(x, slices.Concat(pick(batch), []int{size(own), dims[last]})...)
	}
	out := ops.MatMul(side(a, rows, cols), side(b, cols, rows)) // [batch rows cols]
	order := slices.Concat(batch, rows, cols)
	out = ops.Reshape(out, append(pick(order), 1)...)
	perm := make([]int, 0, len(dims))
	small := slices.Clone(dims)
	small[last] = 1
	for i := range last {
		if j := slices.Index(order, i); j >= 0 {
			perm = append(perm, j)
		} else {
			small[i] = 1
		}
	}
	out = ops.Reshape(ops.Permute(out, append(perm, len(order))...), small...)
	full := slices.Clone(dims)
	full[last] = 1
	whole := a.Shape().Dims()
	whole[len(whole)-1] = 1
	return ops.Reshape(ops.Broadcast(out, full...), whole...)
}

// part is a piece of an axis: coefficients from low up to high.
type part struct{ axis, low, high int }

// refined splits the axes of two operands of equal extents where either depends
// on one part of an axis and not on another, and returns the extents and the
// parts; the axes themselves where that is not possible.
func (m *Match) refined(a, b graph.Value) (dims []int, parts []part) {
	whole := a.Shape().Dims()
	for axis, d := range whole {
		cuts := []int{1, d}
		if axis < len(whole)-1 {
			for _, v := range []graph.Value{a, b} {
				for _, t := range m.bound(v).at.Forms[index.From][axis].Terms {
					cuts = append(cuts, t.Coef)
				}
			}
		}
		slices.Sort(cuts)
		cuts = slices.Compact(cuts)
		for i := len(cuts) - 1; i > 0; i-- {
			if cuts[i]%cuts[i-1] != 0 {
				cuts = []int{1, d}
				i = 1
			}
			dims = append(dims, cuts[i]/cuts[i-1])
			parts = append(parts, part{axis, cuts[i-1], cuts[i]})
		}
		if d == 1 {
			dims, parts = append(dims, 1), append(parts, part{axis, 1, 1})
		}
	}
	if len(dims) <= graph.MaxRank {
		return dims, parts
	}
	parts = parts[:0]
	for axis, d := range whole {
		parts = append(parts, part{axis, 1, d})
	}
	return whole, parts
}

// dependsOnPart reports whether the elements of v differ along a part of an axis.
func (m *Match) dependsOnPart(v graph.Value, x part) bool {
	at := m.bound(v).at
	for _, t := range at.Forms[index.From][x.axis].Terms {
		if t.Coef >= x.high || t.Coef*at.Size[t.Digit] <= x.low {
			continue
		}
		for _, f := range at.Forms[index.To] {
			if slices.ContainsFunc(f.Terms, func(u index.Term) bool { return u.Digit == t.Digit }) {
				return true
			}
		}
	}
	return false
}

// A contraction over one element sums nothing.
var _ = register(Rule{
	Name:  "canon/outer",
	Doc:   "matmul over an axis of extent 1 → mul",
	Stage: Canon,
	Sizes: func(v At, yield func(Dims) bool) {
		if v.Node().In(0).Shape().Dim(-1) == 1 {
			yield(Dims{X: graph.IntsOf(v.Shape().Dims()...)})
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		da, db := d.X.Slice(), d.X.Slice()
		r := len(da)
		da[r-1], db[r-2], db[r-1] = 1, db[r-1], 1
		a, b := p.Var("a", da...), p.Var("b", db...)
		p.Out(ops.MatMul(a, b))
		return func(m *Match) []graph.Value {
			o := ops.Mul(m.Small(a), ops.Transpose(m.Small(b)))
			return []graph.Value{ops.Broadcast(o, d.X.Slice()...)}
		}
	},
	Examples: []Dims{{X: graph.IntsOf(2, 3, 4)}, {X: graph.IntsOf(5, 6)}},
})
