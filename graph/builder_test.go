package graph_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

func TestInterning(t *testing.T) {
	b := graph.NewBuilder()
	s := f32(2, 3)
	x, y, z := b.Input("x", s), b.Input("y", s), b.Weight("z", s)
	halves := graph.Apply(tHalve, axisAttrs{0}, x)
	sum := func(in ...graph.Value) graph.Value { return apply(tSum, nil, in...) }
	for _, c := range []struct {
		name string
		a, b graph.Value
		same bool
	}{
		{"a leaf", x, b.Input("x", s), true},
		{"a constant", b.Const(0.5), b.Const(0.5), true},
		{"other constants", b.Const(0.5), b.Const(-0.5), false},
		{"an expression", neg(sub(x, y)), neg(sub(x, y)), true},
		{"an expression in another scope", func() graph.Value { defer b.Scope("blk.1")(); return neg(sub(y, x)) }(), neg(sub(y, x)), true},
		{"order of a commutative op", add(x, y), add(y, x), true},
		{"order of any other op", sub(x, y), sub(y, x), false},
		{"order below", neg(add(x, y)), neg(add(y, x)), true},
		{"result order of a commutative op", add(halves.Out(0), halves.Out(1)), add(halves.Out(1), halves.Out(0)), true},
		{"results of one node", halves.Out(0), halves.Out(1), false},
		{"attributes", apply(tHalve, axisAttrs{0}, x), halves.Out(0), true},
		{"default attributes", apply(tHalve, nil, x), halves.Out(0), true},
		{"other attributes", apply(tAny, everyKind{Eps: 1}, x), apply(tAny, everyKind{Eps: 2}, x), false},
		{"three operands", sum(x, y, z), sum(x, y, z), true},
		{"order of three operands", sum(x, y, z), sum(x, z, y), false},
		{"four operands", sum(x, y, z, x), sum(x, y, z, x), true},
		{"the fourth operand", sum(x, y, z, x), sum(x, y, z, y), false},
		{"three and four operands", sum(x, y, z), sum(x, y, z, z), false},
		{"seven operands", sum(x, y, z, x, y, z, x), sum(x, y, z, x, y, z, x), true},
		{"the last of seven", sum(x, y, z, x, y, z, x), sum(x, y, z, x, y, z, z), false},
		{"the order of the rest", sum(x, y, z, x, y, z, x), sum(x, y, z, y, x, z, x), false},
		{"a longer rest", sum(x, y, z, x, y), sum(x, y, z, x, y, y), false},
	} {
		if (c.a == c.b) != c.same {
			t.Errorf("%s: same value = %v, want %v", c.name, c.a == c.b, c.same)
		}
	}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestInterningCounts(t *testing.T) {
	b := graph.NewBuilder()
	x := b.Input("x", f32(4))
	before := b.Len()
	for range 10 {
		y := add(neg(x), b.Const(1))
		_ = y
	}
	if b.Err() == nil {
		t.Fatal("a scalar added to f32[4] must be refused by t_add")
	}
	if b.Len() != before+2 { // neg and the constant
		t.Errorf("%d nodes more, want 2", b.Len()-before)
	}
}

// here returns file:line of its caller.
func here(offset int) string {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("%s:%d: ", file, line+offset)
}

func TestErrorsCarryTheCallersPlace(t *testing.T) {
	b := graph.NewBuilder()
	x := b.Input("x", f32(2))
	end := b.Scope("blk.0")
	endInner := b.Scope("gdn")
	want := here(1) + "blk.0.gdn: t_add: operands f32[2] and f32[3] differ"
	bad := graph.Apply(tAdd, nil, x, b.Input("y", f32(3)))
	endInner()
	end()
	b.Output("y", neg(bad.Out(0))) // harmless, and no other error in its place
	b.SetState(x, x)
	b.Fail(fmt.Errorf("a later one"))
	_, err := b.Build()
	if err == nil || err.Error() != want || b.Err().Error() != want {
		t.Errorf("have %v\nwant %s", err, want)
	}
	if bad.Out(0).Shape().Valid() {
		t.Error("the failed node's result has a shape")
	}
}

func TestErrors(t *testing.T) {
	other := graph.NewBuilder()
	foreign := other.Input("x", f32(2))
	for _, c := range []struct {
		name, want string
		make       func(b *graph.Builder, x graph.Value)
	}{
		{"first operand zero", "t_add: operand 0 is the zero Value", func(b *graph.Builder, x graph.Value) { add(graph.Value{}, x) }},
		{"second operand zero", "t_add: operand 1 is the zero Value", func(b *graph.Builder, x graph.Value) { add(x, graph.Value{}) }},
		{"mixed builders", "t_add: operand 1 belongs to another builder", func(b *graph.Builder, x graph.Value) { add(x, foreign) }},
		{"no such result", "t_neg: operand 0: input has no result 7", func(b *graph.Builder, x graph.Value) { neg(x.Node().Out(7)) }},
		{"negative result", "t_neg: operand 0: input has no result -1", func(b *graph.Builder, x graph.Value) { neg(x.Node().Out(-1)) }},
		{"wrong attributes", "t_halve: attributes are a graph_test.dimsAttrs, want a graph_test.axisAttrs",
			func(b *graph.Builder, x graph.Value) { graph.Apply(tHalve, dimsAttrs{}, x) }},
		{"pointer to attributes", "t_halve: attributes are a *graph_test.axisAttrs, want a graph_test.axisAttrs",
			func(b *graph.Builder, x graph.Value) { graph.Apply(tHalve, &axisAttrs{}, x) }},
		{"attributes too many", "t_neg: attributes are a graph_test.axisAttrs, want a <nil>",
			func(b *graph.Builder, x graph.Value) { graph.Apply(tNeg, axisAttrs{}, x) }},
		{"attributes without ==", "t_map: attributes of type map[string]int cannot be compared", func(b *graph.Builder, x graph.Value) {
			b.Apply(&graph.Op{Name: "t_map", Attrs: map[string]int{}, Infer: sameShape}, map[string]int{})
		}},
		{"too few operands", "t_add: 1 operands, want 2", func(b *graph.Builder, x graph.Value) { graph.Apply(tAdd, nil, x) }},
		{"too many operands", "t_neg: 3 operands, want 1", func(b *graph.Builder, x graph.Value) { graph.Apply(tNeg, nil, x, x, x) }},
		{"none of at least one", "t_sum: 0 operands, want at least 1", func(b *graph.Builder, x graph.Value) { b.Apply(tSum, nil) }},
		{"operands of a leaf", "input: 1 operands, want 0", func(b *graph.Builder, x graph.Value) {
			graph.Apply(graph.InputOp, graph.LeafAttrs{Name: "z", Shape: f32(2)}, x)
		}},
		{"Infer refuses", "t_bad: never", func(b *graph.Builder, x graph.Value) { graph.Apply(tBad, nil, x) }},
		{"Infer gives nothing", "t_none: gives no result", func(b *graph.Builder, x graph.Value) { graph.Apply(tNone, nil, x) }},
		{"result out of range", "t_grow: result 0 of operands [f32[2]] has no valid shape",
			func(b *graph.Builder, x graph.Value) { graph.Apply(tGrow, axisAttrs{1 << 48}, x) }},
		{"no op", "not an op that can be applied", func(b *graph.Builder, x graph.Value) { graph.Apply(nil, nil, x) }},
		{"op without Infer", "t_empty: not an op that can be applied",
			func(b *graph.Builder, x graph.Value) { graph.Apply(&graph.Op{Name: "t_empty", Arity: 1}, nil, x) }},
		{"rank 7", `input: "z" has no valid shape`, func(b *graph.Builder, x graph.Value) { b.Input("z", f32(1, 1, 1, 1, 1, 1, 1)) }},
		{"extent 0", `weight: "z" has no valid shape`, func(b *graph.Builder, x graph.Value) { b.Weight("z", f32(2, 0)) }},
		{"negative extent", `state: "z" has no valid shape`, func(b *graph.Builder, x graph.Value) { b.State("z", f32(-1)) }},
		{"overflow", `input: "z" has no valid shape`, func(b *graph.Builder, x graph.Value) { b.Input("z", f32(1<<31, 1<<31, 1<<31)) }},
		{"no type", `input: "z" has no valid shape`, func(b *graph.Builder, x graph.Value) { b.Input("z", graph.ShapeOf(graph.Invalid, 2)) }},
		{"no such type", `input: "z" has no valid shape`, func(b *graph.Builder, x graph.Value) { b.Input("z", graph.ShapeOf(99, 2)) }},
		{"part of a block", `weight: "z": rows of q8_0[2 33] are not whole blocks of 32`,
			func(b *graph.Builder, x graph.Value) { b.Weight("z", graph.ShapeOf(graph.Q8_0, 2, 33)) }},
		{"leaf without a name", "input: a leaf needs a name", func(b *graph.Builder, x graph.Value) { b.Input("", f32(2)) }},
		{"leaf of another shape", `input: "x" is declared twice: input f32[2] and input f32[3]`,
			func(b *graph.Builder, x graph.Value) { b.Input("x", f32(3)) }},
		{"leaf of another kind", `weight: "x" is declared twice: input f32[2] and weight f32[2]`,
			func(b *graph.Builder, x graph.Value) { b.Weight("x", f32(2)) }},
		{"leaf past the constructor", `input: "x" is declared twice: input f32[2] and input f32[3]`, func(b *graph.Builder, x graph.Value) {
			b.Apply(graph.InputOp, graph.LeafAttrs{Name: "x", Shape: f32(3)})
		}},
		{"output twice", `output "y" is declared twice`, func(b *graph.Builder, x graph.Value) { b.Output("y", x); b.Output("y", neg(x)) }},
		{"output of nothing", `output "y" is not a value of this builder`, func(b *graph.Builder, x graph.Value) { b.Output("y", graph.Value{}) }},
		{"output of another builder", `output "y" is not a value of this builder`, func(b *graph.Builder, x graph.Value) { b.Output("y", foreign) }},
		{"output of no result", `output "y" is not a value of this builder`, func(b *graph.Builder, x graph.Value) { b.Output("y", x.Node().Out(1)) }},
		{"next of an input", "SetState wants a state of this builder", func(b *graph.Builder, x graph.Value) { b.SetState(x, x) }},
		{"next of nothing", "SetState wants a state of this builder", func(b *graph.Builder, x graph.Value) { b.SetState(graph.Value{}, x) }},
		{"nothing as next", `next value of state "s" is not a value of this builder`,
			func(b *graph.Builder, x graph.Value) { b.SetState(b.State("s", f32(2)), graph.Value{}) }},
		{"next of another builder", `next value of state "s" is not a value of this builder`,
			func(b *graph.Builder, x graph.Value) { b.SetState(b.State("s", f32(2)), foreign) }},
		{"next of another shape", `state "s" is f32[3], its next value f32[2]`,
			func(b *graph.Builder, x graph.Value) { b.SetState(b.State("s", f32(3)), x) }},
		{"two writers", `state "s" has two writers`, func(b *graph.Builder, x graph.Value) {
			s := b.State("s", f32(2))
			b.SetState(s, x)
			b.SetState(s, neg(x))
		}},
		{"clone of nothing", "no node to clone", func(b *graph.Builder, x graph.Value) { b.Clone(nil, x) }},
		{"clone of a failed node", "not an op that can be applied", func(b *graph.Builder, x graph.Value) {
			failed := graph.NewBuilder().Apply(nil, nil)
			b.Clone(failed)
		}},
		{"clone with operands missing", "t_add: 1 operands, want 2", func(b *graph.Builder, x graph.Value) { b.Clone(add(x, x).Node(), x) }},
		{"clone with operands too many", "t_add: 3 operands, want 2", func(b *graph.Builder, x graph.Value) { b.Clone(add(x, x).Node(), x, x, x) }},
		{"clone with a zero operand", "t_neg: operand 0 is the zero Value", func(b *graph.Builder, x graph.Value) { b.Clone(neg(x).Node(), graph.Value{}) }},
		{"clone of a leaf with operands", "input: 1 operands, want 0", func(b *graph.Builder, x graph.Value) { b.Clone(x.Node(), x) }},
		{"clone of a leaf of another shape", `input: "x" is declared twice: input f32[2] and input f32[9]`, func(b *graph.Builder, x graph.Value) {
			b.Clone(graph.NewBuilder().Input("x", f32(9)).Node())
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := graph.NewBuilder()
			x := b.Input("x", f32(2))
			c.make(b, x)
			b.Output("after", x)
			_, err := b.Build()
			if err == nil {
				t.Fatalf("no error, want %s", c.want)
			}
			place, text, _ := strings.Cut(err.Error(), ": ")
			if file, _, _ := strings.Cut(filepath.Base(place), ":"); !strings.HasSuffix(file, "_test.go") {
				t.Errorf("error names the place %s", place)
			}
			if text != c.want {
				t.Errorf("have %s\nwant %s", text, c.want)
			}
		})
	}
	if err := other.Err(); err != nil {
		t.Errorf("the other builder failed too: %v", err)
	}
}

func TestNothingToCompute(t *testing.T) {
	b := graph.NewBuilder()
	b.Input("x", f32(2))
	if _, err := b.Build(); err == nil || err.Error() != "graph: no output and no state to compute" {
		t.Error(err)
	}
}

// Calls that have no builder to hold an error give zero Values and no panic.
func TestWithoutBuilder(t *testing.T) {
	n := graph.Apply(tAdd, nil, graph.Value{}, graph.Value{})
	v := n.Out(1)
	if n != nil || v.Shape().Valid() || v.Builder() != nil || v.Node() != nil || graph.Label(n) != "no node" {
		t.Errorf("%v %v", n, v)
	}
	if v := apply(tNeg, nil); v != (graph.Value{}) {
		t.Error(v)
	}
}

func TestScopes(t *testing.T) {
	b := graph.NewBuilder()
	x := b.Input("x", f32(2))
	var have []string
	note := func(end func()) func() {
		x = neg(x)
		have = append(have, x.Node().Scope())
		return end
	}
	outer := note(b.Scope("blk.0"))
	inner := note(b.Scope("gdn"))
	note(b.Scope(""))()
	whole := note(b.Within("other.path"))
	note(b.Scope("deep"))()
	whole()
	inner()
	inner() // twice is harmless
	note(func() {})
	outer()
	outer()
	note(func() {})
	note(b.Scope("blk.1")) // left open
	outer()                // closes what was opened inside of it
	note(func() {})
	want := "blk.0|blk.0.gdn|blk.0.gdn|other.path|other.path.deep|blk.0||blk.1|"
	if got := strings.Join(have, "|"); got != want {
		t.Errorf("have %s\nwant %s", got, want)
	}
}

func TestClone(t *testing.T) {
	g := parse(t, `
%0 = input "x" : f32[4 2] @in
%1 = weight "w" : f32[4 2]
%2 = state "s" : f32[2 2]
%3 = const 0.25
%4, %5 = t_halve(%0) @blk.0
%6 = t_sub(%4, %2) @blk.0.gdn
%7 = t_any(%6) {eps=1e-06, mode=fancy}
%8 = t_add(%1, %0)
output "a" = %7
output "b" = %8
output "c" = %3
next %2 = %5
`)
	b := graph.NewBuilder()
	to := map[*graph.Node]*graph.Node{}
	value := func(v graph.Value) graph.Value { return to[v.Node()].Out(v.Index()) }
	for _, n := range g.Nodes() {
		var in []graph.Value
		for i := range n.NumIn() {
			in = append(in, value(n.In(i)))
		}
		to[n] = b.Clone(n, in...)
	}
	for _, o := range g.Outputs() {
		b.Output(o.Name, value(o.Value))
	}
	for _, s := range g.States() {
		b.SetState(value(s.State), value(s.Next))
	}
	c, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if c.String() != g.String() {
		t.Errorf("have\n%swant\n%s", c, g)
	}
	// Other shapes are inferred anew.
	x := b.Input("wide", f32(8, 2))
	if n := b.Clone(g.Nodes()[4], x); n.Out(0).Shape() != f32(4, 2) {
		t.Error(n.Out(0).Shape(), b.Err())
	}
}
