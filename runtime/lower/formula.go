package lower

import (
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// formula is what a coarse op may mean, written as the op's package writes it;
// attributes of the ops in free are parameters.
type formula struct {
	write func(in []graph.Value) []graph.Value
	free  []*graph.Op
}

// params are the attributes that the body of a node has where a formula leaves
// them open, by op, in the order in which the formula uses the ops.
type params map[*graph.Op][]graph.Attrs

// match compares the body of n with the formula over operands of the same
// shapes. It returns nil where they compute different things.
func (f formula) match(n *graph.Node) params {
	at, ok := n.Attrs().(ops.CoarseAttrs)
	if !ok || at.Body.Graph() == nil {
		return nil
	}
	in := make([]graph.Shape, n.NumIn())
	for i := range in {
		in[i] = n.In(i).Shape()
	}
	want, err := ops.BodyOf(in, f.write)
	if err != nil {
		return nil
	}
	p := params{}
	if !f.same(want.Graph(), at.Body.Graph(), p) {
		return nil
	}
	return p
}

// same reports that both graphs compute the same outputs, and adds the
// parameters of have to p.
func (f formula) same(want, have *graph.Graph, p params) bool {
	c := comparison{f: f, found: map[*graph.Node]*graph.Node{}}
	wo, ho := want.Outputs(), have.Outputs()
	if len(wo) != len(ho) {
		return false
	}
	for i := range wo {
		if !c.values(wo[i].Value, ho[i].Value) {
			return false
		}
	}
	for _, w := range want.Nodes() {
		h := c.found[w]
		switch a := w.Attrs().(type) {
		case ops.CoarseAttrs:
			if h == nil || !f.same(a.Body.Graph(), h.Attrs().(ops.CoarseAttrs).Body.Graph(), p) {
				return false
			}
		default:
			if h != nil && slices.Contains(f.free, w.Op()) {
				p[w.Op()] = append(p[w.Op()], h.Attrs())
			}
		}
	}
	return true
}

type comparison struct {
	f     formula
	found map[*graph.Node]*graph.Node // of the formula -> of the body
}

func (c comparison) values(w, h graph.Value) bool {
	return w.Index() == h.Index() && w.Shape() == h.Shape() && c.nodes(w.Node(), h.Node())
}

func (c comparison) nodes(w, h *graph.Node) bool {
	if had := c.found[w]; had != nil {
		return had == h
	}
	if w.Op() != h.Op() || w.NumIn() != h.NumIn() || !c.attrs(w, h) {
		return false
	}
	same := true
	for i := range w.NumIn() {
		same = same && c.values(w.In(i), h.In(i))
	}
	if !same && w.Op().Commutative {
		same = c.values(w.In(0), h.In(1)) && c.values(w.In(1), h.In(0))
	}
	if same {
		c.found[w] = h
	}
	return same
}

func (c comparison) attrs(w, h *graph.Node) bool {
	if _, coarse := w.Attrs().(ops.CoarseAttrs); coarse || slices.Contains(c.f.free, w.Op()) {
		return true // compared later, or open
	}
	return w.Attrs() == h.Attrs()
}
