package ops

import (
	"math"

	"github.com/deltaloom/deltaloom/graph"
)

// RMSNormAttrs is the number under the root.
type RMSNormAttrs struct{ Eps float32 }

var RMSNormOp = graph.Register(&graph.Op{
	Name: "rms_norm",
	Doc: `y = x / √(1/K Σ_k x[k]² + eps), without a weight. x, y [... K].
Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019, equation 4.`,
	Attrs: RMSNormAttrs{}, Arity: 1,
	InPlace: inPlace,
	Axes:    graph.LastAxes(1),
	Infer: func(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
		if err := wantEps(graph.AttrsOf[RMSNormAttrs](a).Eps); err != nil {
			return nil, err
		}
		return in, wantF32(1, in...)
	},
	Eval: func(in []graph.Tensor, a graph.Attrs, out []graph.Tensor) {
		eps := float64(graph.AttrsOf[RMSNormAttrs](a).Eps)
		lastRows(in[0], out[0], func(x, y []float32) {
			divide(y, x, math.Sqrt(sumSquares(x)/float64(len(x))+eps))
		})
	},
	Cases: lastAxisCases(RMSNormAttrs{1e-6}, RMSNormAttrs{0.1}, RMSNormAttrs{}),
})

// RMSNorm divides the last axis by the root of its mean square; a weight is a
// Mul of its own.
func RMSNorm(x graph.Value, eps float32) graph.Value { return one(RMSNormOp, RMSNormAttrs{eps}, x) }

func sumSquares(x []float32) float64 {
	var s float64
	for _, v := range x {
		s += float64(v) * float64(v)
	}
	return s
}

func divide(y, x []float32, by float64) {
	for k, v := range x {
		y[k] = float32(float64(v) / by)
	}
}
