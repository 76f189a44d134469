package scramble

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

func init() {
	node := func(family, name string, op *graph.Op, f func(s *sweep, n *graph.Node, in []graph.Value) graph.Value) {
		add(family, name, func(s *sweep, n *graph.Node, in []graph.Value) []graph.Value {
			if n.Op() != op || !isF32(in...) || !s.hit() {
				return nil
			}
			if v := f(s, n, in); v.Node() != nil {
				return []graph.Value{v}
			}
			return nil
		})
	}
	node(Signs, "sub as add of neg", ops.SubOp, func(_ *sweep, _ *graph.Node, in []graph.Value) graph.Value {
		return ops.Add(in[0], ops.Neg(in[1]))
	})
	node(Signs, "sub as neg of sub", ops.SubOp, func(_ *sweep, _ *graph.Node, in []graph.Value) graph.Value {
		return ops.Neg(ops.Sub(in[1], in[0]))
	})
	node(Signs, "add as sub of neg", ops.AddOp, func(s *sweep, _ *graph.Node, in []graph.Value) graph.Value {
		i := s.r.IntN(2)
		return ops.Sub(in[i], ops.Neg(in[1-i]))
	})

	number := func(n *graph.Node) float32 { return graph.AttrsOf[ops.ScalarAttrs](n.Attrs()).S }
	constant := func(s *sweep, x float32, like graph.Value) graph.Value {
		c := s.b.Const(x)
		switch r := like.Shape().Rank(); s.r.IntN(3) { // a scalar, one element, all of them
		case 1:
			if r > 0 {
				return ops.Reshape(c, 1)
			}
		case 2:
			return ops.Broadcast(c, like.Shape().Dims()...)
		}
		return c
	}
	node(Scales, "scale as mul by a constant", ops.ScaleOp, func(s *sweep, n *graph.Node, in []graph.Value) graph.Value {
		return ops.Mul(in[0], constant(s, number(n), in[0]))
	})
	node(Scales, "add_scalar as add of a constant", ops.AddScalarOp, func(s *sweep, n *graph.Node, in []graph.Value) graph.Value {
		return ops.Add(in[0], constant(s, number(n), in[0]))
	})
	node(Scales, "scale in two steps", ops.ScaleOp, func(s *sweep, n *graph.Node, in []graph.Value) graph.Value {
		return ops.Scale(ops.Scale(in[0], number(n)/4), 4)
	})
	node(Scales, "mul by a constant as scale", ops.MulOp, func(_ *sweep, n *graph.Node, in []graph.Value) graph.Value {
		for i := range 2 {
			if x := n.In(i).Node(); x.Op() == graph.ConstOp && n.In(1-i).Shape() == n.Out(0).Shape() {
				return ops.Scale(in[1-i], graph.AttrsOf[graph.ConstAttrs](x.Attrs()).Value)
			}
		}
		return graph.Value{}
	})
}
