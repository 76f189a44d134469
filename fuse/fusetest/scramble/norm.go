package scramble

import (
	"math"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

func init() {
	norm := func(name string, f func(x graph.Value, a ops.L2NormAttrs) graph.Value, mode ops.L2Mode) {
		add(Norms, name, func(s *sweep, n *graph.Node, in []graph.Value) []graph.Value {
			if n.Op() != ops.L2NormOp {
				return nil
			}
			a := graph.AttrsOf[ops.L2NormAttrs](n.Attrs())
			if a.Mode != mode || !s.hit() {
				return nil
			}
			return []graph.Value{f(in[0], a)}
		})
	}
	squares := func(x graph.Value) graph.Value { return ops.SumLast(ops.Mul(x, x)) }
	norm("l2_norm as rms_norm and scale", func(x graph.Value, a ops.L2NormAttrs) graph.Value {
		n := float64(x.Shape().Dim(-1))
		return ops.Scale(ops.RMSNorm(x, float32(float64(a.Eps)/n)), float32(1/math.Sqrt(n)))
	}, ops.L2Sum)
	norm("l2_norm as x·rsqrt(Σx²+eps)", func(x graph.Value, a ops.L2NormAttrs) graph.Value {
		return ops.Mul(x, ops.Rsqrt(ops.AddScalar(squares(x), a.Eps)))
	}, ops.L2Sum)
	norm("l2_norm as x/sqrt(Σx²+eps)", func(x graph.Value, a ops.L2NormAttrs) graph.Value {
		return ops.Div(x, ops.Sqrt(ops.AddScalar(squares(x), a.Eps)))
	}, ops.L2Sum)
	norm("l2_norm as x/max(sqrt(Σx²),eps)", func(x graph.Value, a ops.L2NormAttrs) graph.Value {
		return ops.Div(x, ops.Max(ops.Sqrt(squares(x)), x.Builder().Const(a.Eps)))
	}, ops.L2Max)

	rms := func(name string, f func(x graph.Value, eps float32) graph.Value) {
		add(Norms, name, func(s *sweep, n *graph.Node, in []graph.Value) []graph.Value {
			if n.Op() != ops.RMSNormOp || !s.hit() {
				return nil
			}
			return []graph.Value{f(in[0], graph.AttrsOf[ops.RMSNormAttrs](n.Attrs()).Eps)}
		})
	}
	rms("rms_norm as x·rsqrt(mean(x²)+eps)", func(x graph.Value, eps float32) graph.Value {
		return ops.Mul(x, ops.Rsqrt(ops.AddScalar(ops.MeanLast(ops.Mul(x, x)), eps)))
	})
	rms("rms_norm as x/sqrt(mean(x²)+eps)", func(x graph.Value, eps float32) graph.Value {
		return ops.Div(x, ops.Sqrt(ops.AddScalar(ops.MeanLast(ops.Mul(x, x)), eps)))
	})
	add(Norms, "mean_last as sum_last and scale", func(s *sweep, n *graph.Node, in []graph.Value) []graph.Value {
		if n.Op() != ops.MeanLastOp || !s.hit() {
			return nil
		}
		return []graph.Value{ops.Scale(ops.SumLast(in[0]), float32(1/float64(in[0].Shape().Dim(-1))))}
	})
	add(Norms, "division by sqrt as mul by rsqrt", func(s *sweep, n *graph.Node, in []graph.Value) []graph.Value {
		if n.Op() != ops.DivOp || n.In(1).Node().Op() != ops.SqrtOp || !s.hit() {
			return nil
		}
		return []graph.Value{ops.Mul(in[0], ops.Rsqrt(s.value(n.In(1).Node().In(0))))}
	})
	add(Norms, "mul by rsqrt as division by sqrt", func(s *sweep, n *graph.Node, in []graph.Value) []graph.Value {
		if n.Op() != ops.MulOp {
			return nil
		}
		for i := range 2 {
			// What is divided has the extents of the result, or division would not.
			if n.In(i).Node().Op() == ops.RsqrtOp && s.hit() {
				return []graph.Value{ops.Div(in[1-i], ops.Sqrt(s.value(n.In(i).Node().In(0))))}
			}
		}
		return nil
	})
}
