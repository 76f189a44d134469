package fuse

import (
	"fmt"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// work is a graph on its way through the passes.
type work struct {
	g *graph.Graph
	// made holds the nodes that rewrites made. Views that a model wrote itself
	// stay as they are, so that node counts do not hang on which extents happen
	// to be 1.
	made   nodeSet
	groups []*group
	room   scratch
	byOp   map[*graph.Op][]*graph.Node
}

// group is rules that are tried together.
type group struct {
	rules []*compiled
	// seeds are the nodes at which something has changed since these rules were
	// tried: a rule can only fire anew where its pattern reaches one.
	seeds []*graph.Node
	tried bool // else they have not seen the graph
}

func newWork(g *graph.Graph, groups ...*group) *work {
	return &work{g: g, groups: groups, byOp: map[*graph.Op][]*graph.Node{}}
}

// far is a distance beyond every pattern's reach.
const far = 1 << 30

// distances gives, by node ID, how many computing nodes stand between a node and
// the nearest seed below it; nil where all are to be tried.
func (gr *group) distances(g *graph.Graph, room *scratch) []int32 {
	if !gr.tried {
		return nil
	}
	d := sized(&room.near, g.MaxID())
	for _, n := range gr.seeds {
		d[n.ID()] = -1
	}
	for _, n := range g.Nodes() {
		near := int32(far)
		for i := range n.NumIn() {
			near = min(near, d[n.In(i).Node().ID()])
		}
		if n.Op().Back == nil {
			near++
		}
		if d[n.ID()] < 0 {
			near = 0
		}
		d[n.ID()] = near
	}
	return d
}

// pass finds every match of a group's rules, rewrites them at once, and returns
// the number of matches.
func (w *work) pass(gr *group) (int, error) {
	if gr.tried && len(gr.seeds) == 0 {
		return 0, nil
	}
	g := w.g
	near := gr.distances(g, &w.room)
	gr.seeds, gr.tried = gr.seeds[:0], true
	for op, nodes := range w.byOp {
		w.byOp[op] = nodes[:0]
	}
	for _, n := range g.Nodes() {
		if !n.Fixed() {
			w.byOp[n.Op()] = append(w.byOp[n.Op()], n)
		}
	}
	var s *site // what matching needs to know of the graph, once a rule may match
	claimed := sized(&w.room.claimed, g.MaxID())
	var found []*Match
	for _, r := range gr.rules {
		for _, op := range r.roots() {
			for _, n := range slices.Backward(w.byOp[op]) { // the last of a chain first: the largest match wins
				if claimed[n.ID()] || near != nil && int(near[n.ID()]) > r.depth() || !r.resembles(n) {
					continue
				}
				if s == nil {
					s = newSite(g, &w.room)
					s.made = w.made
				}
				for i := range n.NumOut() {
					if m := r.try(s, n.Out(i), claimed); m != nil {
						m.claim(claimed)
						found = append(found, m)
						break
					}
				}
			}
		}
	}
	for _, r := range gr.rules {
		if r.trace != nil && r.Stage == Core {
			r.explainEnds(g)
		}
	}
	if len(found) == 0 {
		return 0, nil
	}
	ng, err := w.rebuild(found)
	w.g = ng
	return len(found), err
}

// claim marks what the match removes, so that no other match counts on it.
func (m *Match) claim(claimed []bool) {
	for _, p := range m.pairs {
		if m.removes(p) {
			claimed[p.graph.ID()] = true
		}
	}
	for _, b := range m.out {
		claimed[b.g.Node().ID()] = true
	}
}

// rebuild writes the graph with every match replaced. Nodes that nothing below
// them changed are kept as they are.
func (w *work) rebuild(found []*Match) (*graph.Graph, error) {
	g := w.g
	b := g.Builder()
	type source struct {
		m *Match
		i int
	}
	replaced := map[graph.Value]source{}
	touched := sized(&w.room.touched, g.MaxID()) // nodes of replaced values: most have none
	for _, m := range found {
		for i, o := range m.out {
			replaced[o.g] = source{m, i}
			touched.add(o.g.Node())
		}
	}
	memo := sized(&w.room.memo, g.MaxID())
	var made []*graph.Node
	var value func(graph.Value) graph.Value
	node := func(n *graph.Node) *graph.Node {
		if had := memo[n.ID()]; had != nil {
			return had
		}
		same := true
		var room [8]graph.Value
		in := room[:0]
		for i := range n.NumIn() {
			in = append(in, value(n.In(i)))
			same = same && in[i] == n.In(i)
		}
		nn := n
		if !same {
			nn = b.Clone(n, in...)
			if w.made.has(n) {
				w.made.add(nn)
			}
		}
		memo[n.ID()] = nn
		return nn
	}
	value = func(v graph.Value) graph.Value {
		if !touched.has(v.Node()) {
			return node(v.Node()).Out(v.Index())
		}
		src, ok := replaced[v]
		if !ok {
			return node(v.Node()).Out(v.Index())
		}
		m := src.m
		if m.res == nil {
			// Operands first: what comes after them is made by the rewrite.
			m.fresh = value
			m.operands()
			first := b.Len()
			m.res = m.replace(b)
			for _, r := range m.res {
				made = w.mark(r.Node(), first, made)
			}
		}
		return m.res[src.i]
	}
	outs, states := g.Outputs(), g.States()
	newOuts := make([]graph.Output, len(outs))
	for i, o := range outs {
		newOuts[i] = graph.Output{Name: o.Name, Value: value(o.Value)}
	}
	newStates := make([]graph.StateNext, len(states))
	for i, s := range states {
		newStates[i] = graph.StateNext{State: s.State, Next: value(s.Next)}
	}
	for _, m := range found { // what lost a reader
		m.lostReader(func(v graph.Value) {
			if nn := memo[v.Node().ID()]; nn != nil {
				made = append(made, nn)
			}
		})
	}
	for _, gr := range w.groups {
		if gr.tried {
			gr.seeds = append(renewed(gr.seeds, memo), made...)
		}
	}
	return b.With(newOuts, newStates)
}

// renewed returns what the nodes have become, without those that are gone.
func renewed(nodes, memo []*graph.Node) []*graph.Node {
	kept := nodes[:0]
	for _, n := range nodes {
		if nn := memo[n.ID()]; nn != nil {
			kept = append(kept, nn)
		}
	}
	return kept
}

// lostReader yields the values of the graph that the match reads and leaves.
func (m *Match) lostReader(yield func(graph.Value)) {
	for _, v := range m.pat.p.vars {
		if b := m.bound(v); b.bound() {
			yield(b.g)
		}
	}
	for _, p := range m.pairs {
		if m.pat.isKept(p.pattern) {
			yield(p.graph.Out(0))
		}
	}
}

// operands writes what the match's operands need.
func (m *Match) operands() {
	for _, v := range m.pat.p.vars {
		if b := m.bound(v); b.direct.Node() != nil {
			m.fresh(b.direct)
		} else if b.bound() {
			m.fresh(b.g)
		}
	}
}

// mark records the nodes that a rewrite made, whose IDs begin at first, and
// appends them to list.
func (w *work) mark(n *graph.Node, first int, list []*graph.Node) []*graph.Node {
	if n == nil || n.ID() < first || w.made.has(n) {
		return list
	}
	w.made.add(n)
	for i := range n.NumIn() {
		list = w.mark(n.In(i).Node(), first, list)
	}
	return append(list, n)
}

// replace runs the rule's rewrite and brings its results into the shapes that
// the graph had.
func (m *Match) replace(b *graph.Builder) []graph.Value {
	defer b.From(m.out[0].g.Node())()
	res := m.pat.rewrite(m)
	name := m.pat.rule.Name
	if len(res) != len(m.out) {
		b.Fail(fmt.Errorf("%s: the replacement has %d results, the pattern %d", name, len(res), len(m.out)))
		return make([]graph.Value, len(m.out))
	}
	for i, o := range m.out {
		want := m.pat.p.out[i].Shape()
		if res[i].Shape() != want {
			b.Fail(fmt.Errorf("%s: result %d of the replacement is %v, of the pattern %v", name, i, res[i].Shape(), want))
			return make([]graph.Value, len(m.out))
		}
		inverse, _ := o.at.Inverse() // legal has checked it
		v, err := ops.View(res[i], inverse)
		if err != nil {
			b.Fail(fmt.Errorf("%s: result %d: %w", name, i, err))
		}
		res[i] = v
	}
	return res
}
