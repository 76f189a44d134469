package fusetest

import (
	"strconv"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// bounds says how large the integers of a graph may be: they number the rows of
// tables, experts, positions.
type bounds struct {
	g    *graph.Graph
	uses [][]graph.Use
}

func newBounds(g *graph.Graph) bounds {
	b := bounds{g, make([][]graph.Use, g.MaxID())}
	for _, n := range g.Nodes() {
		for i := range n.NumIn() {
			id := n.In(i).Node().ID()
			b.uses[id] = append(b.uses[id], graph.Use{Node: n, Operand: i})
		}
	}
	return b
}

// of returns how many values the elements of v may have, from 0.
func (b bounds) of(v graph.Value) int {
	least := 8
	for _, u := range b.uses[v.Node().ID()] {
		if u.Node.In(u.Operand) == v {
			least = min(least, b.use(u))
		}
	}
	return least
}

// use returns the bound that one reader sets.
func (b bounds) use(u graph.Use) int {
	const any = 8
	switch n := u.Node; n.Op() {
	case ops.RowsOp, ops.ScatterRowsOp:
		return n.In(0).Shape().Dim(0)
	case ops.GatherLastOp:
		return n.In(0).Shape().Dim(-1)
	case ops.ExpertMatMulOp:
		return n.In(1).Shape().Dim(0)
	case ops.CausalMaskOp:
		return graph.AttrsOf[ops.CausalMaskAttrs](n.Attrs()).N
	default:
		if n.Op().Back != nil {
			return b.of(n.Out(0))
		}
		if a, coarse := n.Attrs().(ops.CoarseAttrs); coarse {
			body := newBounds(a.Body.Graph())
			for _, leaf := range a.Body.Graph().Nodes() {
				if leaf.Name() == strconv.Itoa(u.Operand) {
					return body.of(leaf.Out(0))
				}
			}
		}
	}
	return any
}
