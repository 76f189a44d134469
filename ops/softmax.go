package ops

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
)

var SoftmaxOp = graph.Register(&graph.Op{
	Name:    "softmax",
	Doc:     `y[k] = e^(x[k]-m) / Σ_j e^(x[j]-m), m = max x. x, y [... K]. A row of nothing but -Inf gives NaN.`,
	Arity:   1,
	InPlace: inPlace,
	Axes:    graph.LastAxes(1),
	Infer:   sameShape(1),
	Eval: func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) {
		e := make([]float64, in[0].Shape.Dim(-1))
		lastRows(in[0], out[0], func(x, y []float32) {
			m := float64(slices.Max(x))
			var s float64
			for k, v := range x {
				e[k] = math.Exp(float64(v) - m)
				s += e[k]
			}
			for k := range y {
				y[k] = float32(e[k] / s)
			}
		})
	},
	Cases: caseList(
		graph.Case{In: shapes(f32(1))},
		graph.Case{In: shapes(f32(3, 7))},
		graph.Case{In: shapes(f32(2, 3, 4, 65))},
		graph.Case{In: shapes(f32(1, 1025))},
		graph.Case{Name: "masked", In: shapes(f32(2, 9, 40)), Fill: fillMasked},
	),
})

// Softmax normalises e^x along the last axis.
func Softmax(x graph.Value) graph.Value { return one(SoftmaxOp, nil, x) }

// fillMasked draws scores of which row i sees the first i+1, some of them large.
func fillMasked(_ int, t graph.Tensor, r *rand.Rand) {
	rows, n := t.Shape.Dim(-2), t.Shape.Dim(-1)
	for i := range t.F {
		if t.F[i] = float32(30 * r.NormFloat64()); i%n > i/n%rows {
			t.F[i] = minusInf
		}
	}
}
