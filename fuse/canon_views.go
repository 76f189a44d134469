package fuse

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// A chain of views is written with as few views as its index map needs. Every
// firing leaves fewer views between the value and what it shows. A chain that no
// rewrite has touched is left alone unless two of its views are of one kind: else
// an extent that happens to be 1 would change how many views there are.
var _ = register(Rule{
	Name:  "canon/views",
	Doc:   "reshape, permute, slice and broadcast in a row → the fewest views with the same index map, or none",
	Stage: Canon,
	Roots: []*graph.Op{ops.ReshapeOp, ops.PermuteOp, ops.SliceOp, ops.BroadcastOp},
	Sizes: func(v At, yield func(Dims) bool) {
		if n, touched := v.chain(); n > 1 && touched {
			yield(Dims{X: graph.IntsOf(v.Shape().Dims()...)})
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		var out graph.Value
		switch d.Variant { // 0 is what matches; the others are chains to prove it on
		case 0:
			out = p.ViewOf("x", d.X.Slice()...)
		case 1:
			x := p.Var("x", 3, 4, 5)
			out = ops.Permute(ops.Reshape(ops.Permute(x, 1, 0, 2), 4, 15), 1, 0)
			out = ops.Permute(ops.Reshape(ops.Permute(out, 1, 0), 4, 3, 5), 1, 0, 2)
		case 2:
			x := p.Var("x", 6, 8)
			out = ops.Slice(ops.Slice(ops.Reshape(ops.Reshape(x, 48), 6, 8), 0, 1, 4), 0, 1, 2)
		case 3:
			x := p.Var("x", 6, 1)
			out = ops.Reshape(ops.Broadcast(ops.Broadcast(x, 6, 4), 5, 6, 4), 5, 24)
		}
		p.Out(out)
		// shorter reports that the index map needs fewer views than there are.
		shorter := func(m *Match) bool {
			x := m.bound(out) // which may be a view that has no index map
			n := 0
			for b := m.out[0].g; b != x.g; b = b.Node().In(0) {
				n++
			}
			moves, ok := x.at.Plan(graph.MaxRank)
			return ok && len(moves) < n
		}
		p.Where(func(m *Match) error {
			if !shorter(m) && !twice(m.out[0].g) {
				return errNoMatch
			}
			return nil
		})
		return func(m *Match) []graph.Value {
			if !shorter(m) {
				n := m.out[0].g.Node()
				return []graph.Value{atOnce(m.fresh(n.In(0).Node().In(0)), n)}
			}
			b := m.bound(out)
			v, err := ops.View(m.fresh(b.g), b.at)
			if err != nil {
				b.g.Builder().Fail(err)
			}
			return []graph.Value{v}
		}
	},
	Examples: []Dims{{Variant: 1}, {Variant: 2}, {Variant: 3}},
})

// twice reports a reshape of a reshape, or a permute of a permute: one does for
// both, whatever else stands below.
func twice(v graph.Value) bool {
	n := v.Node()
	return (n.Op() == ops.ReshapeOp || n.Op() == ops.PermuteOp) && n.In(0).Node().Op() == n.Op()
}

// atOnce is what n and the view below it make of x.
func atOnce(x graph.Value, n *graph.Node) graph.Value {
	if n.Op() == ops.ReshapeOp {
		return ops.Reshape(x, n.Out(0).Shape().Dims()...)
	}
	perm := graph.AttrsOf[ops.PermuteAttrs](n.Attrs()).Perm.Slice()
	below := graph.AttrsOf[ops.PermuteAttrs](n.In(0).Node().Attrs()).Perm
	for i, p := range perm {
		perm[i] = below.At(p)
	}
	return ops.Permute(x, perm...)
}

// chain counts the views from v down to what they show, and reports whether a
// rewrite made one of them or two in a row are of one kind.
func (v At) chain() (n int, touched bool) {
	var last *graph.Op
	for b := v.Node(); b.Op().View; b = b.In(0).Node() {
		touched = touched || v.site.made.has(b) || b.Op() == last
		last = b.Op()
		n++
	}
	return n, touched
}

// A copy that only changes the layout in memory has no meaning here: layouts are
// the plan's business.
var _ = register(Rule{
	Name:  "canon/copy",
	Doc:   "cont(x) → x",
	Stage: Canon,
	Roots: []*graph.Op{ops.ContOp},
	Pattern: func(p *P, d Dims) Rewrite {
		x := p.Var("x", d.X.Slice()...)
		p.Out(ops.Cont(x))
		return func(m *Match) []graph.Value { return []graph.Value{m.Get(x)} }
	},
	Examples: []Dims{{X: graph.IntsOf(3, 4)}, {X: graph.IntsOf(2, 1, 5)}},
})

// Slices of one tensor put together again are a window of it, or all of it. N
// parts have T indices each, or Parts, which may differ; the window begins at C.
var _ = register(Rule{
	Name:  "canon/concat-slices",
	Doc:   "concat(x[a:b], x[b:c], …) → x[a:c]",
	Stage: Canon,
	Roots: []*graph.Op{ops.ConcatOp},
	Sizes: func(v At, yield func(Dims) bool) {
		n := v.Node()
		axis := graph.AttrsOf[ops.ConcatAttrs](n.Attrs()).Axis
		d := Dims{X: graph.IntsOf(v.Shape().Dims()...), Axis: axis, N: n.NumIn(), T: n.In(0).Shape().Dim(axis)}
		for i := range n.NumIn() {
			if n.In(i).Shape().Dim(axis) == d.T {
				continue
			}
			if n.NumIn() > graph.MaxRank {
				return
			}
			parts := make([]int, n.NumIn())
			for j := range parts {
				parts[j] = n.In(j).Shape().Dim(axis)
			}
			d.N, d.T, d.Parts = 0, 0, graph.IntsOf(parts...)
			break
		}
		if !yield(d) {
			return
		}
		for x := n.In(0); x.Node().Op().View; x = x.Node().In(0) {
			if x.Node().Op() != ops.SliceOp {
				continue
			}
			// The window of a longer axis, which may be merged with those after it.
			a := graph.AttrsOf[ops.SliceAttrs](x.Node().Attrs())
			unit, long, whole := a.N/n.In(0).Shape().Dim(axis), x.Node().In(0).Shape().Dim(a.Axis), v.Shape().Dims()
			if unit == 0 || long%unit != 0 || a.Start%unit != 0 || long/unit < a.Start/unit+whole[axis] {
				continue
			}
			whole[axis] = long / unit
			if d.X, d.C = graph.IntsOf(whole...), a.Start/unit; !yield(d) {
				return
			}
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		x := p.Var("x", d.X.Slice()...)
		sizes := d.Parts.Slice()
		for range d.N {
			sizes = append(sizes, d.T)
		}
		var parts []graph.Value
		end := d.C
		for _, n := range sizes {
			parts = append(parts, ops.Slice(x, d.Axis, end, n))
			end += n
		}
		p.Out(ops.Concat(d.Axis, parts...))
		return func(m *Match) []graph.Value { return []graph.Value{ops.Slice(m.Get(x), d.Axis, d.C, end-d.C)} }
	},
	Examples: []Dims{
		{X: graph.IntsOf(2, 6, 3), Axis: 1, N: 3, T: 2},
		{X: graph.IntsOf(8, 3), Axis: 0, N: 2, T: 4},
		{X: graph.IntsOf(2, 1, 4), Axis: 2, N: 4, T: 1},
		{X: graph.IntsOf(2, 7), Axis: 1, Parts: graph.IntsOf(1, 3), C: 2},
		{X: graph.IntsOf(5, 3), Axis: 0, N: 2, T: 1, C: 3},
	},
})
