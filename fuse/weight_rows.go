package fuse

import (
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// mostSorted bounds the elements of a matrix whose rows are sorted: it is in memory a
// second time.
const mostSorted = 1 << 20

// SortedRows takes interleaved channels of a projection apart where the model is loaded:
// in its matrix, and no longer in every token.
var SortedRows = register(Rule{
	Name:  "sorted-rows",
	Doc:   "slices of reshape(matmul(x, W), …, groups, n) along n → matmul(x, Wi), Wi having the rows of W that make slice i: channels that lie interleaved are not gathered in every run",
	Stage: Sorting,
	Sizes: func(v At, yield func(Dims) bool) {
		x, rows, ok := projection(v.Value)
		if !ok || v.Node().In(1).Shape().Rank() != 2 || rows*x.Shape().Dim(-1) > mostSorted {
			return
		}
		if groups, widths := interleaved(v); groups > 1 {
			yield(Dims{X: graph.IntsOf(x.Shape().Dims()...), C: groups, Parts: graph.IntsOf(widths...)})
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		n, K := 0, d.X.At(d.X.Len()-1)
		for _, width := range d.Parts.Slice() {
			n += width
		}
		x, W := p.Var("x", d.X.Slice()...), p.Weight("W", d.C*n, K)
		lead := slices.Clip(d.X.Slice()[:d.X.Len()-1])
		y := ops.Reshape(ops.MatMul(x, W), append(lead, d.C, n)...)
		// parts calls f for each part with where it starts and how wide it is.
		parts := func(f func(at, width int) graph.Value) (all []graph.Value) {
			at := 0
			for _, width := range d.Parts.Slice() {
				all = append(all, f(at, width))
				at += width
			}
			return all
		}
		p.Out(parts(func(at, width int) graph.Value { return ops.Slice(y, -1, at, width) })...)
		return func(m *Match) []graph.Value {
			x, W := m.Get(x), ops.Reshape(m.Get(W), d.C, n, K)
			return parts(func(at, width int) graph.Value {
				rows := ops.Reshape(ops.Slice(W, 1, at, width), d.C*width, K)
				return ops.Reshape(ops.MatMul(x, rows), append(lead, d.C, width)...)
			})
		}
	},
	Examples: []Dims{
		{X: graph.IntsOf(2, 3, 8), C: 4, Parts: graph.IntsOf(2, 2)}, {X: graph.IntsOf(5, 6), C: 3, Parts: graph.IntsOf(1, 3, 1)},
	},
})

// interleaved tells into which parts slices cut each group of a value's channels, if they
// cut all of it. groups is 0 where they do not.
func interleaved(v At) (groups int, widths []int) {
	parts := map[int]int{} // by where they start
	n := 0                 // channels of a group
	var visit func(x graph.Value)
	visit = func(x graph.Value) {
		for _, u := range v.site.uses.Of(x.Node()) {
			switch last := x.Shape().Rank() - 1; u.Node.Op() {
			case ops.ReshapeOp:
				visit(u.Node.Out(0))
			case ops.SliceOp:
				if cut := graph.AttrsOf[ops.SliceAttrs](u.Node.Attrs()); cut.Axis == last && (n == 0 || n == x.Shape().Dim(last)) {
					n, parts[cut.Start] = x.Shape().Dim(last), cut.N
				}
			}
		}
	}
	visit(v.Value)
	if n == 0 || v.Shape().Dim(-1)%n != 0 {
		return 0, nil
	}
	for at := 0; at < n; at += widths[len(widths)-1] {
		if parts[at] == 0 || len(widths) == graph.MaxRank {
			return 0, nil
		}
		widths = append(widths, parts[at])
	}
	return v.Shape().Dim(-1) / n, widths
}
