package ops

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/graph/index"
)

// PermuteAttrs is the order of the axes.
type PermuteAttrs struct{ Perm graph.Ints }

var PermuteOp = graph.Register(&graph.Op{
	Name:  "permute",
	Doc:   "The axes in another order: axis i of the result is axis perm[i] of the operand.",
	Attrs: PermuteAttrs{}, Arity: 1,
	View: true,
	Back: func(m *index.Map, side index.Side, a graph.Attrs, _, _ graph.Shape) bool {
		m.Permute(side, graph.AttrsOf[PermuteAttrs](a).Perm.Slice())
		return true
	},
	Infer: func(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
		x, perm := in[0], graph.AttrsOf[PermuteAttrs](a).Perm
		var dims []int
		var seen [graph.MaxRank]bool
		for _, p := range perm.Slice() {
			if p < 0 || p >= x.Rank() || seen[p] {
				return nil, fmt.Errorf("%v does not order the axes of %v", perm, x)
			}
			seen[p] = true
			dims = append(dims, x.Dim(p))
		}
		if len(dims) != x.Rank() {
			return nil, fmt.Errorf("%v does not order the axes of %v", perm, x)
		}
		if last := x.Rank() - 1; isBlock(x) && perm.At(last) != last {
			return nil, fmt.Errorf("%v would break the blocks of %v", perm, x)
		}
		return result(x.DType, dims...)
	},
	Eval: func(in []graph.Tensor, a graph.Attrs, out []graph.Tensor) {
		from, _ := units(in[0].Shape)
		to, _ := units(out[0].Shape)
		step := make([]int, len(to))
		for i, p := range graph.AttrsOf[PermuteAttrs](a).Perm.Slice() {
			step[i] = strides(from)[p]
		}
		copyUnits(out[0], in[0], to, 0, step)
	},
	Cases: caseList(
		graph.Case{In: shapes(f32(33, 65)), Attrs: PermuteAttrs{graph.IntsOf(1, 0)}},
		graph.Case{In: shapes(f32(2, 5, 3, 16)), Attrs: PermuteAttrs{graph.IntsOf(0, 2, 1, 3)}},
		graph.Case{In: shapes(f32(2, 3, 4, 5)), Attrs: PermuteAttrs{graph.IntsOf(3, 0, 2, 1)}},
		graph.Case{In: shapes(f32(2, 3, 2, 3, 2, 3)), Attrs: PermuteAttrs{graph.IntsOf(5, 3, 1, 0, 2, 4)}},
		graph.Case{In: shapes(i32(2, 3, 4)), Attrs: PermuteAttrs{graph.IntsOf(2, 1, 0)}, Fill: indices(99)},
		graph.Case{In: shapes(graph.ShapeOf(graph.F16, 3, 5)), Attrs: PermuteAttrs{graph.IntsOf(1, 0)}},
		graph.Case{In: shapes(graph.ShapeOf(graph.Q8_0, 3, 2, 64)), Attrs: PermuteAttrs{graph.IntsOf(1, 0, 2)}},
	),
})

// Permute orders the axes: axis i of the result is axis perm[i] of x.
func Permute(x graph.Value, perm ...int) graph.Value {
	if x.Shape().Valid() && len(perm) == x.Shape().Rank() {
		same := true
		for i, p := range perm {
			same = same && i == p
		}
		if same {
			return x
		}
	}
	if !fits(x, perm) {
		return graph.Value{}
	}
	return one(PermuteOp, PermuteAttrs{graph.IntsOf(perm...)}, x)
}

// Transpose exchanges the last two axes.
func Transpose(x graph.Value) graph.Value {
	perm := []int{0, 1, 2, 3, 4, 5}[:max(2, x.Shape().Rank())] // rank 1 fails in Infer
	n := len(perm)
	perm[n-1], perm[n-2] = n-2, n-1
	return Permute(x, perm...)
}

// isBlock reports a type whose elements lie in blocks along the last axis.
func isBlock(s graph.Shape) bool {
	e, _ := s.DType.Block()
	return e > 1
}
