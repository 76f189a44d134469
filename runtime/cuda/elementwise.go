package cuda

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() {
	for op, function := range map[*graph.Op]string{
		ops.ExpOp: "exp_f32", ops.LogOp: "log_f32", ops.SqrtOp: "sqrt_f32", ops.RsqrtOp: "rsqrt_f32",
		ops.NegOp: "neg_f32", ops.ReluOp: "relu_f32", ops.TanhOp: "tanh_f32",
		ops.SigmoidOp: "sigmoid_f32", ops.SiluOp: "silu_f32", ops.SoftplusOp: "softplus_f32",
		ops.ScaleOp: "scale_f32", ops.AddScalarOp: "add_scalar_f32", ops.ClampOp: "clamp_f32",
	} {
		register(unary(function), op)
	}
	for op, function := range map[*graph.Op]string{
		ops.AddOp: "add_f32", ops.SubOp: "sub_f32", ops.MulOp: "mul_f32", ops.DivOp: "div_f32",
		ops.MaxOp: "max_f32", ops.MinOp: "min_f32",
	} {
		register(binary(function), op)
	}
}

type unaryParams struct {
	N    uint32
	A, B float32
}

func unary(function string) kernel {
	return func(n *graph.Node, p *plan) error {
		size := n.Out(0).Shape().Len()
		params := unaryParams{N: uint32(size)}
		switch a := n.Attrs().(type) {
		case ops.ScalarAttrs:
			params.A = a.S
		case ops.ClampAttrs:
			params.A, params.B = a.Lo, a.Hi
		}
		if err := small(size); err != nil {
			return err
		}
		p.launch(function, along(size), line(threads), params, p.in(0), p.out(0))
		return nil
	}
}

type binaryParams struct {
	N, Axes      uint32
	Dims, SA, SB [6]uint32
}

func binary(function string) kernel {
	return func(n *graph.Node, p *plan) error {
		shape := n.Out(0).Shape()
		if err := small(shape.Len()); err != nil {
			return err
		}
		dims := shape.Dims()
		l := lower.NewNest(dims, lower.BroadcastSteps(dims, n.In(0).Shape()), lower.BroadcastSteps(dims, n.In(1).Shape()))
		params := binaryParams{N: uint32(shape.Len()), Axes: uint32(len(l.Dims))}
		fill(params.Dims[:], l.Dims)
		fill(params.SA[:], l.Steps[0])
		fill(params.SB[:], l.Steps[1])
		p.launch(function, along(shape.Len()), line(threads), params, p.in(0), p.in(1), p.out(0))
		return nil
	}
}

// fill copies extents or steps into a parameter.
func fill(to []uint32, from []int) {
	for i, n := range from {
		to[i] = uint32(n)
	}
}

// small refuses sizes that kernels do not count in 32 bits.
func small(n int) error {
	if n > 1<<31-1 {
		return unsupported("%d elements", n)
	}
	return nil
}
