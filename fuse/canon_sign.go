package fuse

import (
	"errors"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// A sign moves up, towards the sum or difference that takes it in. Every firing
// leaves it nearer to the results.
var _ = unary("canon/neg-out", "(-a) - b → -(a + b)", func(p *P, x func(string) graph.Value) Rewrite {
	a, b := x("a"), x("b")
	p.Out(ops.Sub(ops.Neg(a), b))
	p.Where(func(m *Match) error {
		for _, p := range m.pairs { // one of them is the sign
			if p.graph.Out(0).Shape().Len() < m.out[0].g.Shape().Len() {
				return errors.New("the negated term is smaller than the difference")
			}
		}
		return nil
	})
	return func(m *Match) []graph.Value { return as(ops.Neg(ops.Add(m.Small(a), m.Small(b))), a) }
})
