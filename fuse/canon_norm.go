package fuse

import (
	"math"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

var normExamples = []Dims{{X: graph.IntsOf(2, 3, 8)}, {X: graph.IntsOf(5)}, {X: graph.IntsOf(2, 1, 3, 16)}}

// norm registers a rule for a formula that normalises the last axis of x.
func norm(name, doc string, pattern func(p *P, x graph.Value, n int) Rewrite) *Rule {
	return register(Rule{Name: name, Doc: doc, Stage: Canon, Examples: normExamples, Sizes: normSizes,
		Pattern: func(p *P, d Dims) Rewrite {
			return pattern(p, p.Var("x", d.X.Slice()...), d.X.At(d.X.Len()-1))
		}})
}

// normSizes proposes the extents of v if its last axis is as long as the sum
// below it, and those of what is summed: v may be computed with axes merged or in
// another order, the sum is over the last axis.
func normSizes(v At, yield func(Dims) bool) {
	for i := range v.Node().NumIn() {
		x := summedBelow(v.Node().In(i))
		if x.Node() == nil || x.Shape().Len() != v.Shape().Len() {
			continue
		}
		X, Y := graph.IntsOf(v.Shape().Dims()...), graph.IntsOf(x.Shape().Dims()...)
		if v.Shape().Dim(-1) == x.Shape().Dim(-1) && !yield(Dims{X: X}) {
			return
		}
		if X != Y && !yield(Dims{X: Y}) {
			return
		}
	}
}

// summedBelow returns the operand of the sum that x is the root of, or of the
// norm that x shows; none if x is neither.
func summedBelow(x graph.Value) (summed graph.Value) {
	root := false
	for range 16 { // views included
		switch n := x.Node(); {
		case n.Op() == ops.RMSNormOp || root && (n.Op() == ops.SumLastOp || n.Op() == ops.MeanLastOp || n.Op() == ops.MatMulOp):
			return n.In(0)
		case n.Op() == ops.SqrtOp || n.Op() == ops.RsqrtOp:
			root = true
			x = n.In(0)
		case n.Op() == ops.MaxOp && through(n.In(0)).Node().Fixed():
			x = n.In(1)
		case n.Op() == ops.MaxOp || n.Op() == ops.AddScalarOp || n.Op() == ops.ScaleOp || n.Op().Back != nil:
			x = n.In(0)
		default:
			return
		}
	}
	return
}

var _ = norm("canon/l2-of-rms", "scale(rms_norm(x, eps/n), 1/sqrt(n)) → x / sqrt(Σx² + eps)", func(p *P, x graph.Value, n int) Rewrite {
	r := p.AnyAttrs(ops.RMSNorm(x, 1e-6/float32(n)), ops.RMSNormAttrs{Eps: 1e-3})
	s := p.AnyAttrs(ops.Scale(r, float32(1/math.Sqrt(float64(n)))))
	p.Out(s)
	p.Where(func(m *Match) error {
		if have, want := float64(AttrsOf[ops.ScalarAttrs](m, s).S), 1/math.Sqrt(float64(n)); !near(have, want) {
			return notNear("the factor after rms_norm", have, want)
		}
		return nil
	})
	return func(m *Match) []graph.Value {
		return []graph.Value{ops.L2Norm(m.Get(x), ops.L2Sum, AttrsOf[ops.RMSNormAttrs](m, r).Eps*float32(n))}
	}
})

// epsilon is the constant added to a sum of squares.
func epsilon(p *P, sum graph.Value) graph.Value {
	return p.AnyAttrs(ops.AddScalar(sum, 1e-6), ops.ScalarAttrs{S: 1e-3})
}

var _ = norm("canon/l2-rsqrt", "x · rsqrt(Σx² + eps) → l2_norm(x)", func(p *P, x graph.Value, n int) Rewrite {
	e := epsilon(p, ops.SumLast(ops.Mul(x, x)))
	p.Out(ops.Mul(x, ops.Rsqrt(e)))
	return func(m *Match) []graph.Value {
		return []graph.Value{ops.L2Norm(m.Get(x), ops.L2Sum, AttrsOf[ops.ScalarAttrs](m, e).S)}
	}
})

var _ = norm("canon/l2-sqrt", "x / sqrt(Σx² + eps) → l2_norm(x)", func(p *P, x graph.Value, n int) Rewrite {
	e := epsilon(p, ops.SumLast(ops.Mul(x, x)))
	p.Out(ops.Div(x, ops.Sqrt(e)))
	return func(m *Match) []graph.Value {
		return []graph.Value{ops.L2Norm(m.Get(x), ops.L2Sum, AttrsOf[ops.ScalarAttrs](m, e).S)}
	}
})

var _ = norm("canon/l2-max", "x / max(sqrt(Σx²), eps) → l2_norm(x, max)", func(p *P, x graph.Value, n int) Rewrite {
	e := p.AnyAttrs(p.Builder().Const(1e-6), graph.ConstAttrs{Value: 0.5})
	p.Out(ops.Div(x, ops.Max(ops.Sqrt(ops.SumLast(ops.Mul(x, x))), e)))
	return func(m *Match) []graph.Value {
		return []graph.Value{ops.L2Norm(m.Get(x), ops.L2Max, AttrsOf[graph.ConstAttrs](m, e).Value)}
	}
})

// meanSquare is the mean of x² in the form that canon/mean-product leaves, with
// 1/n as a model may have computed it.
func meanSquare(p *P, x graph.Value, n int) graph.Value {
	s := p.AnyAttrs(ops.Scale(ops.SumLast(ops.Mul(x, x)), float32(1/float64(n))))
	isMean(p, s, n)
	return s
}

// isMean wants the factor s of a sum to be 1/n.
func isMean(p *P, s graph.Value, n int) {
	p.Where(func(m *Match) error {
		if have, want := float64(AttrsOf[ops.ScalarAttrs](m, s).S), 1/float64(n); !near(have, want) {
			return notNear("the factor after the sum", have, want)
		}
		return nil
	})
}

var _ = norm("canon/rms-rsqrt", "x · rsqrt(mean(x²) + eps) → rms_norm(x)", func(p *P, x graph.Value, n int) Rewrite {
	e := epsilon(p, meanSquare(p, x, n))
	p.Out(ops.Mul(x, ops.Rsqrt(e)))
	return func(m *Match) []graph.Value {
		return []graph.Value{ops.RMSNorm(m.Get(x), AttrsOf[ops.ScalarAttrs](m, e).S)}
	}
})

var _ = norm("canon/rms-sqrt", "x / sqrt(mean(x²) + eps) → rms_norm(x)", func(p *P, x graph.Value, n int) Rewrite {
	e := epsilon(p, meanSquare(p, x, n))
	p.Out(ops.Div(x, ops.Sqrt(e)))
	return func(m *Match) []graph.Value {
		return []graph.Value{ops.RMSNorm(m.Get(x), AttrsOf[ops.ScalarAttrs](m, e).S)}
	}
})

var _ = register(Rule{
	Name:  "canon/mean",
	Doc:   "scale(sum_last(x), 1/n) → mean_last(x)",
	Stage: Canon,
	Sizes: func(v At, yield func(Dims) bool) {
		// The extent that is summed stands below: look for the sum.
		for x := v.Value; x.Node().NumIn() > 0; x = x.Node().In(0) {
			if x.Node().Op() == ops.SumLastOp {
				yield(Dims{X: graph.IntsOf(x.Node().In(0).Shape().Dims()...)})
				return
			}
			if x != v.Value && x.Node().Op().Back == nil {
				return
			}
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		x := p.Var("x", d.X.Slice()...)
		n := d.X.At(d.X.Len() - 1)
		s := p.AnyAttrs(ops.Scale(ops.SumLast(x), float32(1/float64(n))))
		p.Out(s)
		isMean(p, s, n)
		return func(m *Match) []graph.Value { return []graph.Value{ops.MeanLast(m.Get(x))} }
	},
	Examples: normExamples,
})
