package fuse

import (
	"errors"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// A product with a weight has the weight second, as a projection is written.
var _ = register(Rule{
	Name:  "canon/weight-second",
	Doc:   "matmul(W, x) → matmul(x, W)ᵀ, W being known when a model is loaded",
	Stage: Canon,
	Sizes: func(v At, yield func(Dims) bool) {
		if a, b := v.Node().In(0), v.Node().In(1); a.Node().Static() && !b.Node().Static() {
			yield(Dims{X: graph.IntsOf(b.Shape().Dims()...), Parts: graph.IntsOf(a.Shape().Dims()...)})
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		x, w := p.Var("x", d.X.Slice()...), p.Weight("W", d.Parts.Slice()...)
		p.Out(ops.MatMul(w, x))
		p.Where(func(m *Match) error {
			if n := m.out[0].g.Node(); !n.In(0).Node().Static() {
				return errors.New("the weight is second")
			}
			return nil
		})
		return func(m *Match) []graph.Value { return []graph.Value{ops.Transpose(ops.MatMul(m.Get(x), m.Get(w)))} }
	},
	Examples: []Dims{{X: graph.IntsOf(3, 4), Parts: graph.IntsOf(5, 4)}, {X: graph.IntsOf(2, 3, 4), Parts: graph.IntsOf(6, 4)}},
})
