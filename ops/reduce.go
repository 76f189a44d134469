package ops

import (
	"slices"

	"github.com/deltaloom/deltaloom/graph"
)

// The reductions of the last axis, which stays with extent 1.
var (
	SumLastOp  = reduce("sum_last", "y = Σ_k x[k]", sum)
	MeanLastOp = reduce("mean_last", "y = 1/K Σ_k x[k]", func(x []float32) float64 { return sum(x) / float64(len(x)) })
	MaxLastOp  = reduce("max_last", "y = max_k x[k], NaN where one is", func(x []float32) float64 { return float64(slices.Max(x)) })
)

// SumLast adds along the last axis: [... K] -> [... 1].
func SumLast(x graph.Value) graph.Value { return one(SumLastOp, nil, x) }

// MeanLast averages along the last axis: [... K] -> [... 1].
func MeanLast(x graph.Value) graph.Value { return one(MeanLastOp, nil, x) }

// MaxLast takes the maximum of the last axis: [... K] -> [... 1].
func MaxLast(x graph.Value) graph.Value { return one(MaxLastOp, nil, x) }

// Sum adds along any axis, which stays with extent 1.
func Sum(x graph.Value, axis int) graph.Value {
	return alongLast(x, axis, SumLast)
}

// alongLast does f, which works along the last axis, along another one.
func alongLast(x graph.Value, axis int, f func(graph.Value) graph.Value) graph.Value {
	rank := x.Shape().Rank()
	axis = axisOf(x, axis)
	if axis < 0 || axis >= rank {
		return Permute(x, axis) // says what is wrong
	}
	perm := make([]int, rank)
	for i := range perm {
		perm[i] = i
	}
	perm[axis], perm[rank-1] = rank-1, axis // its own inverse
	return Permute(f(Permute(x, perm...)), perm...)
}

func sum(x []float32) float64 {
	var s float64
	for _, v := range x {
		s += float64(v)
	}
	return s
}

func reduce(name, doc string, f func([]float32) float64) *graph.Op {
	return graph.Register(&graph.Op{
		Name: name, Doc: doc + ". x [... K], y [... 1].", Arity: 1,
		Axes: graph.LastAxes(1),
		Infer: func(in []graph.Shape, _ graph.Attrs) ([]graph.Shape, error) {
			if err := wantF32(1, in...); err != nil {
				return nil, err
			}
			return result(graph.F32, append(lead(in[0], 1), 1)...)
		},
		Eval: func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) {
			lastRows(in[0], out[0], func(x, y []float32) { y[0] = float32(f(x)) })
		},
		Cases: lastAxisCases(),
	})
}
