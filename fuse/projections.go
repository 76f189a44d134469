package fuse

import (
	"errors"
	"fmt"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// projection takes v apart if it is a product of a value with a matrix that is
// known when a model is loaded: v has rows numbers for each row of x.
func projection(v graph.Value) (x graph.Value, rows int, ok bool) {
	n := through(v).Node()
	if n.Op() != ops.MatMulOp || n.In(0).Node().Static() || !n.In(1).Node().Static() {
		return graph.Value{}, 0, false
	}
	x = n.In(0)
	K := x.Shape().Dim(-1)
	rows = n.Out(0).Shape().Len() / (x.Shape().Len() / K)
	return x, rows, n.In(1).Shape().Len() == rows*K
}

// projections proposes the projections of the value that the one at v reads, as
// many as Dims can hold: X the extents of what they read, Parts their rows, the
// most first, where a match begins.
func projections(v At, yield func(Dims) bool) {
	x, _, ok := projection(v.Value)
	if !ok {
		return
	}
	var readers []*graph.Node
	rowsOf := map[*graph.Node]int{}
	for _, n := range v.Readers(through(x)) {
		y, rows, ok := projection(n.Out(0))
		if ok && n.Op() == ops.MatMulOp && through(y) == through(x) && y.Shape().Len() == x.Shape().Len() &&
			y.Shape().Dim(-1) == x.Shape().Dim(-1) && len(readers) < graph.MaxRank {
			readers = append(readers, n)
			rowsOf[n] = rows
		}
	}
	slices.SortStableFunc(readers, func(a, b *graph.Node) int { return rowsOf[b] - rowsOf[a] })
	if len(readers) == 0 || readers[0] != v.Node() {
		return
	}
	parts := make([]int, len(readers))
	for i, n := range readers {
		parts[i] = rowsOf[n]
	}
	yield(Dims{X: graph.IntsOf(x.Shape().Dims()...), Parts: graph.IntsOf(parts...)})
}

// matrices declares the weights of d's projections.
func matrices(p *P, d Dims) []graph.Value {
	ws := make([]graph.Value, d.Parts.Len())
	for i := range ws {
		ws[i] = p.Weight(fmt.Sprint("W", i), d.Parts.At(i), d.X.At(d.X.Len()-1))
	}
	return ws
}

var projectionExamples = []Dims{
	{X: graph.IntsOf(2, 3, 8), Parts: graph.IntsOf(6, 4)},
	{X: graph.IntsOf(1, 1, 8), Parts: graph.IntsOf(5, 5, 3)},
}

// NormLinear folds a weighted RMS norm into the projections that read it. The
// norm may have other readers, which fold it in turn.
var NormLinear = register(Rule{
	Name:  "norm-linear",
	Doc:   "matmul(rms_norm(x)·w, Wi), i = 1… → norm_linear(x, w, W1, …): the norm and all projections of it are one node",
	Stage: Projection,
	Sizes: func(v At, yield func(Dims) bool) {
		if isNormed(v.Node().In(0)) {
			projections(v, yield)
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		x, w := p.Var("x", d.X.Slice()...), p.Var("w", d.X.At(d.X.Len()-1))
		h := p.normed(x, w)
		ws := matrices(p, d)
		return p.Coarse(ops.NormLinearOp, append([]graph.Value{x, w}, ws...), ops.Linears(h, ws...)...)
	},
	Examples: append(projectionExamples, Dims{X: graph.IntsOf(2, 1, 6), Parts: graph.IntsOf(9)}),
})

// normed is rms_norm(x)·w, which may have other readers.
func (p *P) normed(x, w graph.Value) graph.Value {
	r := p.AnyAttrs(ops.RMSNorm(x, 1e-6), ops.RMSNormAttrs{Eps: 1e-3})
	return p.Keep(ops.Mul(p.Keep(r), w))
}

// isNormed is a quick look for rms_norm(x)·w.
func isNormed(v graph.Value) bool {
	n := through(v).Node()
	return n.Op() == ops.MulOp && (through(n.In(0)).Node().Op() == ops.RMSNormOp || through(n.In(1)).Node().Op() == ops.RMSNormOp)
}

// Linears makes projections of one value one node.
var Linears = register(Rule{
	Name:  "linears",
	Doc:   "matmul(x, Wi), i = 1, 2… → linears(x, W1, W2, …): the input is read once",
	Stage: Projection,
	Sizes: func(v At, yield func(Dims) bool) {
		projections(v, func(d Dims) bool { return d.Parts.Len() < 2 || isNormed(v.Node().In(0)) || yield(d) })
	},
	Pattern: func(p *P, d Dims) Rewrite {
		x, ws := p.Var("x", d.X.Slice()...), matrices(p, d)
		return p.Coarse(ops.LinearsOp, append([]graph.Value{x}, ws...), ops.Linears(x, ws...)...)
	},
	Examples: projectionExamples,
})

// LinearAdd adds a projection to the residual stream as it is computed.
var LinearAdd = register(Rule{
	Name:  "linear-add",
	Doc:   "r + matmul(x, W) → linear_add(x, W, r)",
	Stage: Projection,
	Sizes: func(v At, yield func(Dims) bool) {
		for i := range 2 {
			x, rows, ok := projection(v.Node().In(i))
			r := v.Node().In(1 - i)
			if ok && r.Shape().Len() == v.Shape().Len() && !r.Node().Static() &&
				!yield(Dims{X: graph.IntsOf(x.Shape().Dims()...), Parts: graph.IntsOf(rows)}) {
				return
			}
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		dims := d.X.Slice()
		x, w := p.Var("x", dims...), matrices(p, d)[0]
		dims[len(dims)-1] = d.Parts.At(0)
		r := p.Var("r", dims...)
		return p.Coarse(ops.LinearAddOp, []graph.Value{x, w, r}, ops.LinearAdd(x, w, r))
	},
	Examples: []Dims{{X: graph.IntsOf(2, 3, 8), Parts: graph.IntsOf(6)}, {X: graph.IntsOf(1, 1, 4), Parts: graph.IntsOf(4)}},
})

// ConcatLinears makes projections whose results stand side by side one
// projection: the weights are put together once, when a model is loaded.
var ConcatLinears = register(Rule{
	Name:  "concat-linears",
	Doc:   "concat(matmul(x, W1), matmul(x, W2), …) → matmul(x, concat(W1, W2, …))",
	Stage: Projection,
	Sizes: func(v At, yield func(Dims) bool) {
		n := v.Node()
		var d Dims
		var parts []int
		for i := range n.NumIn() {
			x, rows, ok := projection(n.In(i))
			if !ok || n.NumIn() > graph.MaxRank {
				return
			}
			parts = append(parts, rows)
			d.X = graph.IntsOf(x.Shape().Dims()...)
		}
		d.Parts = graph.IntsOf(parts...)
		yield(d)
	},
	Pattern: func(p *P, d Dims) Rewrite {
		x, ws := p.Var("x", d.X.Slice()...), matrices(p, d)
		p.Out(ops.Concat(d.X.Len()-1, ops.Linears(x, ws...)...))
		p.Where(func(m *Match) error {
			for _, w := range ws[1:] {
				if a, b := m.Get(ws[0]).Shape().DType, m.Get(w).Shape().DType; a != b {
					return errors.New("the weights have several types")
				}
			}
			return nil
		})
		return func(m *Match) []graph.Value {
			have := make([]graph.Value, len(ws))
			for i, w := range ws {
				have[i] = m.Get(w)
			}
			return []graph.Value{ops.MatMul(m.Get(x), ops.Concat(0, have...))}
		}
	},
	Examples: projectionExamples,
})

// LinearPair makes two projections of results of one norm_linear one node: the
// second halves of low-rank projections.
var LinearPair = register(Rule{
	Name:  "linear-pair",
	Doc:   "matmul(y1, V1), matmul(y2, V2), y1 and y2 results of one norm_linear → linear_pair(y1, V1, y2, V2)",
	Stage: Block,
	Sizes: func(v At, yield func(Dims) bool) {
		x, rows, ok := projection(v.Value)
		if !ok {
			return
		}
		first := through(x)
		nl := first.Node()
		if nl.Op() != ops.NormLinearOp || nl.NumOut() > graph.MaxRank {
			return
		}
		parts := make([]int, nl.NumOut())
		for i := range parts {
			parts[i] = nl.Out(i).Shape().Dim(-1)
		}
		d := Dims{X: graph.IntsOf(nl.In(0).Shape().Dims()...), Parts: graph.IntsOf(parts...), Axis: first.Index(), K: rows}
		for d.N = first.Index() + 1; d.N < nl.NumOut(); d.N++ {
			for _, n := range v.Readers(nl.Out(d.N)) {
				if y, rows, ok := projection(n.Out(0)); ok && n.Op() == ops.MatMulOp && through(y) == nl.Out(d.N) {
					d.V = rows
					yield(d)
					return
				}
			}
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		in := append([]graph.Value{p.Var("x", d.X.Slice()...), p.Var("w", d.X.At(d.X.Len()-1))}, matrices(p, d)...)
		ys := p.wrap(ops.NormLinearOp, func(in []graph.Value) []graph.Value { return ops.NormLinear(in[0], in[1], in[2:]...) }, in...)
		v1, v2 := p.Weight("V1", d.K, d.Parts.At(d.Axis)), p.Weight("V2", d.V, d.Parts.At(d.N))
		z1, z2 := ops.MatMul(ys[d.Axis], v1), ops.MatMul(ys[d.N], v2)
		p.Out(append([]graph.Value{z1, z2}, ys...)...)
		return func(m *Match) []graph.Value {
			have := make([]graph.Value, len(in))
			for i, v := range in {
				have[i] = m.Get(v)
			}
			nl := graph.Apply(ops.NormLinearOp, m.Attrs(ys[0]), have...)
			pair := ops.Wrap(ops.LinearPairOp, ops.LinearPair, nl.Out(d.Axis), m.Get(v1), nl.Out(d.N), m.Get(v2))
			for i := range ys {
				pair = append(pair, nl.Out(i))
			}
			return pair
		}
	},
	Examples: []Dims{{X: graph.IntsOf(2, 3, 4), Parts: graph.IntsOf(7, 6, 5), Axis: 0, N: 2, K: 3, V: 4}, {X: graph.IntsOf(1, 1, 4), Parts: graph.IntsOf(5, 5), Axis: 0, N: 1, K: 3, V: 3}},
})
