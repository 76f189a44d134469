package graph_test

import (
	"math"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

// roundTrip checks that the text of g reads back as the same text.
func roundTrip(t *testing.T, g *graph.Graph) {
	t.Helper()
	text := g.String()
	again, err := graph.Parse(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if err := again.Verify(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if again.String() != text {
		t.Fatalf("have\n%swant\n%s", again, text)
	}
	if again.Fingerprint() != g.Fingerprint() {
		t.Fatalf("equal texts, other fingerprints\n%s", text)
	}
}

var oddNames = []string{
	"plain", "blk.0.attn_q.weight", "with space", " edges ", "a = b", `quote " inside`, `back\slash`, "comma, brace } paren )",
	"at @scope", ` : f32[2]`, "tab\tnew\nline\r", "\x00", "\xff\xfe broken", "ünïcödé 層", "\u2028\u00a0", "%7", "#", "output", "'", "`",
}

func TestRoundTrip(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(b *graph.Builder) []graph.Value
	}{
		{"names of leaves", func(b *graph.Builder) (all []graph.Value) {
			for i, name := range oddNames {
				leaf := []func(string, graph.Shape) graph.Value{b.Input, b.Weight, b.State}[i%3]
				all = append(all, neg(leaf(name, f32(2))))
			}
			return all
		}},
		{"scopes", func(b *graph.Builder) (all []graph.Value) {
			x := b.Input("x", f32(2))
			for _, name := range append(oddNames, `"`, "@", "a @b", `"quoted"`, ".", "x.") {
				func() {
					defer b.Within(name)()
					x = neg(x)
					all = append(all, x, b.Input("in "+name, f32(1)), b.Const(float32(len(name))))
				}()
			}
			return all
		}},
		{"constants", func(b *graph.Builder) (all []graph.Value) {
			inf := float32(math.Inf(1))
			for _, x := range []float32{0, 1, -1, 0.1, -2.5e-7, 1e10, 16777216, inf, -inf, math.MaxFloat32, -math.MaxFloat32,
				math.SmallestNonzeroFloat32, 1.1754942e-38, 1.0 / 3} {
				all = append(all, b.Const(x))
			}
			return all
		}},
		{"negative zero", func(b *graph.Builder) []graph.Value { return []graph.Value{b.Const(float32(math.Copysign(0, -1)))} }},
		{"not a number", func(b *graph.Builder) []graph.Value {
			nan := float32(math.NaN())
			return []graph.Value{b.Const(nan), b.Const(nan)}
		}},
		{"attributes", func(b *graph.Builder) (all []graph.Value) {
			x := b.Input("x", f32(2))
			for _, a := range []everyKind{
				{},
				{Flag: true},
				{Count: -12345678901},
				{Tiny: -128},
				{Size: math.MaxUint32},
				{Eps: 1e-6},
				{Eps: float32(math.Inf(-1)), Wide: math.Pi},
				{Wide: -5e-324},
				{Eps: float32(math.Copysign(0, -1))},
				{Perm: graph.IntsOf(0)},
				{Perm: graph.IntsOf(5, -1, 1<<40, 0, 0, 0)},
				{Mode: 1},
				{Type: graph.IQ4_XS, Of: graph.ShapeOf(graph.Q8_0, 3, 64)},
				{Of: f32()},
				{Flag: true, Count: 1, Tiny: 2, Size: 3, Eps: 4, Wide: 5, Label: "six", Perm: graph.IntsOf(7, 8), Mode: 1, Type: graph.F32, Of: f32(9)},
			} {
				all = append(all, apply(tAny, a, x))
			}
			for _, name := range oddNames {
				defer b.Within(name)()
				all = append(all, apply(tAny, everyKind{Label: name, Count: 1}, x))
			}
			return all
		}},
		{"many operands and results", func(b *graph.Builder) []graph.Value {
			x := b.Input("x", f32(4, 6))
			h := graph.Apply(tHalve, axisAttrs{1}, x)
			k := graph.Apply(tHalve, axisAttrs{0}, h.Out(1))
			s := apply(tSum, nil, k.Out(1), k.Out(0), k.Out(1), k.Out(0), k.Out(0))
			return []graph.Value{h.Out(0), h.Out(1), s, apply(tNow, nil), b.Apply(tNow, nil).Out(0)}[:3]
		}},
		{"no operands", func(b *graph.Builder) []graph.Value { return []graph.Value{neg(b.Apply(tNow, nil).Out(0))} }},
		{"dead nodes leave gaps", func(b *graph.Builder) []graph.Value {
			x := b.Input("x", f32(2))
			for range 5 {
				neg(neg(x))
			}
			graph.Apply(tHalve, nil, x)
			return []graph.Value{x, x, add(neg(x), x)}
		}},
		{"order of a commutative op after dead nodes", func(b *graph.Builder) []graph.Value {
			x, y := b.Input("x", f32(2)), b.Input("y", f32(2))
			return []graph.Value{add(y, x), add(neg(y), x), add(x, neg(neg(y)))}
		}},
	} {
		t.Run(c.name, func(t *testing.T) { roundTrip(t, build(t, c.make)) })
	}
	t.Run("output names and states", func(t *testing.T) {
		b := graph.NewBuilder()
		for _, name := range append(oddNames, "") {
			s := b.State("s"+name, f32(2))
			b.Output(name, s)
			b.SetState(s, neg(s))
		}
		g, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		roundTrip(t, g)
	})
}

// The text form is part of bug reports and golden files: it does not drift.
func TestText(t *testing.T) {
	g := parse(t, `# spellings that the printer does not use
  %x =  input "x" : f32[4 2]
%k = const 25e-2

%1, %0 = t_halve( %x ){ axis=0 } @ blk.0
 %sum = t_sum(%0,%1 , %0) @blk.0
%sum2 = t_sum(%0, %1, %0) @elsewhere
%a = t_any(%sum) {label="a, b", eps=0.000001, flag=true}:f32[2 2] @"odd scope"
output "y = z" = %a
output "k" = %k
output "again" = %sum2
`)
	want := `%0 = input "x" : f32[4 2]
%1 = const 0.25 : f32[]
%2, %3 = t_halve(%0) : f32[2 2], f32[2 2] @blk.0
%4 = t_sum(%3, %2, %3) : f32[2 2] @blk.0
%5 = t_any(%4) {flag=true, eps=1e-06, label="a, b"} : f32[2 2] @"odd scope"
output "y = z" = %5
output "k" = %1
output "again" = %4
`
	if g.String() != want {
		t.Errorf("have\n%swant\n%s", g, want)
	}
	roundTrip(t, g)
}

func TestParseErrors(t *testing.T) {
	const head = "%0 = input \"x\" : f32[4 2]\n%1 = state \"s\" : f32[2 2]\n"
	const tail = "\noutput \"y\" = %0"
	for _, c := range []struct{ line, want string }{
		{"nonsense", `line 3: "nonsense" is not of the form results = op(operands)`},
		{"%2 = ", `line 3: "%2 =" is not of the form results = op(operands)`},
		{"%2 = t_neg", `line 3: "t_neg" is not an op with operands`},
		{"%2 = t_nog(%0)", `line 3: unknown op "t_nog"`},
		{"%2 = (%0)", `line 3: unknown op ""`},
		{"%2 = t_neg(%0, %0)", "line 3: t_neg: 2 operands, want 1"},
		{"%2 = t_neg()", "line 3: t_neg: 0 operands, want 1"},
		{"%2 = t_sum()", "line 3: t_sum: 0 operands, want at least 1"},
		{"%2 = t_neg(%2)", "line 3: t_neg: %2 is not defined before its use (a cycle, or a line missing)"},
		{"%2 = t_neg(%3)\n%3 = t_neg(%2)", "line 3: t_neg: %3 is not defined before its use (a cycle, or a line missing)"},
		{"%2 = t_add(%0,)", "line 3: t_add:  is not defined before its use (a cycle, or a line missing)"},
		{"%2 = t_add(%0, %1)", "line 3: t_add: operands f32[4 2] and f32[2 2] differ"},
		{"%2 = t_neg(%0) : f32[4]", "line 3: t_neg: the text says f32[4], the operands give f32[4 2]"},
		{"%2 = t_neg(%0) : i32[4 2]", "line 3: t_neg: the text says i32[4 2], the operands give f32[4 2]"},
		{"%2, %3 = t_halve(%0) : f32[2 2]", "line 3: t_halve: the text says f32[2 2], the operands give f32[2 2], f32[2 2]"},
		{"%2 = const 1 : f32[1]", "line 3: const: the text says f32[1], the operands give f32[]"},
		{"%2 = t_halve(%0)", "line 3: t_halve gives 2 results, 1 are named"},
		{"%2, %3 = t_neg(%0)", "line 3: t_neg gives 1 results, 2 are named"},
		{" = t_neg(%0)", `line 3: "= t_neg(%0)" is not of the form results = op(operands)`},
		{"%0 = t_neg(%0)", "line 3: %0 is defined twice"},
		{"%2, %2 = t_halve(%0)", "line 3: %2 is defined twice"},
		{"x = t_neg(%0)", `line 3: "x" is not a value name such as %7`},
		{"% = t_neg(%0)", `line 3: "%" is not a value name such as %7`},
		{"%2 = t_neg(%0", "line 3: t_neg: no closing parenthesis"},
		{"%2 = t_neg %0)", "line 3: t_neg: no opening parenthesis"},
		{"%2 = t_neg(%0) {", "line 3: t_neg: no closing brace"},
		{`%2 = t_any(%0) {label="}`, "line 3: t_any: no closing brace"},
		{"%2 = t_neg(%0) {axis=1}", "line 3: t_neg: takes no attributes, has {axis=1}"},
		{"%2 = t_any(%0) {axis=1}", `line 3: t_any: no attribute "axis"`},
		{"%2 = t_any(%0) {flag}", `line 3: t_any: attribute "flag" is not name=value`},
		{"%2 = t_any(%0) {flag=maybe}", `line 3: t_any: attribute flag=maybe: strconv.ParseBool: parsing "maybe": invalid syntax`},
		{"%2 = t_any(%0) {count=1.5}", `line 3: t_any: attribute count=1.5: strconv.ParseInt: parsing "1.5": invalid syntax`},
		{"%2 = t_any(%0) {tiny=200}", `line 3: t_any: attribute tiny=200: strconv.ParseInt: parsing "200": value out of range`},
		{"%2 = t_any(%0) {size=-1}", `line 3: t_any: attribute size=-1: strconv.ParseUint: parsing "-1": invalid syntax`},
		{"%2 = t_any(%0) {eps=1e99}", `line 3: t_any: attribute eps=1e99: strconv.ParseFloat: parsing "1e99": value out of range`},
		{"%2 = t_any(%0) {label=bare}", `line 3: t_any: attribute label=bare: invalid syntax`},
		{"%2 = t_any(%0) {perm=3}", `line 3: t_any: attribute perm=3: want a list of at most 6 integers such as [1 2], have "3"`},
		{"%2 = t_any(%0) {perm=[1 2 3 4 5 6 7]}", `line 3: t_any: attribute perm=[1 2 3 4 5 6 7]: want a list of at most 6 integers such as [1 2], have "[1 2 3 4 5 6 7]"`},
		{"%2 = t_any(%0) {mode=odd}", `line 3: t_any: attribute mode=odd: no mode "odd"`},
		{"%2 = t_any(%0) {type=f64}", `line 3: t_any: attribute type=f64: unknown dtype "f64"`},
		{"%2 = t_neg(%0) f32[4 2]", `line 3: t_neg: unexpected "f32[4 2]"`},
		{"%2 = t_view(%0) {dims=[0]}", "line 3: t_view: invalid[] is not f32[4 2]"},
		{"%2 = t_grow(%0) {axis=9223372036854775807}", "line 3: t_grow: result 0 of operands [f32[4 2]] has no valid shape"},
		{"%2 = t_neg(%0) @blk.3\n%3 = t_add(%2, %1) @blk.3", "line 4: blk.3: t_add: operands f32[4 2] and f32[2 2] differ"},
		{`%2 = t_neg(%0) @"open`, `line 3: scope "open: invalid syntax`},
		{"%2 = const x", `line 3: const: strconv.ParseFloat: parsing "x": invalid syntax`},
		{"%2 = const 1e99", `line 3: const: strconv.ParseFloat: parsing "1e99": value out of range`},
		{"%2 = const(1)", `line 3: const: strconv.ParseFloat: parsing "(1)": invalid syntax`},
		{`%2 = input "z"`, `line 3: input: want "name" : type`},
		{`%2 = input z : f32[2]`, "line 3: input name: invalid syntax"},
		{`%2 = input "z : f32[2]`, "line 3: input name: invalid syntax"},
		{`%2 = input "" : f32[2]`, "line 3: input: a leaf needs a name"},
		{`%2 = weight "z" : f99[2]`, `line 3: weight "z": unknown dtype "f99"`},
		{`%2 = weight "z" : f32[0]`, `line 3: weight "z": extents [0] are out of range`},
		{`%2 = weight "z" : f32[-3]`, `line 3: weight "z": extents [-3] are out of range`},
		{`%2 = weight "z" : f32[9223372036854775807 9223372036854775807]`, `line 3: weight "z": extents [9223372036854775807 9223372036854775807] are out of range`},
		{`%2 = weight "z" : f32[99999999999999999999]`, `line 3: weight "z": "f32[99999999999999999999]": strconv.Atoi: parsing "99999999999999999999": value out of range`},
		{`%2 = weight "z" : f32[1 1 1 1 1 1 1]`, `line 3: weight "z": "f32[1 1 1 1 1 1 1]": want a list of at most 6 integers such as [1 2], have "[1 1 1 1 1 1 1]"`},
		{`%2 = weight "z" : q8_0[33]`, `line 3: weight: "z": rows of q8_0[33] are not whole blocks of 32`},
		{`%2 = input "x" : f32[2]`, `line 3: input: "x" is declared twice: input f32[4 2] and input f32[2]`},
		{`%2 = input "s" : f32[2 2]`, `line 3: input: "s" is declared twice: state f32[2 2] and input f32[2 2]`},
		{`output y = %0`, "line 3: output name: invalid syntax"},
		{`output "y" = %9`, "line 3: %9 is not defined before its use (a cycle, or a line missing)"},
		{`output "y" = %0`, `line 4: output "y" is declared twice`},
		{"next %9 = %0", "line 3: %9 is not defined before its use (a cycle, or a line missing)"},
		{"next %1 = %9", "line 3: %9 is not defined before its use (a cycle, or a line missing)"},
		{"next %0 = %0", "line 3: SetState wants a state of this builder"},
		{"next %1 = %0", `line 3: state "s" is f32[2 2], its next value f32[4 2]`},
		{"next %1 = %1\nnext %1 = %1", `line 4: state "s" has two writers`},
	} {
		g, err := graph.Parse(head + c.line + tail)
		switch {
		case err == nil:
			t.Errorf("%s\ngives no error but\n%s", c.line, g)
		case err.Error() != c.want:
			t.Errorf("%s\nhave %v\nwant %s", c.line, err, c.want)
		}
	}
	for _, text := range []string{"", "\n\n", "# nothing", head} {
		if _, err := graph.Parse(text); err == nil || !strings.Contains(err.Error(), "no output and no state") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
