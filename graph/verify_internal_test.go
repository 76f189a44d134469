package graph

import (
	"errors"
	"strings"
	"testing"
)

// No builder makes these graphs; a pass with a bug could.
func TestVerifyRefuses(t *testing.T) {
	identity := func(in []Shape, _ Attrs) ([]Shape, error) { return in[:1], nil }
	op := &Op{Name: "v_same", Arity: 1, Infer: identity}
	for _, c := range []struct {
		want   string
		damage func(g *Graph, x, y *Node)
	}{
		{"", func(g *Graph, x, y *Node) {}},
		{"comes after its user", func(g *Graph, x, y *Node) { g.nodes[0], g.nodes[len(g.nodes)-1] = y, x }},
		{"comes after its user", func(g *Graph, x, y *Node) { y.in[0] = y.Out(0) }},
		{"result 0 is f32[3], inferred f32[2]", func(g *Graph, x, y *Node) { y.out = []Shape{ShapeOf(F32, 3)} }},
		{"2 results, inferred 1", func(g *Graph, x, y *Node) { y.out = append(y.out[:1:1], y.out[0]) }},
		{"blk.0: v_same: no more", func(g *Graph, x, y *Node) {
			y.op = &Op{Name: "v_same", Infer: func([]Shape, Attrs) ([]Shape, error) { return nil, errors.New("no more") }}
		}},
		{`state "s" has two writers`, func(g *Graph, x, y *Node) { g.states = append(g.states, g.states[0]) }},
		{`state "s" is f32[2], its next value f32[]`, func(g *Graph, x, y *Node) { g.states[0].Next = g.nodes[2].Out(0) }},
	} {
		b := NewBuilder()
		x := b.State("s", ShapeOf(F32, 2))
		end := b.Scope("blk.0")
		y := Apply(op, nil, x)
		end()
		b.Output("c", b.Const(1))
		b.SetState(x, y.Out(0))
		g, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		c.damage(g, x.n, y)
		err = g.Verify()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("have %v, want %s", err, c.want)
		}
	}
}
