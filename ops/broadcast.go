package ops

import (
	"fmt"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/graph/index"
)

// BroadcastAttrs are the extents of the result.
type BroadcastAttrs struct{ Dims graph.Ints }

var BroadcastOp = graph.Register(&graph.Op{
	Name:  "broadcast",
	Doc:   "x stretched to the extents dims: aligned at the last axis, extent 1 and missing axes repeat.",
	Attrs: BroadcastAttrs{}, Arity: 1,
	View: true,
	Back: func(m *index.Map, side index.Side, _ graph.Attrs, in, _ graph.Shape) bool {
		m.Broadcast(side, in.Dims())
		return true
	},
	Infer: func(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
		x, dims := in[0], graph.AttrsOf[BroadcastAttrs](a).Dims
		if x.Rank() > dims.Len() {
			return nil, fmt.Errorf("%v does not broadcast to %v", x, dims)
		}
		for i := range x.Rank() {
			if d := x.Dim(-1 - i); d != 1 && d != dims.At(dims.Len()-1-i) {
				return nil, fmt.Errorf("%v does not broadcast to %v", x, dims)
			}
		}
		if isBlock(x) && x.Dim(-1) != dims.At(dims.Len()-1) {
			return nil, fmt.Errorf("%v would break the blocks of %v", dims, x)
		}
		return result(x.DType, dims.Slice()...)
	},
	Eval: func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) {
		from, _ := units(in[0].Shape)
		to, _ := units(out[0].Shape)
		copyUnits(out[0], in[0], to, 0, stretch(to, from))
	},
	Cases: caseList(
		graph.Case{In: shapes(f32()), Attrs: BroadcastAttrs{graph.IntsOf(64, 64)}},
		graph.Case{In: shapes(f32(5)), Attrs: BroadcastAttrs{graph.IntsOf(2, 3, 5)}},
		graph.Case{In: shapes(f32(2, 1, 5)), Attrs: BroadcastAttrs{graph.IntsOf(3, 2, 4, 5)}},
		graph.Case{In: shapes(f32(4, 1)), Attrs: BroadcastAttrs{graph.IntsOf(4, 33)}},
		graph.Case{In: shapes(i32(1, 3)), Attrs: BroadcastAttrs{graph.IntsOf(2, 3)}, Fill: indices(99)},
		graph.Case{In: shapes(graph.ShapeOf(graph.Q8_0, 1, 3, 64)), Attrs: BroadcastAttrs{graph.IntsOf(2, 3, 64)}},
	),
})

// Broadcast stretches x to these extents; to its own ones it returns x.
func Broadcast(x graph.Value, dims ...int) graph.Value {
	if s := x.Shape(); s.Valid() && slices.Equal(s.Dims(), dims) {
		return x
	}
	if !fits(x, dims) {
		return graph.Value{}
	}
	return one(BroadcastOp, BroadcastAttrs{graph.IntsOf(dims...)}, x)
}
