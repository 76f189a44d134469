package ops

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
)

// PadAttrs are the attributes of pad.
type PadAttrs struct{ Axis, After int }

var PadOp = graph.Register(&graph.Op{
	Name:  "pad",
	Doc:   "x with after zeros at the end of the axis.",
	Attrs: PadAttrs{}, Arity: 1,
	Axes: func(a graph.Attrs, _ int) ([]int, graph.Attrs) {
		p := graph.AttrsOf[PadAttrs](a)
		return []int{p.Axis}, PadAttrs{After: p.After}
	},
	Infer: func(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
		p := graph.AttrsOf[PadAttrs](a)
		if err := wantF32(1, in...); err != nil {
			return nil, err
		}
		if err := wantAxis(p.Axis, in[0]); err != nil {
			return nil, err
		}
		if p.After < 0 || p.After > maxExtent {
			return nil, fmt.Errorf("%d zeros after axis %d of %v", p.After, p.Axis, in[0])
		}
		return result(graph.F32, withDim(in[0], p.Axis, in[0].Dim(p.Axis)+p.After)...)
	},
	Eval: func(in []graph.Tensor, a graph.Attrs, out []graph.Tensor) {
		clear(out[0].F)
		place(out[0], in[0], graph.AttrsOf[PadAttrs](a).Axis, 0)
	},
	Cases: caseList(
		graph.Case{In: shapes(f32(5)), Attrs: PadAttrs{0, 3}},
		graph.Case{In: shapes(f32(2, 3, 7, 4)), Attrs: PadAttrs{2, 57}},
		graph.Case{In: shapes(f32(2, 3, 7, 4)), Attrs: PadAttrs{0, 1}},
		graph.Case{In: shapes(f32(2, 3, 7, 4)), Attrs: PadAttrs{3, 2}},
		graph.Case{In: shapes(f32(2, 3)), Attrs: PadAttrs{1, 0}},
	),
})

// Pad adds zeros at the end of an axis.
func Pad(x graph.Value, axis, after int) graph.Value {
	if after == 0 && x.Shape().Valid() && wantAxis(axisOf(x, axis), x.Shape()) == nil {
		return x
	}
	return one(PadOp, PadAttrs{axisOf(x, axis), after}, x)
}
