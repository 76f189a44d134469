package ops

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
)

var CausalConvOp = graph.Register(&graph.Op{
	Name: "causal_conv",
	Doc: `y[b t c] = Σ_p w[c p]·x[b t+p c]: each channel filtered along time by itself. The first W-1 rows of
x [B T+W-1 C] are those of earlier calls, the last tap meets the present token; w [C W], y [B T C].`,
	Arity: 2,
	Infer: func(in []graph.Shape, _ graph.Attrs) ([]graph.Shape, error) {
		x, w := in[0], in[1]
		if err := wantF32(2, in...); err != nil {
			return nil, err
		}
		if x.Rank() != 3 || w.Rank() != 2 || x.Dim(2) != w.Dim(0) || x.Dim(1) < w.Dim(1) {
			return nil, fmt.Errorf("%v and %v, want [B T+W-1 C] and [C W]", x, w)
		}
		return result(graph.F32, x.Dim(0), x.Dim(1)-w.Dim(1)+1, x.Dim(2))
	},
	Eval: func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) {
		x, w, y := in[0], in[1].F, out[0]
		T, C, W := y.Shape.Dim(1), y.Shape.Dim(2), in[1].Shape.Dim(1)
		for b := range y.Shape.Dim(0) {
			for t := range T {
				window := x.F[(b*x.Shape.Dim(1)+t)*C:]
				for c := range C {
					var s float64
					for p := range W {
						s += float64(w[c*W+p]) * float64(window[p*C+c])
					}
					y.F[(b*T+t)*C+c] = float32(s)
				}
			}
		}
	},
	Cases: caseList(
		graph.Case{In: shapes(f32(1, 4, 64), f32(64, 4))},
		graph.Case{In: shapes(f32(3, 4, 48), f32(48, 4))},
		graph.Case{In: shapes(f32(2, 67, 33), f32(33, 4))},
		graph.Case{In: shapes(f32(1, 20, 96), f32(96, 3))},
		graph.Case{In: shapes(f32(1, 9, 16), f32(16, 9))},
		graph.Case{In: shapes(f32(1, 5, 8), f32(8, 1))},
	),
})

// CausalConv filters each channel along time: x [B T+W-1 C], w [C W] -> [B T C].
func CausalConv(x, w graph.Value) graph.Value { return one(CausalConvOp, nil, x, w) }
