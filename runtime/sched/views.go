package sched

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/graph/index"
)

// layout says how a view lies in the memory of another value, its base.
type layout struct {
	base    graph.Value
	off     int   // elements
	strides []int // elements, one an axis; nil where the view is dense
}

// views holds, by node ID, the layouts of the views that move no data; nil for
// every other node.
type views []*layout

// base returns where the elements of v are: a value that is computed or bound,
// and v's layout in it, nil where v is that value.
func (vs views) base(v graph.Value) (graph.Value, *layout) {
	if l := vs[v.Node().ID()]; l != nil {
		return l.base, l
	}
	return v, nil
}

// freeViews finds the views that are only other ways of looking at memory: dense
// ones, such as a reshape or the first rows of a tensor, and, where every user
// reads through strides, the other ones that have strides at all.
func freeViews(g *graph.Graph, strided func(n *graph.Node, operand int) bool) views {
	vs := make(views, g.MaxID())
	chains := make([][]*graph.Node, g.MaxID()) // the views between a view and its base, innermost first
	for _, n := range g.Nodes() {
		if !n.Op().View {
			continue
		}
		u := n.In(0).Node().ID()
		chain := append(append([]*graph.Node(nil), chains[u]...), n)
		for ; len(chain) > 0 && vs[n.ID()] == nil; chain = chain[1:] {
			vs[n.ID()], chains[n.ID()] = through(chain), chain
		}
	}
	// A view is decided after its users: what they read through it must be known.
	keep := make([]bool, g.MaxID()) // the values that must be dense memory
	for _, o := range g.Outputs() {
		keep[o.Value.Node().ID()] = true
	}
	for _, s := range g.States() {
		keep[s.Next.Node().ID()] = true
	}
	isBase := make([]bool, g.MaxID())
	uses := g.Uses()
	nodes := g.Nodes()
	for i := len(nodes) - 1; i >= 0; i-- {
		n := nodes[i]
		l := vs[n.ID()]
		if l == nil {
			continue
		}
		if l.strides != nil {
			free := !keep[n.ID()]
			for _, use := range uses.Of(n) {
				// A free view reads the base itself.
				free = free && (vs[use.Node.ID()] != nil || strided(use.Node, use.Operand))
			}
			if !free {
				l = denseTail(chains[n.ID()])
			}
		}
		if isBase[n.ID()] {
			l = nil
		}
		if vs[n.ID()] = l; l != nil {
			isBase[l.base.Node().ID()] = true
		}
	}
	return vs
}

// denseTail returns the layout of the last of a chain of views in the earliest
// view in which it is dense, nil for none: that view moves data then, and all
// that follow do not.
func denseTail(chain []*graph.Node) *layout {
	for k := 1; k < len(chain); k++ {
		if l := through(chain[k:]); l != nil && l.strides == nil {
			return l
		}
	}
	return nil
}

// through returns the layout of the last of a chain of views in operand 0 of the
// first one, nil where it has none.
func through(chain []*graph.Node) *layout {
	shape := chain[len(chain)-1].Out(0).Shape()
	base := chain[0].In(0)
	m := index.Identity(shape.Dims())
	for i := len(chain) - 1; i >= 0; i-- {
		n := chain[i]
		if back := n.Op().Back; back == nil || !back(m, index.To, n.Attrs(), n.In(0).Shape(), n.Out(0).Shape()) {
			return nil
		}
	}
	l := &layout{base: base}
	step := make([]int, len(m.Size)) // elements of the base that a digit moves by
	stride := 1
	for a := len(m.Forms[index.To]) - 1; a >= 0; a-- {
		f := m.Forms[index.To][a]
		l.off += f.Off * stride
		for _, t := range f.Terms {
			step[t.Digit] += t.Coef * stride
		}
		stride *= m.Dims[index.To][a]
	}
	dense := true
	next := 1 // the stride of a dense tensor
	l.strides = make([]int, shape.Rank())
	for a := shape.Rank() - 1; a >= 0; a-- {
		f := m.Forms[index.From][a]
		for i, t := range f.Terms {
			s := step[t.Digit] / t.Coef
			if s*t.Coef != step[t.Digit] || i > 0 && s != l.strides[a] {
				return nil
			}
			l.strides[a] = s
		}
		dense = dense && (shape.Dim(a) == 1 || l.strides[a] == next)
		next *= shape.Dim(a)
	}
	block, _ := shape.DType.Block()
	switch {
	case l.off%block != 0, !dense && block > 1:
		return nil
	case dense && shape.DType.Bytes(l.off)%Align == 0:
		l.strides = nil
	}
	return l
}
