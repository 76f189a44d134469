package ops

import "github.com/deltaloom/deltaloom/graph"

var GatherLastOp = graph.Register(&graph.Op{
	Name:  "gather_last",
	Doc:   "y[... j] = x[... idx[... j]]. x [... N], idx i32 [... k] in 0..N-1; leading axes broadcast; y [... k].",
	Arity: 2,
	Axes:  graph.LastAxes(1),
	Infer: func(in []graph.Shape, _ graph.Attrs) ([]graph.Shape, error) {
		x, idx := in[0], in[1]
		if err := wantF32(1, x); err != nil {
			return nil, err
		}
		if err := wantIndex(1, idx, 1); err != nil {
			return nil, err
		}
		dims, err := broadcastDims(lead(x, 1), lead(idx, 1))
		if err != nil {
			return nil, err
		}
		return result(graph.F32, append(dims, idx.Dim(-1))...)
	},
	Eval: func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) {
		x, idx, y := in[0], in[1], out[0]
		n, k := x.Shape.Dim(-1), idx.Shape.Dim(-1)
		pairs(lead(y.Shape, 1), lead(x.Shape, 1), lead(idx.Shape, 1), func(iy, ix, ii int) {
			for j, at := range idx.I[ii*k : (ii+1)*k] {
				y.F[iy*k+j] = x.F[ix*n+checkIndex(at, n)]
			}
		})
	},
	Cases: caseList(
		graph.Case{In: shapes(f32(5), i32(1)), Fill: indices(5)},
		graph.Case{In: shapes(f32(3, 16), i32(3, 4)), Fill: indices(16)},
		graph.Case{In: shapes(f32(2, 3, 7), i32(2, 3, 9)), Fill: indices(7)},
		graph.Case{In: shapes(f32(2, 1, 7), i32(3, 2)), Fill: indices(7)},
	),
})

// GatherLast looks up elements of the last axis: x [... N], idx i32 [... k] -> [... k].
func GatherLast(x, idx graph.Value) graph.Value { return one(GatherLastOp, nil, x, idx) }
