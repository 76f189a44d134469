package ops

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"weak"

	"github.com/deltaloom/deltaloom/graph"
)

// Body is a subgraph as the attribute of a coarse node. Equal subgraphs are one
// Body, as long as anybody has it, so it is comparable. Its inputs, in the order
// they were declared, are the operands, its outputs the results.
type Body struct{ b *body }

type body struct {
	g    *graph.Graph
	in   []graph.Value // operand i
	text string
}

var bodies sync.Map // text -> weak.Pointer[body]

// find returns the body of this text, nil where there is none.
func find(text string) *body {
	if had, ok := bodies.Load(text); ok {
		return had.(weak.Pointer[body]).Value()
	}
	return nil
}

// intern returns the body that stands for all with the text of b.
func intern(b *body) *body {
	w := weak.Make(b)
	for {
		had, loaded := bodies.LoadOrStore(b.text, w)
		if !loaded {
			runtime.AddCleanup(b, func(text string) { bodies.CompareAndDelete(text, w) }, b.text)
			return b
		}
		if one := had.(weak.Pointer[body]).Value(); one != nil {
			return one
		}
		bodies.CompareAndDelete(b.text, had) // nobody has it any more
	}
}

// NewBody returns the subgraph g as an attribute. Its leaves are inputs named 0,
// 1, … and constants; it holds no state.
func NewBody(g *graph.Graph) (Body, error) {
	text := g.String()
	if had := find(text); had != nil {
		return Body{had}, nil
	}
	b := &body{g: g, text: text}
	byName := map[string]graph.Value{}
	for _, n := range g.Nodes() {
		switch n.Op() {
		case graph.InputOp:
			byName[n.Name()] = n.Out(0)
		case graph.WeightOp, graph.StateOp:
			return Body{}, fmt.Errorf("a body has no %s", graph.Label(n))
		}
	}
	for i := range len(byName) {
		v, ok := byName[strconv.Itoa(i)]
		if !ok {
			return Body{}, fmt.Errorf("a body of %d inputs has none named %d", len(byName), i)
		}
		b.in = append(b.in, v)
	}
	return Body{intern(b)}, nil
}

// Graph returns the subgraph, nil for the zero Body.
func (b Body) Graph() *graph.Graph {
	if b.b == nil {
		return nil
	}
	return b.b.g
}

// AttrGraph and SetAttrGraph give a body its text form.
func (b Body) AttrGraph() *graph.Graph { return b.Graph() }

func (b *Body) SetAttrGraph(g *graph.Graph) (err error) {
	*b, err = NewBody(g)
	return err
}

// CoarseAttrs are the attributes of every coarse op.
type CoarseAttrs struct{ Body Body }

// coarse registers an op that is its body: what a rule found, as one node. Shape
// rule, evaluation and decomposition come from the body; kernels are written by
// hand. Result i may take the memory of operand alias[i] where that is not
// negative.
func coarse(name, doc string, alias []int, cases ...coarseCase) *graph.Op {
	op := &graph.Op{
		Name: name, Doc: doc, Attrs: CoarseAttrs{}, Arity: -1,
		Infer: inferCoarse,
		Decompose: func(in []graph.Value, a graph.Attrs) []graph.Value {
			return inline(graph.AttrsOf[CoarseAttrs](a).Body.b, in)
		},
	}
	for result, operand := range alias {
		if operand >= 0 {
			op.InPlace = append(op.InPlace, graph.Alias{Result: result, Operand: operand})
		}
	}
	op.Cases = func(yield func(graph.Case) bool) {
		for _, c := range cases {
			if !yield(c.of(op)) {
				return
			}
		}
	}
	return graph.Register(op)
}

// coarseCase is a formula at some operands.
type coarseCase struct {
	name    string
	in      []graph.Shape
	formula func(in []graph.Value) []graph.Value
	fill    func(i int, t graph.Tensor, r *rand.Rand)
	nmse    float64 // as in graph.Case
}

func (c coarseCase) of(op *graph.Op) graph.Case {
	body, err := BodyOf(c.in, c.formula)
	if err != nil {
		panic(fmt.Sprintf("ops: case %q of %s: %v", c.name, op.Name, err)) // a mistake in this package
	}
	return graph.Case{Name: c.name, In: c.in, Attrs: CoarseAttrs{body}, Fill: c.fill, NMSE: c.nmse}
}

func inferCoarse(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
	b := graph.AttrsOf[CoarseAttrs](a).Body.b
	switch {
	case b == nil:
		return nil, errors.New("no body")
	case len(in) != len(b.in):
		return nil, fmt.Errorf("%d operands for a body of %d inputs", len(in), len(b.in))
	}
	for i, v := range b.in {
		if in[i] != v.Shape() {
			return nil, fmt.Errorf("operand %d is %v, the body wants %v", i, in[i], v.Shape())
		}
	}
	out := make([]graph.Shape, len(b.g.Outputs()))
	for i, o := range b.g.Outputs() {
		out[i] = o.Value.Shape()
	}
	return out, nil
}

// inline writes the nodes of the body over the operands.
func inline(b *body, in []graph.Value) []graph.Value {
	if b == nil || len(in) != len(b.in) {
		return nil
	}
	target := in[0].Builder()
	memo := map[graph.Value]graph.Value{}
	for i, v := range b.in {
		memo[v] = in[i]
	}
	value := func(v graph.Value) graph.Value { return memo[v] }
	for _, n := range b.g.Nodes() {
		if n.Op() == graph.InputOp {
			continue
		}
		args := make([]graph.Value, n.NumIn())
		for i := range args {
			args[i] = value(n.In(i))
		}
		c := target.Clone(n, args...)
		for i := range n.NumOut() {
			memo[n.Out(i)] = c.Out(i)
		}
	}
	out := make([]graph.Value, len(b.g.Outputs()))
	for i, o := range b.g.Outputs() {
		out[i] = value(o.Value)
	}
	return out
}

// Wrap applies formula to operands as one node of a coarse op.
func Wrap(op *graph.Op, formula func(in []graph.Value) []graph.Value, in ...graph.Value) []graph.Value {
	s := make([]graph.Shape, len(in))
	for i, v := range in {
		s[i] = v.Shape()
	}
	body, err := BodyOf(s, formula)
	if err != nil {
		if len(in) > 0 && in[0].Builder() != nil {
			in[0].Builder().Fail(fmt.Errorf("%s: %w", op.Name, err))
		}
		return []graph.Value{{}}
	}
	n := graph.Apply(op, CoarseAttrs{body}, in...)
	out := make([]graph.Value, n.NumOut())
	for i := range out {
		out[i] = n.Out(i)
	}
	return out
}

// BodyOf writes formula over operands of these shapes.
func BodyOf(in []graph.Shape, formula func(in []graph.Value) []graph.Value) (Body, error) {
	b := graph.NewBuilder()
	b.From(nil)
	vs := make([]graph.Value, len(in))
	for i, s := range in {
		vs[i] = b.Input(strconv.Itoa(i), s)
	}
	for i, v := range formula(vs) {
		b.Output(strconv.Itoa(i), v)
	}
	g, err := b.Build()
	if err != nil {
		return Body{}, err
	}
	return NewBody(g)
}
