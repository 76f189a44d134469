package fuse

import (
	"fmt"

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
		ng, err := rewriteNodes(g, func(n *graph.Node, in []graph.Value) []graph.Value {
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
			return n.Op().Decompose(in, n.Attrs())
		})
		if err != nil || len(apart) == before {
			return g, apart, err
		}
		g = ng
	}
	return nil, nil, fmt.Errorf("fuse: nodes decompose to more than %d levels", maxLevels)
}

// rewriteNodes writes g into a builder of its own, each result after what it
// needs and nothing else. Where replace gives results for a node, they stand for
// it.
func rewriteNodes(g *graph.Graph, replace func(n *graph.Node, in []graph.Value) []graph.Value) (*graph.Graph, error) {
	b := graph.NewBuilder()
	memo := make([][]graph.Value, g.MaxID())
	var value func(graph.Value) graph.Value
	value = func(v graph.Value) graph.Value {
		n := v.Node()
		if memo[n.ID()] == nil {
			in := make([]graph.Value, n.NumIn())
			for i := range in {
				in[i] = value(n.In(i))
			}
			end := b.Within(n.Scope())
			out := replace(n, in)
			end()
			if out == nil {
				c := b.Clone(n, in...)
				for i := range n.NumOut() {
					out = append(out, c.Out(i))
				}
			}
			memo[n.ID()] = out
		}
		if v.Index() >= len(memo[n.ID()]) {
			b.Fail(fmt.Errorf("%s decomposes to %d results, has %d", graph.Label(n), len(memo[n.ID()]), n.NumOut()))
			return graph.Value{}
		}
		return memo[n.ID()][v.Index()]
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
	return rewriteNodes(g, func(*graph.Node, []graph.Value) []graph.Value { return nil })
}
