package ggml

import (
	"errors"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// kinds are the ops of the text that have a counterpart, views aside.
var kinds map[string]kind

func init() { // the functions refer to the table through call
	kinds = map[string]kind{
		"ADD":  binary(ops.Add),
		"ADD1": binary(ops.Add),
		"SUB":  binary(ops.Sub),
		"MUL":  binary(ops.Mul),
		"DIV":  binary(ops.Div),

		"NEG":         unary(ops.Neg),
		"ABS":         unary(func(x graph.Value) graph.Value { return ops.Max(x, ops.Neg(x)) }),
		"EXP":         unary(ops.Exp),
		"LOG":         unary(ops.Log),
		"SQR":         unary(ops.Square),
		"SQRT":        unary(ops.Sqrt),
		"TANH":        unary(ops.Tanh),
		"RELU":        unary(ops.Relu),
		"SIGMOID":     unary(ops.Sigmoid),
		"SILU":        unary(ops.Silu),
		"SOFTPLUS":    unary(ops.Softplus),
		"GELU_QUICK":  unary(geluQuick),
		"HARDSIGMOID": unary(hardSigmoid),
		"HARDSWISH":   unary(func(x graph.Value) graph.Value { return ops.Mul(x, hardSigmoid(x)) }),

		"SWIGLU":      glu(ops.Silu),
		"REGLU":       glu(ops.Relu),
		"GEGLU_QUICK": glu(geluQuick),

		"SCALE":    {1, 1, scale},
		"CLAMP":    {1, 1, func(c *call) graph.Value { return ops.Clamp(c.in(0), c.t.f32(0), c.t.f32(1)) }},
		"SUM":      {1, 1, sum},
		"SUM_ROWS": unary(ops.SumLast),
		"MEAN":     unary(ops.MeanLast),
		"CUMSUM":   unary(ops.CumSum),
		"RMS_NORM": {1, 1, func(c *call) graph.Value { return ops.RMSNorm(c.in(0), c.t.f32(0)) }},
		"NORM":     {1, 1, layerNorm},
		"L2_NORM":  {1, 1, func(c *call) graph.Value { return ops.L2Norm(c.in(0), ops.L2Max, c.t.f32(0)) }},
		"SOFT_MAX": {1, 3, softMax},
		"ROPE":     {2, 3, rope},

		"MUL_MAT":    {2, 2, mulMat},
		"MUL_MAT_ID": {3, 3, mulMatID},
		"SSM_CONV":   {2, 2, ssmConv},
		"TRI":        {1, 1, tri},
		"SOLVE_TRI":  {2, 2, func(c *call) graph.Value { return ops.SolveTri(c.in(0), c.in(1)) }},
		"DIAG":       {1, 1, diag},

		"GET_ROWS": {2, 2, getRows},
		"SET_ROWS": {3, 3, setRows},
		"ARGSORT":  {1, 1, argSort},
		"TOP_K":    {1, 1, func(c *call) graph.Value { return ops.TopK(c.in(0), c.t.ne[0]) }},

		"FILL":   {0, 1, func(c *call) graph.Value { return ops.Fill(c.b, c.t.f32(0), c.t.shape()...) }},
		"REPEAT": {1, 2, func(c *call) graph.Value { return c.repeated(c.get(c.t.src[0], 4), c.t.dims(4)) }},
		"PAD":    {1, 1, pad},
		"CONCAT": {2, 2, concat},
		"CONT":   {1, 1, copied},
		"DUP":    {1, 1, copied},
		"CPY":    {2, 2, cpy},
		"SET":    {2, 2, func(c *call) graph.Value { return set(c, func(_, x graph.Value) graph.Value { return x }) }},
		"ACC":    {2, 2, func(c *call) graph.Value { return set(c, ops.Add) }},

		"GATED_DELTA_NET": {6, 6, gatedDeltaNet},
		"FLASH_ATTN_EXT":  {0, 16, flashAttention},
	}
}

var errFlashAttention = errors.New("attention that is fused in the text, which is to be written without")

func flashAttention(c *call) graph.Value {
	c.fail("%w: %w", errFlashAttention, errors.ErrUnsupported)
	return graph.Value{}
}
