package fuse

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// Coarse declares outs as the pattern's outputs and returns the rewrite that
// makes the match one node of op: its operands are those given, all of them
// Vars, and its body is the formula with the attributes that were found.
func (p *P) Coarse(op *graph.Op, operands []graph.Value, outs ...graph.Value) Rewrite {
	p.Out(outs...)
	return func(m *Match) []graph.Value {
		in := make([]graph.Value, len(operands))
		for i, v := range operands {
			in[i] = m.Get(v)
		}
		body, err := m.bodyOnce(operands, in, outs)
		if err != nil {
			p.fail(m, err)
			return make([]graph.Value, len(outs))
		}
		n := graph.Apply(op, ops.CoarseAttrs{Body: body}, in...)
		res := make([]graph.Value, len(outs))
		for i := range res {
			res[i] = n.Out(i)
		}
		return res
	}
}

func (p *P) fail(m *Match, err error) {
	m.site.g.Builder().Fail(fmt.Errorf("%s: %w", m.pat.rule.Name, err))
}

// maxBodies bounds how many bodies a pattern remembers. Layers differ in the types
// of their weights, if at all.
const maxBodies = 8

// written is a body with what it hangs on besides the pattern.
type written struct {
	shapes []graph.Shape // of the operands
	attrs  []graph.Attrs // of the nodes that may have any
	body   ops.Body
}

// bodyOnce is body, which layers share.
func (m *Match) bodyOnce(operands, in, outs []graph.Value) (ops.Body, error) {
	w := written{make([]graph.Shape, len(in)), make([]graph.Attrs, len(m.pat.wild)), ops.Body{}}
	for i, v := range in {
		w.shapes[i] = v.Shape()
	}
	for i, v := range m.pat.wild {
		w.attrs[i] = m.Attrs(v)
	}
	for _, had := range m.pat.bodies {
		if slices.Equal(had.shapes, w.shapes) && slices.Equal(had.attrs, w.attrs) {
			return had.body, nil
		}
	}
	var err error
	if w.body, err = m.body(operands, in, outs); err == nil && len(m.pat.bodies) < maxBodies {
		m.pat.bodies = append(m.pat.bodies, w)
	}
	return w.body, err
}

// body writes the pattern as the rule wrote it, with the operands' shapes and the
// attributes that the match found.
func (m *Match) body(operands, in, outs []graph.Value) (ops.Body, error) {
	b := graph.NewBuilder()
	b.From(nil)
	memo := map[graph.Value]graph.Value{}
	for i, v := range operands {
		memo[v] = b.Input(strconv.Itoa(i), in[i].Shape())
	}
	var value func(graph.Value) graph.Value
	value = func(v graph.Value) graph.Value {
		if had, ok := memo[v]; ok {
			return had
		}
		n := v.Node()
		args := make([]graph.Value, n.NumIn())
		for i := range args {
			args[i] = value(n.In(i))
		}
		attrs := n.Attrs()
		for i := range n.NumOut() {
			if _, wild := m.pat.p.wild[n.Out(i)]; wild {
				attrs = m.Attrs(n.Out(i))
			}
		}
		c := b.Apply(n.Op(), attrs, args...)
		for i := range n.NumOut() {
			memo[n.Out(i)] = c.Out(i)
		}
		return memo[v]
	}
	for i, v := range outs {
		b.Output(strconv.Itoa(i), value(v))
	}
	g, err := b.Build()
	if err != nil {
		return ops.Body{}, err
	}
	return ops.NewBody(g)
}

// wrap is formula(in) as one node of a coarse op, with any body.
func (p *P) wrap(op *graph.Op, formula func(in []graph.Value) []graph.Value, in ...graph.Value) []graph.Value {
	out := ops.Wrap(op, formula, in...)
	if out[0].Node() != nil {
		p.AnyAttrs(out[0])
	}
	return out
}

// AnyAttrsOf lets every node of an op, of those that the pattern has so far, match
// whatever its attributes are.
func (p *P) AnyAttrsOf(op *graph.Op, alternatives ...graph.Attrs) {
	for _, n := range p.b.Nodes() {
		if n.Op() == op {
			p.AnyAttrs(n.Out(0), alternatives...)
		}
	}
}

// Slots declares the input that says which rows of its pools each of B sequences
// has.
func (p *P) Slots(B int) graph.Value { return p.Index("slots", B) }

// Index is a Var of i32.
func (p *P) Index(name string, dims ...int) graph.Value {
	v := p.b.Input(name, graph.ShapeOf(graph.I32, dims...))
	p.vars = append(p.vars, v)
	return v
}

// KeepAll keeps every node of an op, of those that the pattern has so far.
func (p *P) KeepAll(op *graph.Op) {
	for _, n := range p.b.Nodes() {
		if n.Op() == op {
			p.Keep(n.Out(0))
		}
	}
}
