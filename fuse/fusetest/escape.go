package fusetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// Escape gives each value inside the rule's formula another reader, one value at a
// time. The rule must not fire then, and alone it must say why. Values that a
// match does not remove are exempt: those the rule keeps (P.Keep), copies that the
// matcher looks through, what depends on constants alone, and what an output
// shows. For them, as for all, every result must stay right.
func Escape(t *testing.T, r *fuse.Rule) {
	sets := ruleSets(t, r)
	for _, e := range examples(t, r) {
		kept, err := r.Kept(e.g, e.d, e.alt)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range inside(e.g) {
			free := slices.Contains(kept, v) || v.Node().Op().Back != nil || v.Node().Static()
			for _, set := range sets {
				for _, way := range exposures {
					g := way.expose(t, e.g, v)
					ng, rep := run(t, set.Pipeline, g, r)
					what := fmt.Sprintf("%v: with %s %s, %s", e, graph.Label(v.Node()), way.name, set.name)
					switch {
					case free:
					case rep.Fired > 0 && !r.Smaller:
						t.Errorf("%s: %s fired\nbefore\n%vafter\n%v", what, r.Name, g, ng)
					case set.name == alone && rep.Fired == 0 && len(rep.Refused) == 0:
						t.Errorf("%s: the report gives no reason", what)
					}
					if err := same(g, ng, 1, 2); err != nil {
						t.Errorf("%s: %v\nbefore\n%vafter\n%v", what, err, g, ng)
					}
					if set.name != alone {
						break // one way is enough
					}
				}
			}
		}
	}
}

// exposure is a way in which a value can have a reader outside.
type exposure struct {
	name string
	read func(graph.Value) graph.Value
}

var exposures = []exposure{
	{"a result of the graph", func(v graph.Value) graph.Value { return v }},
	{"seen as a result of the graph", func(v graph.Value) graph.Value { return ops.Reshape(v, v.Shape().Len()) }},
	{"read by another node", ops.Tanh},
}

// expose returns g with one more output, which reads v.
func (x exposure) expose(t *testing.T, g *graph.Graph, v graph.Value) *graph.Graph {
	t.Helper()
	outs := append(slices.Clone(g.Outputs()), graph.Output{Name: "exposed", Value: x.read(v)})
	ng, err := g.Builder().With(outs, g.States())
	if err != nil {
		t.Fatal(err)
	}
	return ng
}

// inside returns the results of compute nodes that no output shows whole.
func inside(g *graph.Graph) []graph.Value {
	shown := map[graph.Value]bool{}
	for _, o := range g.Outputs() {
		v := o.Value
		for shown[v] = true; v.Node().Op().View && v.Node().In(0).Shape().Len() == v.Shape().Len(); shown[v] = true {
			v = v.Node().In(0)
		}
	}
	var all []graph.Value
	for _, n := range g.Nodes() {
		for i := range n.NumOut() {
			if v := n.Out(i); n.IsCompute() && !shown[v] {
				all = append(all, v)
			}
		}
	}
	return all
}
