package ops

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
)

var RowsOp = graph.Register(&graph.Op{
	Name: "rows",
	Doc: `y[i...] = x[idx[i...]]: whole rows by number. x [R C...] of any type of weight, idx i32 [I...] in 0..R-1;
y f32 [I... C...].`,
	Arity: 2,
	Infer: func(in []graph.Shape, _ graph.Attrs) ([]graph.Shape, error) {
		x, idx := in[0], in[1]
		if err := wantIndex(1, idx, 0); err != nil {
			return nil, err
		}
		if x.Rank() < 1 || x.DType == graph.I32 || isBlock(x) && x.Rank() < 2 {
			return nil, fmt.Errorf("operand 0 is %v, which has no rows of numbers", x)
		}
		return result(graph.F32, append(idx.Dims(), x.Dims()[1:]...)...)
	},
	Eval: func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) {
		R, n := in[0].Shape.Dim(0), in[0].Shape.Len()/in[0].Shape.Dim(0)
		rows := newWeightRows(in[0], n)
		for i, r := range in[1].I {
			copy(out[0].F[i*n:(i+1)*n], rows.at(checkIndex(r, R)))
		}
	},
	Cases: rowsCases,
})

// Rows looks up rows by number: x [R C...], idx i32 [I...] -> [I... C...].
func Rows(x, idx graph.Value) graph.Value { return one(RowsOp, nil, x, idx) }

func rowsCases(yield func(graph.Case) bool) {
	all := []graph.Case{
		{In: shapes(f32(5), i32(3)), Fill: indices(5)},
		{In: shapes(f32(7, 33), i32()), Fill: indices(7)},
		{In: shapes(f32(7, 64), i32(2, 11)), Fill: indices(7)},
		{In: shapes(f32(4, 3, 2, 8), i32(4)), Fill: indices(4)},
		{In: shapes(f16(4, 3, 2, 8), i32(4)), Fill: indices(4)},
	}
	for _, t := range weightTypes {
		all = append(all, graph.Case{In: shapes(graph.ShapeOf(t.dt, 9, 256), i32(4)), Fill: indices(9)})
	}
	caseList(all...)(yield)
}
