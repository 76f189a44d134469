package ops

import (
	"fmt"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/graph/index"
)

// ReshapeAttrs are the extents of the result.
type ReshapeAttrs struct{ Dims graph.Ints }

var ReshapeOp = graph.Register(&graph.Op{
	Name:  "reshape",
	Doc:   "The same elements in the same order under other extents.",
	Attrs: ReshapeAttrs{}, Arity: 1,
	View: true,
	Back: func(m *index.Map, side index.Side, _ graph.Attrs, in, _ graph.Shape) bool {
		return m.Reshape(side, in.Dims())
	},
	Infer: func(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
		out, err := result(in[0].DType, graph.AttrsOf[ReshapeAttrs](a).Dims.Slice()...)
		if err == nil && out[0].Len() != in[0].Len() {
			err = fmt.Errorf("%v has %d elements, %v has %d", in[0], in[0].Len(), out[0], out[0].Len())
		}
		return out, err
	},
	Eval: copyAll,
	Cases: caseList(
		graph.Case{In: shapes(f32(2, 12)), Attrs: ReshapeAttrs{graph.IntsOf(4, 3, 2)}},
		graph.Case{In: shapes(f32(1)), Attrs: ReshapeAttrs{}},
		graph.Case{In: shapes(i32(2, 3)), Attrs: ReshapeAttrs{graph.IntsOf(6)}},
		graph.Case{In: shapes(graph.ShapeOf(graph.Q8_0, 2, 64)), Attrs: ReshapeAttrs{graph.IntsOf(4, 32)}},
	),
})

// Reshape gives x other extents; to its own ones it returns x.
func Reshape(x graph.Value, dims ...int) graph.Value {
	if s := x.Shape(); s.Valid() && slices.Equal(s.Dims(), dims) {
		return x
	}
	if !fits(x, dims) {
		return graph.Value{}
	}
	return one(ReshapeOp, ReshapeAttrs{graph.IntsOf(dims...)}, x)
}

// fits reports that a list is short enough to be an attribute; a longer one
// would read as the empty list there.
func fits(x graph.Value, list []int) bool {
	if len(list) <= graph.MaxRank {
		return true
	}
	if b := x.Builder(); b != nil {
		b.Fail(fmt.Errorf("rank %d is more than %d", len(list), graph.MaxRank))
	}
	return false
}
