package ops

import (
	"fmt"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/graph/index"
)

// View writes a solved map as views of x: the To side of m is x, its From side
// the result. Where the map is the identity it returns x.
func View(x graph.Value, m *index.Map) (graph.Value, error) {
	switch {
	case !x.Shape().Valid():
		return graph.Value{}, fmt.Errorf("ops: view of a value without a shape")
	case !slices.Equal(x.Shape().Dims(), m.Dims[index.To]):
		return graph.Value{}, fmt.Errorf("ops: view of %v by a map of %v", x.Shape(), m.Dims[index.To])
	}
	moves, ok := m.Plan(graph.MaxRank)
	if !ok {
		return graph.Value{}, fmt.Errorf("ops: no views of %v give the map to %v", x.Shape(), m.Dims[index.From])
	}
	for _, move := range moves {
		switch a := move.Args; move.Kind {
		case index.Reshape:
			x = Reshape(x, a...)
		case index.Permute:
			x = Permute(x, a...)
		case index.Slice:
			x = Slice(x, a[0], a[1], a[2])
		case index.Broadcast:
			x = Broadcast(x, a...)
		}
	}
	return x, x.Builder().Err()
}
