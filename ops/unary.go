package ops

import (
	"math"

	"github.com/deltaloom/deltaloom/graph"
)

// The elementwise functions of one operand, any shape.
var (
	NegOp      = unary("neg", "y = -x", -10, 10, func(x float64) float64 { return -x })
	ExpOp      = unary("exp", "y = e^x", -10, 10, math.Exp)
	LogOp      = unary("log", "y = ln x", 0.01, 100, math.Log)
	SqrtOp     = unary("sqrt", "y = √x", 0, 100, math.Sqrt)
	RsqrtOp    = unary("rsqrt", "y = 1/√x", 0.01, 100, func(x float64) float64 { return 1 / math.Sqrt(x) })
	SigmoidOp  = unary("sigmoid", "y = 1/(1+e^-x)", -10, 10, sigmoid)
	SiluOp     = unary("silu", "y = x/(1+e^-x)", -10, 10, silu)
	SoftplusOp = unary("softplus", "y = ln(1+e^x), and x itself above 20", -30, 30, softplus)
	TanhOp     = unary("tanh", "y = tanh x", -5, 5, math.Tanh)
	ReluOp     = unary("relu", "y = max(x, 0)", -1, 1, func(x float64) float64 { return max(x, 0) })
)

// Neg returns -x.
func Neg(x graph.Value) graph.Value { return one(NegOp, nil, x) }

// Exp returns e^x.
func Exp(x graph.Value) graph.Value { return one(ExpOp, nil, x) }

// Log returns the natural logarithm.
func Log(x graph.Value) graph.Value { return one(LogOp, nil, x) }

// Sqrt returns the square root.
func Sqrt(x graph.Value) graph.Value { return one(SqrtOp, nil, x) }

// Rsqrt returns 1/√x.
func Rsqrt(x graph.Value) graph.Value { return one(RsqrtOp, nil, x) }

// Sigmoid returns 1/(1+e^-x).
func Sigmoid(x graph.Value) graph.Value { return one(SigmoidOp, nil, x) }

// Silu returns x·sigmoid(x).
func Silu(x graph.Value) graph.Value { return one(SiluOp, nil, x) }

// Softplus returns ln(1+e^x).
func Softplus(x graph.Value) graph.Value { return one(SoftplusOp, nil, x) }

// Tanh returns the hyperbolic tangent.
func Tanh(x graph.Value) graph.Value { return one(TanhOp, nil, x) }

// Relu returns max(x, 0).
func Relu(x graph.Value) graph.Value { return one(ReluOp, nil, x) }

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// silu tends to 0 on the left, where x/(1+e^-x) of -Inf would be NaN.
func silu(x float64) float64 {
	if math.IsInf(x, -1) {
		return 0
	}
	return x * sigmoid(x)
}

func softplus(x float64) float64 {
	if x > 20 {
		return x
	}
	return math.Log1p(math.Exp(x))
}

// unary registers f; backends are tested with operands from lo to hi.
func unary(name, doc string, lo, hi float32, f func(float64) float64) *graph.Op {
	var cases []graph.Case
	for _, s := range []graph.Shape{f32(), f32(1), f32(3, 5), f32(2, 3, 4, 33), f32(2, 1, 2, 3, 2, 4), f32(1025)} {
		cases = append(cases, graph.Case{In: shapes(s), Fill: uniform(lo, hi)})
	}
	return graph.Register(&graph.Op{
		Name: name, Doc: doc + ", each element by itself.", Arity: 1,
		InPlace: inPlace,
		Axes:    graph.Pointwise,
		Infer:   sameShape(0),
		Eval: func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) {
			y := out[0].F
			for i, x := range in[0].F {
				y[i] = float32(f(float64(x)))
			}
		},
		Cases: caseList(cases...),
	})
}
