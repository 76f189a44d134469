package graph_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

// The vocabulary of these tests: small enough to be obviously right, and one op
// of each kind that the builder, the printer and the parser tell apart.

type (
	axisAttrs struct{ Axis int }
	dimsAttrs struct{ Dims graph.Ints }
	everyKind struct {
		Flag  bool
		Count int
		Tiny  int8
		Size  uint32
		Eps   float32
		Wide  float64
		Label string
		Perm  graph.Ints
		Mode  mode
		Type  graph.DType
		Of    graph.Shape
	}
	mode uint8
)

func (m mode) MarshalText() ([]byte, error) { return []byte([]string{"plain", "fancy"}[m%2]), nil }

func (m *mode) UnmarshalText(text []byte) error {
	switch string(text) {
	case "plain":
		*m = 0
	case "fancy":
		*m = 1
	default:
		return fmt.Errorf("no mode %q", text)
	}
	return nil
}

func sameShape(in []graph.Shape, _ graph.Attrs) ([]graph.Shape, error) {
	for _, s := range in {
		if s != in[0] {
			return nil, fmt.Errorf("operands %v and %v differ", in[0], s)
		}
	}
	return in[:1:1], nil
}

var (
	tNeg = graph.Register(&graph.Op{Name: "t_neg", Arity: 1, Infer: sameShape})
	tAdd = graph.Register(&graph.Op{Name: "t_add", Arity: 2, Commutative: true, Infer: sameShape})
	tSub = graph.Register(&graph.Op{Name: "t_sub", Arity: 2, Infer: sameShape})
	tSum = graph.Register(&graph.Op{Name: "t_sum", Arity: -1, Infer: sameShape})
	tAny = graph.Register(&graph.Op{Name: "t_any", Arity: 1, Attrs: everyKind{}, Infer: sameShape})
	tNow = graph.Register(&graph.Op{Name: "t_now", Infer: func([]graph.Shape, graph.Attrs) ([]graph.Shape, error) {
		return []graph.Shape{graph.ShapeOf(graph.F32, 2)}, nil
	}})
	tView = graph.Register(&graph.Op{Name: "t_view", Arity: 1, View: true, Attrs: dimsAttrs{},
		Infer: func(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
			out := in[0].With(graph.AttrsOf[dimsAttrs](a).Dims.Slice()...)
			if out.Len() != in[0].Len() {
				return nil, fmt.Errorf("%v is not %v", out, in[0])
			}
			return []graph.Shape{out}, nil
		}})
	// tHalve gives the two halves of an axis.
	tHalve = graph.Register(&graph.Op{Name: "t_halve", Arity: 1, Attrs: axisAttrs{},
		Infer: func(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
			axis, dims := graph.AttrsOf[axisAttrs](a).Axis, in[0].Dims()
			if axis < 0 || axis >= len(dims) || dims[axis]%2 != 0 {
				return nil, fmt.Errorf("%v has no axis %d of even extent", in[0], axis)
			}
			dims[axis] /= 2
			return []graph.Shape{in[0].With(dims...), in[0].With(dims...)}, nil
		}})
	// tGrow multiplies the first extent by n: beyond all bounds, if asked to.
	tGrow = graph.Register(&graph.Op{Name: "t_grow", Arity: 1, Attrs: axisAttrs{},
		Infer: func(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
			return []graph.Shape{in[0].With(append(in[0].Dims(), graph.AttrsOf[axisAttrs](a).Axis)...)}, nil
		}})
	tBad  = &graph.Op{Name: "t_bad", Arity: 1, Infer: func([]graph.Shape, graph.Attrs) ([]graph.Shape, error) { return nil, errors.New("never") }}
	tNone = &graph.Op{Name: "t_none", Arity: 1, Infer: func([]graph.Shape, graph.Attrs) ([]graph.Shape, error) { return nil, nil }}
)

func f32(dims ...int) graph.Shape { return graph.ShapeOf(graph.F32, dims...) }

func apply(op *graph.Op, a graph.Attrs, in ...graph.Value) graph.Value {
	return graph.Apply(op, a, in...).Out(0)
}

func add(a, b graph.Value) graph.Value { return apply(tAdd, nil, a, b) }
func sub(a, b graph.Value) graph.Value { return apply(tSub, nil, a, b) }
func neg(a graph.Value) graph.Value    { return apply(tNeg, nil, a) }

// build makes the graph whose outputs the function returns, named y0, y1, …
func build(t *testing.T, f func(b *graph.Builder) []graph.Value) *graph.Graph {
	t.Helper()
	b := graph.NewBuilder()
	for i, v := range f(b) {
		b.Output(fmt.Sprintf("y%d", i), v)
	}
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Verify(); err != nil {
		t.Fatal(err)
	}
	return g
}

func parse(t *testing.T, text string) *graph.Graph {
	t.Helper()
	g, err := graph.Parse(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return g
}
