package ops

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/quant"
)

var ScatterRowsOp = graph.Register(&graph.Op{
	Name: "scatter_rows",
	Doc: `x with the rows idx replaced: y[idx[i...]] = src[i...], other rows as in x. x [R C...], idx i32 [I...] in
0..R-1 and no number twice, src [I... C...] of the type of x, or f32 where x is f16: rounded to nearest, ties to even;
y [R C...].`,
	Arity:   3,
	InPlace: inPlace,
	Infer: func(in []graph.Shape, _ graph.Attrs) ([]graph.Shape, error) {
		x, idx, src := in[0], in[1], in[2]
		if err := wantIndex(1, idx, 0); err != nil {
			return nil, err
		}
		if x.Rank() < 1 || isBlock(x) && x.Rank() < 2 {
			return nil, fmt.Errorf("operand 0 is %v, which has no rows", x)
		}
		t := x.DType
		if t == graph.F16 && src.DType == graph.F32 {
			t = graph.F32
		}
		want, err := result(t, append(idx.Dims(), x.Dims()[1:]...)...)
		if err != nil {
			return nil, err
		}
		if src != want[0] {
			return nil, fmt.Errorf("operand 2 is %v, want %v", src, want[0])
		}
		return in[:1], nil
	},
	Eval: func(in []graph.Tensor, a graph.Attrs, out []graph.Tensor) {
		x, idx, src := in[0], in[1], in[2]
		dims, _ := units(x.Shape)
		copyAll(in, a, out)
		n := product(dims[1:])
		for i, r := range idx.I {
			to := checkIndex(r, dims[0]) * n
			if src.Shape.DType == x.Shape.DType {
				copySpan(out[0], to, src, i*n, n)
			} else if err := quant.Pack(graph.F16, out[0].Raw[2*to:2*(to+n)], src.F[i*n:(i+1)*n]); err != nil {
				fail("%w", err)
			}
		}
	},
	Cases: caseList(
		graph.Case{In: shapes(f32(5), i32(3), f32(3)), Fill: indices(5)},
		graph.Case{In: shapes(f32(7, 33), i32(), f32(33)), Fill: indices(7)},
		graph.Case{In: shapes(f32(40, 2, 16), i32(3), f32(3, 2, 16)), Fill: indices(40)},
		graph.Case{In: shapes(f32(4, 65), i32(4), f32(4, 65)), Fill: indices(4)},
		graph.Case{In: shapes(f32(40, 8), i32(1, 9), f32(1, 9, 8)), Fill: indices(40)},
		graph.Case{In: shapes(f16(40, 2, 8), i32(1, 6), f32(1, 6, 2, 8)), Fill: indices(40)},
		graph.Case{In: shapes(f16(7, 33), i32(4), f32(4, 33)), Fill: indices(7)},
		graph.Case{In: shapes(f16(7, 33), i32(4), f16(4, 33)), Fill: indices(7)},
	),
})

// ScatterRows replaces rows by number: x [R C...], idx i32 [I...], src [I... C...]
// -> [R C...]. Rows of f32 are rounded where x is f16.
func ScatterRows(x, idx, src graph.Value) graph.Value { return one(ScatterRowsOp, nil, x, idx, src) }
