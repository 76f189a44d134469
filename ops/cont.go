package ops

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/graph/index"
)

var ContOp = graph.Register(&graph.Op{
	Name: "cont", Doc: "A dense copy of x.", Arity: 1,
	Axes:  graph.Pointwise,
	Back:  func(*index.Map, index.Side, graph.Attrs, graph.Shape, graph.Shape) bool { return true },
	Infer: func(in []graph.Shape, _ graph.Attrs) ([]graph.Shape, error) { return in, nil },
	Eval:  copyAll,
	Cases: caseList(
		graph.Case{In: shapes(f32())},
		graph.Case{In: shapes(f32(3, 65))},
		graph.Case{In: shapes(i32(2, 3)), Fill: indices(99)},
	),
})

// Cont copies x. Other runtimes need it before some reshapes; nothing here does.
func Cont(x graph.Value) graph.Value { return one(ContOp, nil, x) }
