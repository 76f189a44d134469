package fusetest

import (
	"maps"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/graph"
)

// minNMSE is how far a mutant has to be off to count as wrong.
const minNMSE = 1e-8

// Mutate breaks the replacement that the rule makes of its examples, one thing at
// a time, and wants each break to show: the graph no longer builds, or its results
// differ from the pattern's. The mutations, by name, are
//
//	OP/swap A,B      two operands of one shape exchanged
//	OP/zero A        an operand dropped: zeros in its place
//	OP/one A         an operand dropped: ones in its place
//	OP/FIELD=VALUE   an attribute changed: a kind to each other kind, a flag to its opposite
//	OP/FIELD+        an attribute changed: a larger number; FIELD- a smaller one
//	OP/results I,J   two results of one shape exchanged
//	result I/...     the same for the results of the whole replacement
//
// where OP is the op of a node that the replacement makes, OP#2 the second node of
// that op, and A, B name operands: leaves by their names, others by their ops. In a
// coarse node the attributes of its body are changed too: OP/body/INNER/FIELD+.
//
// A break must show at one of the examples. Breaks that change nothing are listed
// in Rule.Equivalent by name with the reason; a name in the list that does not
// exist, or that shows, is an error.
func Mutate(t *testing.T, r *fuse.Rule) {
	alone := pipeline(t, []*fuse.Rule{r})
	caught := map[string]bool{}
	for _, e := range examples(t, r) {
		g, rep := run(t, alone, e.g, r)
		if rep.Fired == 0 {
			t.Fatalf("%v: %s does not fire", e, r.Name)
		}
		for _, m := range mutations(e.g, g) {
			caught[m.name] = caught[m.name] || m.shows(e.g, g)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(caught)) {
		switch reason, listed := r.Equivalent[name]; {
		case !caught[name] && !listed:
			t.Errorf("%s: mutation %q changes nothing", r.Name, name)
		case caught[name] && listed:
			t.Errorf("%s: mutation %q, which is to change nothing (%s), does", r.Name, name, reason)
		case listed:
			t.Logf("%s: %q is equivalent: %s", r.Name, name, reason)
		}
	}
	t.Logf("%s: %d mutations", r.Name, len(caught))
	for _, name := range slices.Sorted(maps.Keys(r.Equivalent)) {
		if _, exists := caught[name]; !exists {
			t.Errorf("%s: there is no mutation %q", r.Name, name)
		}
	}
}

// mutation is one break: what a node gives instead of its results, or what the
// graph gives.
type mutation struct {
	name   string
	node   *graph.Node                                                           // of the fused graph; nil for the graph's outputs
	change func(b *graph.Builder, n *graph.Node, in []graph.Value) []graph.Value // the node's results; nil for none
	output func(b *graph.Builder, out []graph.Value)                             // changes the outputs
}

// shows reports that the mutant of fused is no graph, or gives other results than
// the pattern.
func (m mutation) shows(pattern, fused *graph.Graph) bool {
	mutant, err := m.apply(fused)
	if err != nil {
		return true
	}
	for seed := range uint64(2 * len(draws)) {
		e, _, err := difference(pattern, mutant, seed)
		if err == nil && !(e <= minNMSE) || err != nil && err != errNotFinite {
			return true
		}
	}
	return false
}

// apply writes the mutant.
func (m mutation) apply(g *graph.Graph) (*graph.Graph, error) {
	b := graph.NewBuilder()
	memo := map[graph.Value]graph.Value{}
	for _, n := range g.Nodes() {
		in := make([]graph.Value, n.NumIn())
		for i := range in {
			in[i] = memo[n.In(i)]
		}
		var out []graph.Value
		if n == m.node {
			out = m.change(b, n, in)
		} else {
			same := b.Clone(n, in...)
			for i := range n.NumOut() {
				out = append(out, same.Out(i))
			}
		}
		for i, v := range out {
			memo[n.Out(i)] = v
		}
	}
	var out []graph.Value
	for _, o := range g.Outputs() {
		out = append(out, memo[o.Value])
	}
	if m.output != nil && b.Err() == nil {
		m.output(b, out)
	}
	for i, o := range g.Outputs() {
		b.Output(o.Name, out[i])
	}
	for _, s := range g.States() {
		b.SetState(memo[s.State], memo[s.Next])
	}
	return b.Build()
}
