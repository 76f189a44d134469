package fuse

import (
	"fmt"
	"math"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

var pointwiseExamples = []Dims{{X: graph.IntsOf(3, 4)}, {X: graph.IntsOf(2, 1, 5, 2)}}

// unary registers a rule for elementwise formulas of operands of the root's
// extents.
func unary(name, doc string, pattern func(p *P, x func(string) graph.Value) Rewrite) *Rule {
	return register(Rule{Name: name, Doc: doc, Stage: Canon, Examples: pointwiseExamples,
		Pattern: func(p *P, d Dims) Rewrite {
			return pattern(p, func(name string) graph.Value { return p.Var(name, d.X.Slice()...) })
		}})
}

// as gives a pointwise result the pattern's extents where its operands were
// smaller.
func as(v graph.Value, like graph.Value) []graph.Value {
	return []graph.Value{ops.Broadcast(v, like.Shape().Dims()...)}
}

var _ = unary("canon/add-neg", "a + (-b) → a - b", func(p *P, x func(string) graph.Value) Rewrite {
	a, b := x("a"), x("b")
	p.Out(ops.Add(a, p.Keep(ops.Neg(b))))
	return func(m *Match) []graph.Value { return as(ops.Sub(m.Small(a), m.Small(b)), a) }
})

var _ = unary("canon/sub-neg", "a - (-b) → a + b", func(p *P, x func(string) graph.Value) Rewrite {
	a, b := x("a"), x("b")
	p.Out(ops.Sub(a, p.Keep(ops.Neg(b))))
	return func(m *Match) []graph.Value { return as(ops.Add(m.Small(a), m.Small(b)), a) }
})

var _ = unary("canon/neg-sub", "-(a - b) → b - a", func(p *P, x func(string) graph.Value) Rewrite {
	a, b := x("a"), x("b")
	p.Out(ops.Neg(ops.Sub(a, b)))
	return func(m *Match) []graph.Value { return as(ops.Sub(m.Small(b), m.Small(a)), a) }
})

var _ = unary("canon/neg-neg", "-(-a) → a", func(p *P, x func(string) graph.Value) Rewrite {
	a := x("a")
	p.Out(ops.Neg(p.Keep(ops.Neg(a))))
	return func(m *Match) []graph.Value { return []graph.Value{m.Get(a)} }
})

var _ = unary("canon/mul-const", "a · constant → scale(a)", func(p *P, x func(string) graph.Value) Rewrite {
	a, c := x("a"), p.Builder().Const(0.5)
	p.AnyAttrs(c, ops1(3), ops1(-1.25))
	p.Out(ops.Mul(a, c))
	return func(m *Match) []graph.Value {
		return []graph.Value{ops.Scale(m.Get(a), AttrsOf[graph.ConstAttrs](m, c).Value)}
	}
})

var _ = unary("canon/add-const", "a + constant → add_scalar(a)", func(p *P, x func(string) graph.Value) Rewrite {
	a, c := x("a"), p.Builder().Const(0.5)
	p.AnyAttrs(c, ops1(3), ops1(-1.25))
	p.Out(ops.Add(a, c))
	return func(m *Match) []graph.Value {
		return []graph.Value{ops.AddScalar(m.Get(a), AttrsOf[graph.ConstAttrs](m, c).Value)}
	}
})

func ops1(x float32) graph.Attrs { return graph.ConstAttrs{Value: x} }

var _ = unary("canon/scale-scale", "scale(scale(a)) → scale(a)", func(p *P, x func(string) graph.Value) Rewrite {
	a := x("a")
	s := p.AnyAttrs(ops.Scale(a, 0.5), ops.ScalarAttrs{S: 3})
	t := p.AnyAttrs(ops.Scale(s, 1.5), ops.ScalarAttrs{S: -2})
	p.Out(t)
	return func(m *Match) []graph.Value {
		return []graph.Value{ops.Scale(m.Get(a), AttrsOf[ops.ScalarAttrs](m, s).S*AttrsOf[ops.ScalarAttrs](m, t).S)}
	}
})

var _ = unary("canon/scale-one", "scale(a, 1) → a", func(p *P, x func(string) graph.Value) Rewrite {
	a := x("a")
	p.Out(ops.Scale(a, 1))
	return func(m *Match) []graph.Value { return []graph.Value{m.Get(a)} }
})

var _ = unary("canon/silu", "a · sigmoid(a) → silu(a)", func(p *P, x func(string) graph.Value) Rewrite {
	a := x("a")
	p.Out(ops.Mul(a, ops.Sigmoid(a)))
	return func(m *Match) []graph.Value { return []graph.Value{ops.Silu(m.Get(a))} }
})

var _ = unary("canon/sigmoid", "1 / (1 + exp(-a)) → sigmoid(a)", func(p *P, x func(string) graph.Value) Rewrite {
	a := x("a")
	p.Out(ops.Div(p.Builder().Const(1), ops.AddScalar(ops.Exp(ops.Neg(a)), 1)))
	return func(m *Match) []graph.Value { return []graph.Value{ops.Sigmoid(m.Get(a))} }
})

var _ = unary("canon/softplus", "log(1 + exp(a)) → softplus(a)", func(p *P, x func(string) graph.Value) Rewrite {
	a := x("a")
	p.Out(ops.Log(ops.AddScalar(ops.Exp(a), 1)))
	return func(m *Match) []graph.Value { return []graph.Value{ops.Softplus(m.Get(a))} }
})

// near reports equality up to the rounding of a constant that a model computed.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*math.Abs(b) }

func notNear(what string, have, want float64) error {
	return fmt.Errorf("%s is %g, want %g", what, have, want)
}
