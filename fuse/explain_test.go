package fuse

import (
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// token writes one token of the delta rule with one thing about it changed.
func token(t *testing.T, change string) *graph.Graph {
	t.Helper()
	b := graph.NewBuilder()
	f := func(name string, d ...int) graph.Value { return b.Input(name, graph.ShapeOf(graph.F32, d...)) }
	s, q, k, v := f("s", 1, 2, 5, 4), f("q", 1, 2, 1, 4), f("k", 1, 2, 1, 4), f("v", 1, 2, 5, 1)
	g, beta := f("g", 1, 2, 1, 1), f("beta", 1, 2, 1, 1)
	defer b.Scope("blk.7.gdn")()
	decayed := ops.Mul(s, ops.Exp(g))
	if change == "decay" {
		decayed = ops.Mul(s, ops.Sigmoid(g))
	}
	read := ops.SumLast(ops.Mul(decayed, k))
	err := ops.Sub(v, read)
	if change == "sign" {
		err = ops.Add(v, read)
	}
	delta := ops.Mul(err, beta)
	if change == "beta" {
		delta = err
	}
	next := ops.Add(decayed, ops.Mul(k, delta))
	if change == "escape" {
		b.Output("delta", delta)
	}
	b.Output("o", ops.SumLast(ops.Mul(next, q)))
	b.Output("next", next)
	gr, e := b.Build()
	if e != nil {
		t.Fatal(e)
	}
	return gr
}

func TestExplain(t *testing.T) {
	for _, c := range []struct{ change, want string }{
		{"", "gated-delta-net/step at blk.7.gdn: add [1 2 5 4] (explain_test.go:32): fired"},
		{"decay", "7 of 8 nodes agree; blk.7.gdn: mul [1 2 5 4] (explain_test.go:21): its second operand is sigmoid [1 2 1 1] (explain_test.go:21), the rule wants exp(g); replace sigmoid by exp"},
		{"sign", "is add [1 2 5 1] (explain_test.go:26), the rule wants sub(v, matmul); replace add by sub"},
		{"beta", "is sub [1 2 5 1] (explain_test.go:24), the rule wants mul(beta, sub); put mul with beta around it"},
		{"escape", "blk.7.gdn: mul [1 2 5 1] (explain_test.go:28) is a result of the graph, and the rule would remove it"},
	} {
		as, err := Explain(token(t, c.change), Options{}, "gated-delta-net/step", "")
		if err != nil {
			t.Fatal(err)
		}
		if len(as) == 0 || !strings.Contains(as[0].String(), c.want) {
			t.Errorf("%q: want %q, have %v", c.change, c.want, as)
		}
	}
}
