package lower

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// Linears checks a node of linears: x, then the weights.
func Linears(n *graph.Node) error {
	return check(n, func(in []graph.Value) []graph.Value { return ops.Linears(in[0], in[1:]...) })
}

// LinearPair checks a node of linear_pair: x and weight, x and weight.
func LinearPair(n *graph.Node) error { return check(n, ops.LinearPair) }

// LinearAdd checks a node of linear_add: x, weight, residual.
func LinearAdd(n *graph.Node) error {
	return check(n, func(in []graph.Value) []graph.Value {
		return []graph.Value{ops.LinearAdd(in[0], in[1], in[2])}
	})
}

func swiglu(in []graph.Value) []graph.Value {
	return []graph.Value{ops.SwiGLU(in[0], in[1], in[2])}
}

// SwiGLU checks a node of swiglu: x, gate, up.
func SwiGLU(n *graph.Node) error { return check(n, swiglu) }

func check(n *graph.Node, write func(in []graph.Value) []graph.Value) error {
	if (formula{write: write}).match(n) == nil {
		return errAnother
	}
	return nil
}

// NormLinear returns the norm's eps of a node of norm_linear: x, norm weight, then
// the weights.
func NormLinear(n *graph.Node) (eps float32, err error) {
	return checkNormed(n, func(in []graph.Value) []graph.Value { return ops.NormLinear(in[0], in[1], in[2:]...) })
}

// NormSwiGLU returns the norm's eps of a node of norm_swiglu: x, norm weight,
// gate, up.
func NormSwiGLU(n *graph.Node) (eps float32, err error) {
	return checkNormed(n,
		func(in []graph.Value) []graph.Value {
			h := ops.Mul(ops.RMSNorm(in[0], 1e-6), in[1])
			return ops.Wrap(ops.SwiGLUOp, swiglu, h, in[2], in[3])
		},
		func(in []graph.Value) []graph.Value {
			return []graph.Value{ops.NormSwiGLU(in[0], in[1], in[2], in[3])}
		})
}

// checkNormed compares n with formulas of which one norm's eps is open.
func checkNormed(n *graph.Node, forms ...func(in []graph.Value) []graph.Value) (eps float32, err error) {
	for _, write := range forms {
		if found := (formula{write, normed}).match(n); found != nil {
			return normEps(found), nil
		}
	}
	return 0, errAnother
}
