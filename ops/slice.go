package ops

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/graph/index"
)

// SliceAttrs are the window of a slice: n indices of the axis from start.
type SliceAttrs struct{ Axis, Start, N int }

var SliceOp = graph.Register(&graph.Op{
	Name:  "slice",
	Doc:   "The n indices of an axis that begin at start.",
	Attrs: SliceAttrs{}, Arity: 1,
	View: true,
	Back: func(m *index.Map, side index.Side, a graph.Attrs, in, _ graph.Shape) bool {
		s := graph.AttrsOf[SliceAttrs](a)
		m.Slice(side, s.Axis, s.Start, in.Dim(s.Axis))
		return true
	},
	Infer: func(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
		x, s := in[0], graph.AttrsOf[SliceAttrs](a)
		if err := wantAxis(s.Axis, x); err != nil {
			return nil, err
		}
		if s.Start < 0 || s.N < 1 || s.N > x.Dim(s.Axis) || s.Start > x.Dim(s.Axis)-s.N {
			return nil, fmt.Errorf("%d from %d on axis %d of %v", s.N, s.Start, s.Axis, x)
		}
		if e, _ := x.DType.Block(); s.Axis == x.Rank()-1 && s.Start%e != 0 {
			return nil, fmt.Errorf("a slice from %d would break the blocks of %v", s.Start, x)
		}
		return result(x.DType, withDim(x, s.Axis, s.N)...)
	},
	Eval: func(in []graph.Tensor, a graph.Attrs, out []graph.Tensor) {
		s := graph.AttrsOf[SliceAttrs](a)
		from, _ := units(in[0].Shape)
		to, _ := units(out[0].Shape)
		step, start := strides(from), s.Start
		if e, _ := in[0].Shape.DType.Block(); s.Axis == len(from)-1 {
			start /= e
		}
		copyUnits(out[0], in[0], to, start*step[s.Axis], step)
	},
	Cases: caseList(
		graph.Case{In: shapes(f32(7)), Attrs: SliceAttrs{0, 6, 1}},
		graph.Case{In: shapes(f32(3, 4, 33)), Attrs: SliceAttrs{2, 1, 32}},
		graph.Case{In: shapes(f32(3, 4, 33)), Attrs: SliceAttrs{1, 2, 2}},
		graph.Case{In: shapes(f32(3, 4, 33)), Attrs: SliceAttrs{0, 0, 2}},
		graph.Case{In: shapes(i32(4, 3)), Attrs: SliceAttrs{1, 1, 1}, Fill: indices(99)},
		graph.Case{In: shapes(graph.ShapeOf(graph.Q8_0, 4, 96)), Attrs: SliceAttrs{0, 1, 2}},
		graph.Case{In: shapes(graph.ShapeOf(graph.Q8_0, 4, 96)), Attrs: SliceAttrs{1, 32, 64}},
	),
})

// Slice takes n indices of an axis, from start; of the whole axis it returns x.
func Slice(x graph.Value, axis, start, n int) graph.Value {
	axis = axisOf(x, axis)
	if s := x.Shape(); s.Valid() && wantAxis(axis, s) == nil && start == 0 && n == s.Dim(axis) {
		return x
	}
	return one(SliceOp, SliceAttrs{axis, start, n}, x)
}
