package ops

import "github.com/deltaloom/deltaloom/graph"

var CumSumOp = graph.Register(&graph.Op{
	Name: "cumsum", Doc: "y[k] = Σ_{j≤k} x[j]. x, y [... K].", Arity: 1,
	InPlace: inPlace,
	Axes:    graph.LastAxes(1),
	Infer:   sameShape(1),
	Eval: func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) {
		lastRows(in[0], out[0], func(x, y []float32) {
			var s float64
			for k, v := range x {
				s += float64(v)
				y[k] = float32(s)
			}
		})
	},
	Cases: lastAxisCases(),
})

// CumSum returns the running sum along the last axis, its own element included.
func CumSum(x graph.Value) graph.Value { return one(CumSumOp, nil, x) }
