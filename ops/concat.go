package ops

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
)

// ConcatAttrs are the attributes of concat.
type ConcatAttrs struct{ Axis int }

var ConcatOp = graph.Register(&graph.Op{
	Name:  "concat",
	Doc:   "The operands one after another along the axis; the other axes are equal.",
	Attrs: ConcatAttrs{}, Arity: -1,
	Axes: func(a graph.Attrs, _ int) ([]int, graph.Attrs) {
		return []int{graph.AttrsOf[ConcatAttrs](a).Axis}, ConcatAttrs{}
	},
	Infer: func(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
		axis := graph.AttrsOf[ConcatAttrs](a).Axis
		if err := wantAxis(axis, in[0]); err != nil {
			return nil, err
		}
		total := 0
		for i, s := range in {
			if s.Rank() != in[0].Rank() || s.With(withDim(s, axis, 1)...) != in[0].With(withDim(in[0], axis, 1)...) {
				return nil, fmt.Errorf("operand %d is %v beside %v along axis %d", i, s, in[0], axis)
			}
			if total += s.Dim(axis); total > maxExtent {
				return nil, fmt.Errorf("axis %d grows beyond all bounds", axis)
			}
		}
		return result(in[0].DType, withDim(in[0], axis, total)...)
	},
	Eval: func(in []graph.Tensor, a graph.Attrs, out []graph.Tensor) {
		axis, at := graph.AttrsOf[ConcatAttrs](a).Axis, 0
		for _, x := range in {
			place(out[0], x, axis, at)
			dims, _ := units(x.Shape)
			at += dims[axis]
		}
	},
	Cases: caseList(
		graph.Case{In: shapes(f32(2)), Attrs: ConcatAttrs{}},
		graph.Case{In: shapes(f32(2), f32(3)), Attrs: ConcatAttrs{}},
		graph.Case{In: shapes(f32(2, 3, 64), f32(2, 5, 64)), Attrs: ConcatAttrs{1}},
		graph.Case{In: shapes(f32(2, 3, 4, 8), f32(2, 3, 4, 1), f32(2, 3, 4, 7)), Attrs: ConcatAttrs{3}},
		graph.Case{In: shapes(i32(1, 3), i32(4, 3)), Attrs: ConcatAttrs{}},
		graph.Case{In: shapes(graph.ShapeOf(graph.Q8_0, 2, 64), graph.ShapeOf(graph.Q8_0, 3, 64)), Attrs: ConcatAttrs{}},
		graph.Case{In: shapes(f32(2, 1, 4), f32(2, 1, 4), f32(2, 1, 4), f32(2, 1, 4), f32(2, 1, 4)), Attrs: ConcatAttrs{1}},
	),
})

// Concat joins tensors along an axis.
func Concat(axis int, xs ...graph.Value) graph.Value {
	if len(xs) == 0 {
		return graph.Value{}
	}
	return one(ConcatOp, ConcatAttrs{axisOf(xs[0], axis)}, xs...)
}

// place copies x into y at this unit of the axis; the other axes are equal.
func place(y, x graph.Tensor, axis, at int) {
	from, _ := units(x.Shape)
	to, _ := units(y.Shape)
	n, m := product(from[axis:]), product(to[axis:])
	at *= product(to[axis+1:])
	for i := range product(from[:axis]) {
		copySpan(y, i*m+at, x, i*n, n)
	}
}
