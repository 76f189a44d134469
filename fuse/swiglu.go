package fuse

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// hidden proposes the sizes of silu(x Gᵀ)·(x Uᵀ) at a product.
func hidden(v At, yield func(Dims) bool) {
	for i := range 2 {
		if x, rows, ok := projection(v.Node().In(i)); ok &&
			!yield(Dims{X: graph.IntsOf(x.Shape().Dims()...), Parts: graph.IntsOf(rows)}) {
			return
		}
	}
}

var hiddenExamples = []Dims{{X: graph.IntsOf(2, 3, 8), Parts: graph.IntsOf(6)}, {X: graph.IntsOf(1, 1, 4), Parts: graph.IntsOf(7)}}

// hiddenWeights declares the gate and up matrices.
func hiddenWeights(p *P, d Dims) (gate, up graph.Value) {
	rows, width := d.Parts.At(0), d.X.At(d.X.Len()-1)
	return p.Weight("gate", rows, width), p.Weight("up", rows, width)
}

// SwiGLU makes the hidden layer of a feed-forward block one node.
var SwiGLU = register(Rule{
	Name:  "swiglu",
	Doc:   "silu(matmul(x, G)) · matmul(x, U) → swiglu(x, G, U)",
	Sizes: hidden,
	Pattern: func(p *P, d Dims) Rewrite {
		x := p.Var("x", d.X.Slice()...)
		gate, up := hiddenWeights(p, d)
		return p.Coarse(ops.SwiGLUOp, []graph.Value{x, gate, up}, ops.SwiGLU(x, gate, up))
	},
	Examples: hiddenExamples,
})

// NormSwiGLU folds the norm in front into it.
var NormSwiGLU = register(Rule{
	Name:  "norm-swiglu",
	Doc:   "swiglu(rms_norm(x)·w, G, U) → norm_swiglu(x, w, G, U)",
	Stage: Projection,
	Sizes: func(v At, yield func(Dims) bool) {
		if x := v.Node().In(0); isNormed(x) {
			yield(Dims{X: graph.IntsOf(x.Shape().Dims()...), Parts: graph.IntsOf(v.Shape().Dim(-1))})
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		x, w := p.Var("x", d.X.Slice()...), p.Var("w", d.X.At(d.X.Len()-1))
		gate, up := hiddenWeights(p, d)
		y := p.wrap(ops.SwiGLUOp, func(in []graph.Value) []graph.Value {
			return []graph.Value{ops.SwiGLU(in[0], in[1], in[2])}
		}, p.normed(x, w), gate, up)
		return p.Coarse(ops.NormSwiGLUOp, []graph.Value{x, w, gate, up}, y...)
	},
	Examples: hiddenExamples,
})
