package ops

import (
	"fmt"
	"math/rand/v2"

	"github.com/deltaloom/deltaloom/graph"
)

var RecallOp = graph.Register(&graph.Op{
	Name:  "recall",
	Doc:   "y[b] = x[b], or what is kept of the slot where x[b] is negative: kept[slots[b]]. x, slots and y i32 [B], kept i32 [P].",
	Arity: 3,
	Infer: func(in []graph.Shape, _ graph.Attrs) ([]graph.Shape, error) {
		x, kept, slots := in[0], in[1], in[2]
		for i, s := range in {
			if err := wantIndex(i, s, 1); err != nil {
				return nil, err
			}
		}
		if x.Rank() != 1 || kept.Rank() != 1 || slots != x {
			return nil, fmt.Errorf("have %v, %v and %v, want i32[B], i32[P] and i32[B]", x, kept, slots)
		}
		return in[:1], nil
	},
	Eval: func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) {
		x, kept, slots := in[0].I, in[1].I, in[2].I
		for b, v := range x {
			if v < 0 {
				v = kept[checkIndex(slots[b], len(kept))]
			}
			out[0].I[b] = v
		}
	},
	Cases: func(yield func(graph.Case) bool) {
		fill := func(i int, t graph.Tensor, r *rand.Rand) {
			for b := range t.I {
				switch t.I[b] = int32(r.IntN(7)); i {
				case 0:
					t.I[b] -= 3
				case 1:
					t.I[b] += 100
				}
			}
		}
		caseList(
			graph.Case{In: shapes(i32(1), i32(7), i32(1)), Fill: fill},
			graph.Case{In: shapes(i32(300), i32(7), i32(300)), Fill: fill},
		)(yield)
	},
})

// Recall gives x where it is not negative, and what is kept of the slots elsewhere: x
// i32 [B], kept i32 [P], slots i32 [B] -> i32 [B].
func Recall(x, kept, slots graph.Value) graph.Value { return one(RecallOp, nil, x, kept, slots) }
