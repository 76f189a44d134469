package fuse

import (
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/graph/index"
)

// maxBelow bounds how many values below a root are looked at for its layout.
const maxBelow = 16

// below yields further layouts of an array of extents from in root: those that
// guess finds in the values that root is computed from element by element,
// followed up to root. So an axis may be split there, and its parts apart, which
// nobody would guess from root's own extents.
func below(from []int, root graph.Value, yield func(*index.Map) bool) {
	type place struct {
		v  graph.Value
		at *index.Map // from root's elements to v's
	}
	todo := []place{{root, index.Identity(root.Shape().Dims())}}
	seen := map[graph.Value]bool{root: true}
	var tried []*index.Map
	for i := 0; i < len(todo) && i < maxBelow; i++ {
		p := todo[i]
		if up, ok := p.at.Inverse(); ok && regrouped(p.at) {
			if tried == nil {
				guess(from, root.Shape().Dims(), func(at *index.Map) bool {
					if m, ok := at.Solve(); ok {
						tried = append(tried, m)
					}
					return true
				})
			}
			on := true
			guess(from, p.v.Shape().Dims(), func(at *index.Map) bool {
				m, ok := up.Then(at)
				if !ok || slices.ContainsFunc(tried, m.Same) {
					return true
				}
				tried = append(tried, m)
				on = len(tried) < 2*maxGuesses && yield(m)
				return on
			})
			if !on {
				return
			}
		}
		n := p.v.Node()
		for j := range n.NumIn() {
			x := n.In(j)
			if seen[x] || x.Shape().Len() != root.Shape().Len() {
				continue
			}
			at := p.at
			switch {
			case n.Op().Back != nil:
				_, down, ok := back(p.v, at, index.To)
				if !ok {
					continue
				}
				at = down
			case n.Op().Axes == nil || !slices.Equal(x.Shape().Dims(), p.v.Shape().Dims()):
				continue
			}
			if at, ok := at.Solve(); ok {
				seen[x] = true
				todo = append(todo, place{x, at})
			}
		}
	}
}

// regrouped reports that axes are not just in another order.
func regrouped(at *index.Map) bool {
	for _, forms := range at.Forms {
		if slices.ContainsFunc(forms, func(f index.Form) bool { return len(f.Terms) > 1 }) {
			return true
		}
	}
	return false
}

// pointwise reports a result each of whose elements is computed by itself.
func pointwise(v graph.Value) bool {
	n := v.Node()
	if n.Op().Axes == nil || looksThrough(v) {
		return false
	}
	axes, _ := n.Op().Axes(n.Attrs(), v.Shape().Rank())
	return len(axes) == 0
}
