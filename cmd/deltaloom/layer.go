package main

import (
	"strconv"
	"strings"

	"github.com/deltaloom/deltaloom/graph"
)

// allLayers stands for no choice of a layer.
const allLayers = -1

// inLayer says whether a node belongs to that layer: the first number in its
// scope, as in blk.3.gdn.
func inLayer(n *graph.Node, layer int) bool {
	if layer == allLayers {
		return true
	}
	for part := range strings.SplitSeq(n.Scope(), ".") {
		if i, err := strconv.Atoi(part); err == nil {
			return i == layer
		}
	}
	return false
}

// statsOf counts the nodes of a layer as Graph.Stats counts all of them.
func statsOf(g *graph.Graph, layer int) graph.Stats {
	if layer == allLayers {
		return g.Stats()
	}
	s := graph.Stats{Ops: map[string]int{}}
	for _, n := range g.Nodes() {
		if !inLayer(n, layer) {
			continue
		}
		s.Nodes++
		if !n.IsCompute() {
			continue
		}
		s.Compute++
		s.Ops[n.Op().Name]++
		for i := range n.NumIn() {
			s.Bytes += n.In(i).Shape().Bytes()
		}
		for i := range n.NumOut() {
			s.Bytes += n.Out(i).Shape().Bytes()
		}
	}
	return s
}

// listLayer returns the text of a layer's nodes, the compute nodes alone unless
// all are asked for.
func listLayer(g *graph.Graph, layer int, all bool) string {
	var b strings.Builder
	text := g.String()
	const end = "\nend\n" // of the bodies, which come first
	if i := strings.LastIndex(text, end); i >= 0 {
		text = text[i+len(end):]
	}
	lines := strings.SplitAfter(text, "\n")
	for i, n := range g.Nodes() { // a line a node, in this order
		if inLayer(n, layer) && (all || n.IsCompute()) {
			b.WriteString(lines[i])
		}
	}
	return b.String()
}
