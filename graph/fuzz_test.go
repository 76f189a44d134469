package graph_test

import (
	"math"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		recurrent,
		"%0 = input \"a = b @c\" : q8_0[2 64] @\"a b\"\noutput \"\" = %0",
		"%0 = const -inf\n%1 = const nan\n%2 = t_add(%0, %1)\noutput \"y\" = %2",
		"%0 = input \"x\" : f32[1 1 1 1 1 1]\n%1 = t_any(%0) {flag=true, label=\"}, @\\\"\", perm=[1 -2], type=q4_k, of=i32[3]} @s\noutput \"y\" = %1",
		"%0 = input \"x\" : f32[281474976710656]\n%1 = t_grow(%0) {axis=2}\noutput \"y\" = %1",
	} {
		f.Add(text)
	}
	seen := map[string]bool{} // one text for each of the module's ops
	cases(f, func(name string, g *graph.Graph) {
		if op, _, _ := strings.Cut(name, "/"); !seen[op] {
			seen[op] = true
			f.Add(g.String())
		}
	})
	f.Fuzz(func(t *testing.T, text string) {
		g, err := graph.Parse(text)
		if err != nil {
			return
		}
		if err := g.Verify(); err != nil {
			t.Fatal(err)
		}
		roundTrip(t, g)
	})
}

// tape hands out the bytes of a fuzz input; past its end everything is zero.
type tape struct{ data []byte }

func (p *tape) next() byte {
	if len(p.data) == 0 {
		return 0
	}
	b := p.data[0]
	p.data = p.data[1:]
	return b
}

func (p *tape) below(n int) int { return int(p.next()) % n }

// dims are small as a rule; with wild set they may be anything.
func (p *tape) dims(wild bool) []int {
	d := make([]int, p.below(4))
	for i := range d {
		d[i] = 1 + p.below(4)
		if wild {
			d[i] = int(int8(p.next())) << p.below(64)
		}
	}
	if wild && p.below(8) == 0 {
		d = append(d, 1, 1, 1, 1, 1)
	}
	return d
}

func (p *tape) attrs(op *graph.Op, wild bool) graph.Attrs {
	if wild && p.below(16) == 0 {
		return []graph.Attrs{nil, 3, "x", []int{1}, &axisAttrs{}, dimsAttrs{}, axisAttrs{1}, everyKind{}}[p.below(8)]
	}
	switch op {
	case tView:
		return dimsAttrs{graph.IntsOf(p.dims(wild)...)}
	case tHalve, tGrow:
		return axisAttrs{int(int8(p.next()))}
	case tAny:
		return everyKind{Flag: p.below(2) == 1, Count: p.below(256), Eps: math.Float32frombits(uint32(p.next()) << 24),
			Label: string([]byte{p.next(), p.next()}), Perm: graph.IntsOf(p.dims(true)...), Type: graph.DType(p.below(18))}
	}
	return nil
}

func FuzzBuilder(f *testing.F) {
	f.Add([]byte("a graph of a few nodes"))
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a"))
	ops := []*graph.Op{tNeg, tAdd, tSub, tSum, tAny, tNow, tView, tHalve, tGrow, tBad, tNone, nil,
		graph.InputOp, graph.ConstOp, {Name: "t_map", Attrs: map[int]int{}, Infer: sameShape}}
	const tame = 8 // the ops that a program without mistakes uses
	f.Fuzz(func(t *testing.T, data []byte) {
		p := &tape{data}
		b, other := graph.NewBuilder(), graph.NewBuilder()
		wild := p.below(2) == 1
		vals := []graph.Value{b.Input("x", f32(2, 2)), b.State("s", f32(2, 2))}
		if wild {
			vals = append(vals, graph.Value{}, other.Input("x", f32(2, 2)), vals[0].Node().Out(3), vals[0].Node().Out(-1))
		}
		value := func() graph.Value { return vals[p.below(len(vals))] }
		// like gives an operand that fits the first, where there is one.
		like := func(first graph.Value) graph.Value {
			v := value()
			if !wild && v.Shape() != first.Shape() {
				return first
			}
			return v
		}
		ends := []func(){func() {}}
		text, written := "", map[graph.Value]bool{}
		for len(p.data) > 0 {
			switch p.below(12) {
			case 0:
				kind, name := p.below(3), string([]byte{p.next(), p.next()})
				s := graph.ShapeOf(graph.DType(p.below(20)), p.dims(wild)...)
				if !wild {
					s = s.With(append(s.Dims(), 256)...)
					name = s.String() + string('a'+rune(kind))
					if !s.Valid() {
						continue
					}
				}
				vals = append(vals, []func(string, graph.Shape) graph.Value{b.Input, b.Weight, b.State}[kind](name, s))
			case 1:
				vals = append(vals, b.Const(math.Float32frombits(uint32(p.next())<<24|uint32(p.next())<<16)))
			case 2:
				ends = append(ends, b.Scope(string([]byte{p.next(), p.next()})))
			case 3:
				ends = append(ends, b.Within(string([]byte{p.next()})))
			case 4:
				ends[p.below(len(ends))]()
			case 5:
				text += "y"
				b.Output(text, value())
			case 6:
				s, next := value(), value()
				if wild || s.Node().Op() == graph.StateOp && s.Shape() == next.Shape() && !written[s] {
					written[s] = true
					b.SetState(s, next)
				}
			case 7:
				n := value().Node()
				if n != nil {
					in := make([]graph.Value, n.NumIn())
					for i := range in {
						in[i] = like(n.In(i))
					}
					if wild && p.below(2) == 0 {
						in = append(in, value())
					}
					vals = append(vals, b.Clone(n, in...).Out(0))
				}
			default:
				op := ops[p.below(len(ops))]
				if !wild {
					op = ops[p.below(tame)]
				}
				var in []graph.Value
				n := 1
				switch {
				case op != nil && op.Arity >= 0:
					n = op.Arity
				case op != nil:
					n = -op.Arity + p.below(6)
				}
				if wild && p.below(8) == 0 {
					n = p.below(5)
				}
				for i := range n {
					in = append(in, value())
					in[i] = like(in[0])
				}
				a := graph.Attrs(nil)
				if op != nil {
					a = p.attrs(op, wild)
				}
				if !wild && op.Infer != nil { // leave out what would be refused
					shapes := []graph.Shape{}
					for _, v := range in {
						shapes = append(shapes, v.Shape())
					}
					out, err := op.Infer(shapes, a)
					if err != nil || !out[0].Valid() {
						continue
					}
				}
				node := b.Apply(op, a, in...)
				if again := b.Apply(op, a, in...); b.Err() == nil && again != node {
					t.Fatalf("%s is not interned", graph.Label(node))
				}
				for i := range min(node.NumOut(), 2) {
					vals = append(vals, node.Out(i))
				}
			}
		}
		err := b.Err()
		g, built := b.Build()
		switch {
		case err != nil && built != err:
			t.Fatalf("Build returns %v, not the first error %v", built, err)
		case err != nil && !wild:
			t.Fatalf("a program without mistakes fails: %v", err)
		case built != nil:
			return
		}
		if err := g.Verify(); err != nil {
			t.Fatal(err)
		}
		if s := g.Stats(); s.Nodes != len(g.Nodes()) || s.Compute > s.Nodes || s.Bytes < 0 {
			t.Fatalf("%+v", s)
		}
		total := 0
		uses := g.Uses()
		for _, n := range g.Nodes() {
			total += len(uses.Of(n)) - n.NumIn()
		}
		if total != 0 {
			t.Fatalf("%d uses too many", total)
		}
		roundTrip(t, g)
	})
}
