package graph_test

import (
	"fmt"
	"math"
	"reflect"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// cases gives a graph for each test case of the module's own ops.
func cases(t testing.TB, yield func(name string, g *graph.Graph)) {
	for _, op := range graph.Ops() {
		if op.Cases == nil {
			continue
		}
		for c := range op.Cases {
			b := graph.NewBuilder()
			in := make([]graph.Value, len(c.In))
			for i, s := range c.In {
				in[i] = b.Input(fmt.Sprint("x", i), s)
			}
			n := b.Apply(op, c.Attrs, in...)
			for i := range n.NumOut() {
				b.Output(fmt.Sprint("y", i), n.Out(i))
			}
			g, err := b.Build()
			if err != nil {
				t.Fatalf("%s, %s: %v", op.Name, c.Name, err)
			}
			yield(op.Name+"/"+c.Name, g)
		}
	}
}

// Every op of the module has attributes that survive the text form.
func TestVocabulary(t *testing.T) {
	count := 0
	cases(t, func(name string, g *graph.Graph) {
		count++
		t.Run(name, func(t *testing.T) {
			roundTrip(t, g)
			if err := g.Verify(); err != nil {
				t.Error(err)
			}
		})
	})
	if graph.Lookup(ops.GatedDeltaNetOp.Name) == nil || count < 100 {
		t.Errorf("%d cases", count)
	}
}

// FuzzInfer applies each op of the module to operands of any shape, with the
// attributes of one of its cases and numbers in them changed: an error or a
// result of a valid shape, never a panic.
func FuzzInfer(f *testing.F) {
	var all []*graph.Graph
	cases(f, func(_ string, g *graph.Graph) { all = append(all, g) })
	for i := range all {
		f.Add(uint16(i), []byte{})
		f.Add(uint16(i), []byte("\x05\x01\x02\x03\x04\x05\x06\x07\x08\x09"))
	}
	f.Fuzz(func(t *testing.T, which uint16, data []byte) {
		p := &tape{data}
		var n *graph.Node
		for _, m := range all[int(which)%len(all)].Nodes() {
			if !m.IsLeaf() {
				n = m
			}
		}
		if n == nil {
			return
		}
		b := graph.NewBuilder()
		var in []graph.Value
		for i := range n.NumIn() {
			s := n.In(i).Shape()
			if p.below(2) == 1 { // one extent, the rank, or all of it
				switch dims := s.Dims(); {
				case p.below(3) > 0 && len(dims) > 0:
					dims[p.below(len(dims))] = p.number()
					s = s.With(dims...)
				case p.below(2) == 1 && len(dims) > 0:
					s = s.With(dims[1:]...)
				default:
					s = graph.ShapeOf(graph.DType(p.below(20)), p.dims(true)...)
				}
			}
			in = append(in, b.Input(fmt.Sprint("x", i), s))
		}
		if p.below(8) == 1 && len(in) > 0 {
			in = append(in, in[0])
		}
		m := b.Apply(n.Op(), p.change(n.Attrs()), in...)
		if b.Err() != nil {
			return
		}
		for i := range m.NumOut() {
			b.Output(fmt.Sprint("y", i), m.Out(i))
		}
		g, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		roundTrip(t, g)
		// What a fused op means has its shapes.
		if d := n.Op().Decompose; d != nil && b.Len() < 20 && m.Out(0).Shape().Len() < 1<<12 {
			for i, v := range d(in, m.Attrs()) {
				if b.Err() != nil || v.Shape() != m.Out(i).Shape() {
					t.Fatalf("%s decomposes to %v, want %v: %v", graph.Label(m), v.Shape(), m.Out(i).Shape(), b.Err())
				}
			}
		}
	})
}

func (p *tape) number() int {
	return []int{0, 1, 2, 3, -1, 7, 64, 255, 1 << 16, 1 << 31, 1 << 47, math.MaxInt, math.MinInt}[p.below(13)]
}

// change puts other numbers into some fields of an attribute struct.
func (p *tape) change(a graph.Attrs) graph.Attrs {
	if a == nil {
		return nil
	}
	v := reflect.New(reflect.TypeOf(a)).Elem()
	v.Set(reflect.ValueOf(a))
	for i := range v.NumField() {
		if p.below(3) != 1 {
			continue
		}
		switch f := v.Field(i); {
		case f.CanInt():
			f.SetInt(int64(p.number()))
		case f.CanUint():
			f.SetUint(uint64(p.number()))
		case f.CanFloat():
			f.SetFloat([]float64{0, -1, 1e-6, math.Inf(1), math.NaN()}[p.below(5)])
		case f.Type() == reflect.TypeFor[graph.Ints]():
			l := f.Interface().(graph.Ints).Slice()
			for j := range l {
				if p.below(2) == 1 {
					l[j] = p.number()
				}
			}
			if p.below(4) == 1 {
				l = append(l, p.number())
			}
			f.Set(reflect.ValueOf(graph.IntsOf(l...)))
		}
	}
	return v.Interface()
}
