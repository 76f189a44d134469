package fuse

import (
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// A rule that asks for a value inside its match gets an error.
func TestGetInside(t *testing.T) {
	r := &Rule{
		Name: "wrong",
		Pattern: func(p *P, d Dims) Rewrite {
			x := p.Var("x", d.X.Slice()...)
			inside := ops.Exp(x)
			p.Out(ops.Neg(inside))
			return func(m *Match) []graph.Value { return []graph.Value{m.Get(inside)} }
		},
		Examples: []Dims{{X: graph.IntsOf(2, 3)}},
	}
	g, err := r.Example(r.Examples[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Run(g, Options{Rules: []*Rule{r}}); err == nil || !strings.Contains(err.Error(), "exp is no operand of the pattern") {
		t.Errorf("error %v", err)
	}
}
