package ops

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
)

// TopKAttrs are the attributes of topk.
type TopKAttrs struct{ K int }

var (
	ArgSortOp = graph.Register(&graph.Op{
		Name: "argsort",
		Doc: `The indices of the last axis in descending order of x. Among equals the lower index comes first; NaN
comes last. x [... N], y i32 [... N].`,
		Arity: 1,
		Axes:  graph.LastAxes(1),
		Infer: func(in []graph.Shape, _ graph.Attrs) ([]graph.Shape, error) {
			if err := wantF32(1, in...); err != nil {
				return nil, err
			}
			return result(graph.I32, in[0].Dims()...)
		},
		Eval:  func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) { evalArgSort(in[0], out[0]) },
		Cases: argSortCases(func(int) []graph.Attrs { return []graph.Attrs{nil} }),
	})

	TopKOp = graph.Register(&graph.Op{
		Name:  "topk",
		Doc:   "The first k indices of argsort: where the k largest are, largest first. x [... N], y i32 [... k].",
		Attrs: TopKAttrs{}, Arity: 1,
		Axes: graph.LastAxes(1),
		Infer: func(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
			if err := wantF32(1, in...); err != nil {
				return nil, err
			}
			k := graph.AttrsOf[TopKAttrs](a).K
			if k < 1 || k > in[0].Dim(-1) {
				return nil, fmt.Errorf("the %d largest of %v", k, in[0])
			}
			return result(graph.I32, append(lead(in[0], 1), k)...)
		},
		Eval: func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) { evalArgSort(in[0], out[0]) },
		Cases: func(yield func(graph.Case) bool) {
			for c := range argSortCases(func(n int) []graph.Attrs { return []graph.Attrs{TopKAttrs{1}, TopKAttrs{(n + 1) / 2}, TopKAttrs{n}} }) {
				if !yield(c) {
					return
				}
			}
			caseList(graph.Case{In: shapes(f32(1, 4100)), Attrs: TopKAttrs{40}})(yield) // a few of many
		},
	})
)

// ArgSort returns the indices of the last axis, largest first: i32 [... N].
func ArgSort(x graph.Value) graph.Value { return one(ArgSortOp, nil, x) }

// TopK returns the indices of the k largest of the last axis: i32 [... k].
func TopK(x graph.Value, k int) graph.Value { return one(TopKOp, TopKAttrs{k}, x) }

// evalArgSort writes as many indices of each row as y has room for.
func evalArgSort(x, y graph.Tensor) {
	n, k := x.Shape.Dim(-1), y.Shape.Dim(-1)
	order := make([]int32, n)
	for i := range len(x.F) / n {
		row := x.F[i*n : (i+1)*n]
		for j := range order {
			order[j] = int32(j)
		}
		slices.SortStableFunc(order, func(a, b int32) int {
			return cmp.Compare(row[b], row[a]) // NaN is less than all
		})
		copy(y.I[i*k:(i+1)*k], order)
	}
}

// argSortCases have equal elements and NaNs in half of the cases.
func argSortCases(attrs func(n int) []graph.Attrs) func(func(graph.Case) bool) {
	few := func(_ int, t graph.Tensor, r *rand.Rand) {
		for i := range t.F {
			if t.F[i] = float32(r.IntN(5)); t.F[i] == 4 {
				t.F[i] = float32(math.NaN())
			}
		}
	}
	var all []graph.Case
	for _, s := range []graph.Shape{f32(3), f32(8), f32(3, 2, 5), f32(4, 64), f32(2, 257)} {
		for _, a := range attrs(s.Dim(-1)) {
			all = append(all, graph.Case{In: shapes(s), Attrs: a})
			all = append(all, graph.Case{Name: fmt.Sprintf("equals %v %+v", s, a), In: shapes(s), Attrs: a, Fill: few})
		}
	}
	return caseList(all...)
}
