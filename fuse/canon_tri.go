package fuse

import (
	"errors"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// solved proposes the extents of a triangular solve that v adds to.
func solved(v At, yield func(Dims) bool) {
	for _, x := range operands(v.Value) {
		if s := through(x); s.Node().Op() == ops.SolveTriOp && s.Shape().Len() == v.Shape().Len() {
			yield(Dims{X: graph.IntsOf(s.Shape().Dims()...)})
			return
		}
	}
}

var squareExamples = []Dims{{X: graph.IntsOf(4, 4)}, {X: graph.IntsOf(2, 3, 5, 5)}}

// The inverse of I+A is also written as what is missing from I, which saves a
// library that only solves for A's own storage: (I+A)⁻¹(-A) + I.
var _ = register(Rule{
	Name:  "canon/solve-identity",
	Doc:   "solve(I+A, -A) + I → solve(I+A, I)",
	Stage: Canon,
	Sizes: solved,
	Pattern: func(p *P, d Dims) Rewrite {
		n := d.X.At(d.X.Len() - 1)
		a := p.Var("a", d.X.Slice()...)
		eye := ops.Eye(p.Builder(), n)
		low := ops.Tri(a, ops.StrictLower)
		p.Out(ops.Add(ops.SolveTri(ops.Add(low, eye), ops.Neg(low)), eye))
		return func(m *Match) []graph.Value {
			x := m.Get(a)
			eye := ops.Eye(x.Builder(), n)
			return []graph.Value{ops.SolveTri(ops.Add(ops.Tri(x, ops.StrictLower), eye), ops.Broadcast(eye, d.X.Slice()...))}
		}
	},
	Examples: squareExamples,
})

// masked proposes, for a root with the mask outer (or any, if 0), the extents and
// the pairs of masks that fit one of the masks just below.
func masked(v At, outer ops.TriKind, below []graph.Value, yield func(Dims) bool) {
	for _, x := range below {
		mask := through(x)
		if mask.Node().Op() != ops.TriOp {
			continue
		}
		inner := graph.AttrsOf[ops.TriAttrs](mask.Node().Attrs()).Kind
		for i, pair := range triPairs {
			if pair[1] != inner || outer != 0 && pair[0] != outer {
				continue
			}
			on := true
			withLast(v.Value, mask.Shape().Dim(-2), mask.Shape().Dim(-1), func(X graph.Ints) bool {
				on = yield(Dims{X: X, Variant: i})
				return on
			})
			if !on || outer == 0 {
				return
			}
		}
	}
}

// withLast yields the extents in which v and the values that it is computed from
// stand, if the last two are these: v may have axes merged that an op below works
// along.
func withLast(v graph.Value, rows, cols int, yield func(graph.Ints) bool) {
	seen := map[graph.Ints]bool{}
	reach(v, 16, func(x graph.Value) bool {
		s := x.Shape()
		X := graph.IntsOf(s.Dims()...)
		if s.Rank() < 2 || s.Dim(-2) != rows || s.Dim(-1) != cols || seen[X] {
			return true
		}
		seen[X] = true
		return yield(X)
	})
}

// operands returns the operands of the node that v shows.
func operands(v graph.Value) []graph.Value {
	n := through(v).Node()
	all := make([]graph.Value, n.NumIn())
	for i := range all {
		all[i] = n.In(i)
	}
	return all
}

func kindOf(v At) ops.TriKind { return graph.AttrsOf[ops.TriAttrs](v.Node().Attrs()).Kind }

// triPairs are masks of which the first keeps no more than the second.
var triPairs = [...][2]ops.TriKind{
	{ops.Lower, ops.Lower}, {ops.StrictLower, ops.Lower}, {ops.StrictLower, ops.StrictLower},
	{ops.Upper, ops.Upper}, {ops.StrictUpper, ops.Upper}, {ops.StrictUpper, ops.StrictUpper},
}

var maskExamples = []Dims{{X: graph.IntsOf(4, 4)}, {X: graph.IntsOf(2, 3, 3), Variant: 1}, {X: graph.IntsOf(3, 5), Variant: 2}, {X: graph.IntsOf(4, 4), Variant: 4}}

// A mask on a factor and on the product is one mask on the product. The inner
// one may have other readers.
var _ = register(Rule{
	Name:  "canon/tri-product",
	Doc:   "tri(a · tri(b)) → tri(a · b), where the outer mask keeps no more than the inner",
	Stage: Canon,
	Sizes: func(v At, yield func(Dims) bool) {
		if x := through(v.Node().In(0)); x.Node().Op() == ops.MulOp {
			masked(v, kindOf(v), operands(x), yield)
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		kinds := triPairs[d.Variant]
		a, b := p.Var("a", d.X.Slice()...), p.Var("b", d.X.Slice()...)
		p.Out(ops.Tri(ops.Mul(a, p.Keep(ops.Tri(b, kinds[1]))), kinds[0]))
		return func(m *Match) []graph.Value {
			return []graph.Value{ops.Tri(as(ops.Mul(m.Small(a), m.Small(b)), a)[0], kinds[0])}
		}
	},
	Examples: maskExamples,
})

// A mask stands outside a product, so that the factors have one form.
var _ = register(Rule{
	Name:  "canon/tri-out",
	Doc:   "a · tri(b) → tri(a · b)",
	Stage: Canon,
	Sizes: func(v At, yield func(Dims) bool) { masked(v, 0, operands(v.Value), yield) },
	Pattern: func(p *P, d Dims) Rewrite {
		kind := triPairs[d.Variant][1]
		a, b := p.Var("a", d.X.Slice()...), p.Var("b", d.X.Slice()...)
		p.Out(ops.Mul(a, ops.Tri(b, kind)))
		p.Where(func(m *Match) error {
			for _, n := range m.Readers(0) {
				if n.Op() == ops.TriOp {
					return errNoMatch // canon/tri-product has it
				}
			}
			for _, p := range m.pairs { // one of them is the mask
				if n := p.graph; n.Op() == ops.TriOp && n.Out(0).Shape().Len() < m.out[0].g.Shape().Len() {
					return errors.New("the masked factor is smaller than the product")
				}
			}
			return nil
		})
		return func(m *Match) []graph.Value {
			return []graph.Value{ops.Tri(as(ops.Mul(m.Small(a), m.Small(b)), a)[0], kind)}
		}
	},
	Examples: maskExamples,
})

var _ = register(Rule{
	Name:  "canon/tri-tri",
	Doc:   "tri(tri(a)) → tri(a), where the outer mask keeps no more than the inner",
	Stage: Canon,
	Sizes: func(v At, yield func(Dims) bool) { masked(v, kindOf(v), operands(v.Value), yield) },
	Pattern: func(p *P, d Dims) Rewrite {
		kinds := triPairs[d.Variant]
		a := p.Var("a", d.X.Slice()...)
		p.Out(ops.Tri(p.Keep(ops.Tri(a, kinds[1])), kinds[0]))
		return func(m *Match) []graph.Value { return []graph.Value{ops.Tri(m.Get(a), kinds[0])} }
	},
	Examples: maskExamples,
})
