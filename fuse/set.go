package fuse

import "github.com/deltaloom/deltaloom/graph"

// nodeSet is a set of nodes of one builder.
type nodeSet []bool

func (s nodeSet) has(n *graph.Node) bool { return n.ID() < len(s) && s[n.ID()] }

// add puts n in, which the builder may have made since.
func (s *nodeSet) add(n *graph.Node) {
	if more := n.ID() + 1 - len(*s); more > 0 {
		*s = append(*s, make([]bool, more)...)
	}
	(*s)[n.ID()] = true
}
