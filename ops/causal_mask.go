package ops

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
)

// CausalMaskAttrs are the attributes of causal_mask.
type CausalMaskAttrs struct{ N int }

var CausalMaskOp = graph.Register(&graph.Op{
	Name:  "causal_mask",
	Doc:   "y[b t j] = 0 where j ≤ pos[b t] and -Inf elsewhere, j in 0..n-1. pos i32 [B T], y [B T n].",
	Attrs: CausalMaskAttrs{}, Arity: 1,
	Infer: func(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
		pos, n := in[0], graph.AttrsOf[CausalMaskAttrs](a).N
		if pos.DType != graph.I32 || pos.Rank() != 2 || n < 1 {
			return nil, fmt.Errorf("a mask of %d columns for %v, want positions i32[B T]", n, pos)
		}
		return result(graph.F32, append(pos.Dims(), n)...)
	},
	Eval: func(in []graph.Tensor, a graph.Attrs, out []graph.Tensor) {
		n := graph.AttrsOf[CausalMaskAttrs](a).N
		for i := range out[0].F {
			if out[0].F[i] = 0; i%n > int(in[0].I[i/n]) {
				out[0].F[i] = minusInf
			}
		}
	},
	Cases: caseList(
		graph.Case{In: shapes(i32(1, 1)), Attrs: CausalMaskAttrs{1}},
		graph.Case{In: shapes(i32(1, 7)), Attrs: CausalMaskAttrs{7}, Fill: indices(7)},
		graph.Case{In: shapes(i32(3, 5)), Attrs: CausalMaskAttrs{64}, Fill: indices(70)},
	),
})

// CausalMask lets each token see the columns up to its position: pos i32 [B T]
// -> [B T n], to be added to scores.
func CausalMask(pos graph.Value, n int) graph.Value {
	return one(CausalMaskOp, CausalMaskAttrs{n}, pos)
}
