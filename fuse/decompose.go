package fuse

import (
	"fmt"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
)

// maxLevels bounds how often what a node decomposes to is decomposed in turn.
const maxLevels = 16

// decompose takes the nodes that supports refuses apart, one level at a time and
// only these, until it accepts what is there or a node is no more to be taken
// apart; that one is left for another backend. It returns what it took apart and
// why.
func decompose(g *graph.Graph, supports func(*graph.Node) error) (*graph.Graph, []Refusal, error) {
	var apart []Refusal
	for range maxLevels {
		before := len(apart)
		known := map[string]int{}
		ng, err := rewriteNodes(g, func(n *graph.Node) replacement {
			if !n.IsCompute() || n.Op().Decompose == nil {
				return nil
			}
			why := supports(n)
			if why == nil {
				return nil
			}
			reason := fmt.Sprintf("%s: %v", n.Op().Name, why)
			i, ok := known[reason]
			if !ok {
				i = len(apart)
				known[reason] = i
				apart = append(apart, Refusal{Reason: reason, Node: graph.Label(n)})
			}
			apart[i].Count++
			return n.Op().Decompose
		})
		if err != nil || len(apart) == before {
			return g, apart, err
		}
		g = ng
	}
	return nil, nil, fmt.Errorf("fuse: nodes decompose to more than %d levels", maxLevels)
}

// replacement makes what stands for a node of its operands and attributes.
type replacement func(in []graph.Value, a graph.Attrs) []graph.Value

// rewriteNodes writes g into a builder of its own, each result after what it
// needs and nothing else. Where replace gives a replacement for a node, its results
// stand for the node's.
func rewriteNodes(g *graph.Graph, replace func(*graph.Node) replacement) (*graph.Graph, error) {
	b := graph.NewBuilder()
	clones := make([]*graph.Node, g.MaxID())
	replaced := map[*graph.Node][]graph.Value{}
	var value func(graph.Value) graph.Value
	value = func(v graph.Value) graph.Value {
		n := v.Node()
		out, ok := replaced[n]
		if !ok && clones[n.ID()] == nil {
			var room [8]graph.Value
			in := room[:0]
			for i := range n.NumIn() {
				in = append(in, value(n.In(i)))
			}
			if r := replace(n); r == nil {
				clones[n.ID()] = b.Clone(n, in...)
			} else {
				end := b.Within(n.Scope())
				out = r(slices.Clone(in), n.Attrs())
				end()
				replaced[n] = out
			}
		}
		switch {
		case clones[n.ID()] != nil:
			return clones[n.ID()].Out(v.Index())
		case v.Index() >= len(out):
			b.Fail(fmt.Errorf("%s decomposes to %d results, has %d", graph.Label(n), len(out), n.NumOut()))
			return graph.Value{}
		}
		return out[v.Index()]
	}
	for _, s := range g.States() {
		b.SetState(value(s.State), value(s.Next))
	}
	for _, o := range g.Outputs() {
		b.Output(o.Name, value(o.Value))
	}
	return b.Build()
}

// copyGraph writes g anew, so that passes can add to its builder and its text
// reads in order.
func copyGraph(g *graph.Graph) (*graph.Graph, error) {
	return rewriteNodes(g, func(*graph.Node) replacement { return nil })
}
