package scramble

import (
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

func init() {
	// Operands of commutative ops stand in the order they were made in.
	kinds = append(kinds,
		Kind{Family: Order, Name: "nodes in any topological order", visit: anyOrder},
		Kind{Family: Commute, Name: "operands made from the last to the first", visit: lastFirst})
	add(Commute, "matmul(a, b) as the transpose of matmul(b, a)", swapMatMul)
}

// anyOrder returns the nodes in a random order that has operands before users.
func anyOrder(s *sweep) []*graph.Node {
	g := s.from
	missing := make([]int, g.MaxID())
	var ready, order []*graph.Node
	for _, n := range g.Nodes() {
		if missing[n.ID()] = n.NumIn(); n.NumIn() == 0 {
			ready = append(ready, n)
		}
	}
	uses := g.Uses()
	for len(ready) > 0 {
		i := s.r.IntN(len(ready))
		n := ready[i]
		ready = slices.Delete(ready, i, i+1)
		order = append(order, n)
		for _, u := range uses.Of(n) {
			if missing[u.Node.ID()]--; missing[u.Node.ID()] == 0 {
				ready = append(ready, u.Node)
			}
		}
	}
	return order
}

// lastFirst returns the nodes as if each call had its last argument evaluated
// first.
func lastFirst(s *sweep) []*graph.Node {
	var order []*graph.Node
	seen := make([]bool, s.from.MaxID())
	var visit func(n *graph.Node)
	visit = func(n *graph.Node) {
		if seen[n.ID()] {
			return
		}
		seen[n.ID()] = true
		for i := n.NumIn() - 1; i >= 0; i-- {
			visit(n.In(i).Node())
		}
		order = append(order, n)
	}
	for _, o := range s.from.Outputs() {
		visit(o.Value.Node())
	}
	for _, n := range s.from.Nodes() {
		visit(n)
	}
	return order
}

func swapMatMul(s *sweep, n *graph.Node, in []graph.Value) []graph.Value {
	if n.Op() != ops.MatMulOp || !isF32(in...) || withWeight(n) || !s.hit() {
		return nil
	}
	return []graph.Value{ops.Transpose(ops.MatMul(in[1], in[0]))}
}

// withWeight reports a product with a weight. It stands on the right, for only
// there may it be of another type; nobody writes such a product otherwise.
func withWeight(n *graph.Node) bool {
	for i := range n.NumIn() {
		if n.In(i).Node().Static() {
			return true
		}
	}
	return false
}
