package sched

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/deltaloom/deltaloom/graph"
)

// maxDepth bounds how often one node is decomposed: an op whose Decompose leads
// back to itself would never end.
const maxDepth = 16

// placed is a graph of which every node has a backend, or needs none.
type placed struct {
	g     *graph.Graph
	at    []int         // node ID -> backend; -1 for leaves and for views that no backend computes
	why   map[int]error // of the views with -1
	notes []string
}

// place gives every node to the first backend that supports it. A node that
// none supports is replaced by what its op decomposes into, again and again;
// the rest of the graph stays as it is.
func place(g *graph.Graph, backends []Backend) (*placed, error) {
	p := &placed{}
	for range maxDepth {
		p.g, p.at, p.why = g, make([]int, g.MaxID()), map[int]error{}
		refused := map[*graph.Node]error{}
		for _, n := range g.Nodes() {
			i, err := choose(n, backends)
			p.at[n.ID()] = i
			switch {
			case err == nil:
			case n.Op().Decompose != nil:
				refused[n] = err
				p.notes = append(p.notes, fmt.Sprintf("%s: decomposed: %v", graph.Label(n), err))
			case n.Op().View:
				p.why[n.ID()] = err // matters only if data has to move
			default:
				return nil, fmt.Errorf("%s: %w", graph.Label(n), err)
			}
		}
		if len(refused) == 0 {
			return p, nil
		}
		var err error
		if g, err = expand(g, refused); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("sched: nodes still have to be decomposed after %d times: %s", maxDepth, p.notes[len(p.notes)-1])
}

// choose returns the first backend that supports n, -1 for a leaf.
func choose(n *graph.Node, backends []Backend) (int, error) {
	if n.IsLeaf() {
		return -1, nil
	}
	var why refusal
	for i, b := range backends {
		err := b.Supports(n)
		if err == nil {
			return i, nil
		}
		why = append(why, fmt.Errorf("%s: %w", b.Name(), err))
	}
	return -1, why
}

// refusal is what the backends said, in one line.
type refusal []error

func (r refusal) Error() string {
	var parts []string
	for _, e := range r {
		parts = append(parts, e.Error())
	}
	return strings.Join(parts, "; ")
}

func (r refusal) Unwrap() []error { return append(slices.Clip([]error(r)), errors.ErrUnsupported) }

// expand copies g with the refused nodes decomposed by one level.
func expand(g *graph.Graph, refused map[*graph.Node]error) (*graph.Graph, error) {
	b := graph.NewBuilder()
	c := copier{b: b, vals: map[graph.Value]graph.Value{}}
	for _, n := range g.Nodes() {
		if refused[n] == nil {
			c.clone(n)
			continue
		}
		in := c.operands(n)
		end := b.From(n)
		out := n.Op().Decompose(in, n.Attrs())
		end()
		if err := b.Err(); err != nil {
			return nil, fmt.Errorf("decompose %s: %w", graph.Label(n), err)
		}
		if len(out) != n.NumOut() {
			return nil, fmt.Errorf("decompose %s: %d results, want %d", graph.Label(n), len(out), n.NumOut())
		}
		for i, v := range out {
			if v.Shape() != n.Out(i).Shape() {
				return nil, fmt.Errorf("decompose %s: result %d is %v, want %v", graph.Label(n), i, v.Shape(), n.Out(i).Shape())
			}
			c.vals[n.Out(i)] = v
		}
	}
	for _, o := range g.Outputs() {
		b.Output(o.Name, c.vals[o.Value])
	}
	for _, s := range g.States() {
		b.SetState(c.vals[s.State], c.vals[s.Next])
	}
	return b.Build()
}

// copier copies nodes into another builder.
type copier struct {
	b    *graph.Builder
	vals map[graph.Value]graph.Value
}

func (c *copier) operands(n *graph.Node) []graph.Value {
	in := make([]graph.Value, n.NumIn())
	for i := range in {
		in[i] = c.vals[n.In(i)]
	}
	return in
}

func (c *copier) clone(n *graph.Node) {
	m := c.b.Clone(n, c.operands(n)...)
	for i := range n.NumOut() {
		c.vals[n.Out(i)] = m.Out(i)
	}
}
