package nearmiss

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
)

// walk is a graph on the way to a mutant: its nodes in order, with short names.
type walk struct {
	g    *graph.Graph
	name map[*graph.Node]string
}

func newWalk(g *graph.Graph) *walk {
	w := &walk{g, map[*graph.Node]string{}}
	count := map[string]int{}
	for _, n := range g.Nodes() {
		w.name[n] = n.Name()
		if n.Name() == "" {
			w.name[n] = fmt.Sprintf("%s%d", n.Op().Name, count[n.Op().Name])
			count[n.Op().Name]++
		}
	}
	return w
}

func (w *walk) of(v graph.Value) string { return w.name[v.Node()] }

// edit gives what goes in the place of node n, over the operands in of the new
// graph; now turns any value that is made before n into one of the new graph.
type edit func(b *graph.Builder, in []graph.Value, now func(graph.Value) graph.Value) graph.Value

// at writes the graph with one node edited, nil where no graph comes of it.
func (w *walk) at(target *graph.Node, e edit) *graph.Graph {
	b := graph.NewBuilder()
	memo := make([]*graph.Node, w.g.MaxID())
	edited := map[*graph.Node]graph.Value{}
	now := func(v graph.Value) graph.Value {
		if x, ok := edited[v.Node()]; ok {
			return x
		}
		if n := memo[v.Node().ID()]; n != nil {
			return n.Out(v.Index())
		}
		return graph.Value{}
	}
	for _, n := range w.g.Nodes() {
		in := make([]graph.Value, n.NumIn())
		for i := range in {
			in[i] = now(n.In(i))
		}
		if n != target {
			memo[n.ID()] = b.Clone(n, in...)
			continue
		}
		end := b.Within(n.Scope())
		edited[n] = e(b, in, now)
		end()
	}
	for _, s := range w.g.States() {
		state := now(s.State)
		if _, ok := edited[s.State.Node()]; ok { // the state itself, as its readers see it otherwise
			state = b.State(s.State.Node().Name(), s.State.Shape())
		}
		b.SetState(state, now(s.Next))
	}
	for _, o := range w.g.Outputs() {
		b.Output(o.Name, now(o.Value))
	}
	g, err := b.Build()
	if err != nil {
		return nil
	}
	return g
}
