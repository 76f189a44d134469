package ops

import "github.com/deltaloom/deltaloom/graph"

var DiagOp = graph.Register(&graph.Op{
	Name: "diag", Doc: "y[i i] = x[i], 0 elsewhere. x [... n], y [... n n].", Arity: 1,
	Infer: func(in []graph.Shape, _ graph.Attrs) ([]graph.Shape, error) {
		if err := wantF32(1, in...); err != nil {
			return nil, err
		}
		return result(graph.F32, append(in[0].Dims(), in[0].Dim(-1))...)
	},
	Eval: func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) {
		n := in[0].Shape.Dim(-1)
		clear(out[0].F)
		for i, v := range in[0].F {
			out[0].F[i*n+i%n] = v
		}
	},
	Cases: caseList(
		graph.Case{In: shapes(f32(1))},
		graph.Case{In: shapes(f32(64))},
		graph.Case{In: shapes(f32(3, 4, 10))},
		graph.Case{In: shapes(f32(2, 79))},
	),
})

// Diag puts the last axis on the diagonal of a matrix: [... n] -> [... n n].
func Diag(x graph.Value) graph.Value { return one(DiagOp, nil, x) }

// Eye returns the n by n identity.
func Eye(b *graph.Builder, n int) graph.Value { return Diag(Fill(b, 1, n)) }

// Fill returns a tensor of one value, a constant that is broadcast.
func Fill(b *graph.Builder, value float32, dims ...int) graph.Value {
	return Broadcast(b.Const(value), dims...)
}
