package graph_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

const recurrent = `
%0 = input "x" : f32[4 2]
%1 = weight "w" : f32[4 2]
%2 = state "s" : f32[2 2]
%3 = const 0.25 : f32[]
%4, %5 = t_halve(%0) : f32[2 2], f32[2 2] @blk.0
%6 = t_sub(%4, %2) : f32[2 2] @blk.0.gdn
%7 = t_view(%6) {dims=[4]} : f32[4] @blk.0.gdn
%8 = t_neg(%1) : f32[4 2] @blk.0
%9 = t_add(%0, %8) : f32[4 2]
%10 = t_neg(%3) : f32[]
output "a" = %7
output "b" = %9
output "c" = %10
next %2 = %5
`

func TestStats(t *testing.T) {
	s := parse(t, recurrent).Stats()
	// Computed at each run: halve 32+16+16 bytes, sub 3·16, add 3·32. The
	// negated weight and constant are not; the view moves nothing.
	want := graph.Stats{Nodes: 10, Compute: 3, Ops: map[string]int{"t_halve": 1, "t_sub": 1, "t_add": 1}, Bytes: 64 + 48 + 96}
	if s.Nodes != want.Nodes || s.Compute != want.Compute || s.Bytes != want.Bytes || !maps.Equal(s.Ops, want.Ops) {
		t.Errorf("have %+v\nwant %+v", s, want)
	}
}

func TestKindsOfNodes(t *testing.T) {
	var have []string
	for _, n := range parse(t, recurrent).Nodes() {
		have = append(have, fmt.Sprintf("%s fixed=%v static=%v leaf=%v compute=%v name=%q", n.Op().Name, n.Fixed(), n.Static(), n.IsLeaf(), n.IsCompute(), n.Name()))
	}
	want := []string{
		`input fixed=false static=false leaf=true compute=false name="x"`,
		`weight fixed=false static=true leaf=true compute=false name="w"`,
		`state fixed=false static=false leaf=true compute=false name="s"`,
		`const fixed=true static=true leaf=true compute=false name=""`,
		`t_halve fixed=false static=false leaf=false compute=true name=""`,
		`t_sub fixed=false static=false leaf=false compute=true name=""`,
		`t_view fixed=false static=false leaf=false compute=false name=""`,
		`t_neg fixed=false static=true leaf=false compute=false name=""`,
		`t_add fixed=false static=false leaf=false compute=true name=""`,
		`t_neg fixed=true static=true leaf=false compute=false name=""`,
	}
	if !slices.Equal(have, want) {
		t.Errorf("have\n%s\nwant\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
}

func TestUses(t *testing.T) {
	g := parse(t, `
%0 = input "x" : f32[2]
%1 = t_neg(%0)
%2 = t_sub(%1, %1)
%3 = t_sum(%0, %1, %2, %1, %0)
output "y" = %3
`)
	uses := g.Uses()
	var have []string
	for _, n := range g.Nodes() {
		for _, u := range uses.Of(n) {
			have = append(have, fmt.Sprintf("%d by %d.%d", n.ID(), u.Node.ID(), u.Operand))
		}
	}
	want := "0 by 1.0|0 by 3.0|0 by 3.4|1 by 2.0|1 by 2.1|1 by 3.1|1 by 3.3|2 by 3.2"
	if got := strings.Join(have, "|"); got != want {
		t.Errorf("have %s\nwant %s", got, want)
	}
	// A node outside of the graph does not count as a user.
	b := graph.NewBuilder()
	x := b.Input("x", f32(2))
	neg(x)
	b.Output("y", add(x, x))
	g, err := b.Build()
	if err != nil || len(g.Nodes()) != 2 || len(g.Uses().Of(x.Node())) != 2 {
		t.Errorf("%v\n%v", err, g)
	}
}

func TestFingerprint(t *testing.T) {
	base := parse(t, recurrent).Fingerprint()
	same := []string{
		strings.NewReplacer("@blk.0.gdn", "", "@blk.0", "@blk.1").Replace(recurrent),                        // scopes
		strings.NewReplacer(" : f32[2 2], f32[2 2]", "", "%1 ", "%one ", "%1)", "%one)").Replace(recurrent), // spelling
		recurrent + "# a remark\n",
	}
	for _, text := range same {
		if g := parse(t, text); g.Fingerprint() != base {
			t.Errorf("not the same:\n%s", g)
		}
	}
	other := []string{
		strings.Replace(recurrent, "const 0.25", "const 0.5", 1),
		strings.Replace(recurrent, `output "a"`, `output "A"`, 1),
		strings.Replace(recurrent, `weight "w"`, `input "w"`, 1),
		strings.Replace(recurrent, "t_sub(%4, %2)", "t_sub(%2, %4)", 1),
		strings.Replace(recurrent, "t_sub(%4, %2)", "t_sub(%5, %2)", 1),
		strings.Replace(recurrent, "next %2 = %5", "next %2 = %4", 1),
		strings.Replace(recurrent, "next %2 = %5\n", "", 1),
		strings.NewReplacer("{dims=[4]}", "{dims=[1 4]}", "f32[4]", "f32[1 4]").Replace(recurrent),
	}
	for _, text := range other {
		if g := parse(t, text); g.Fingerprint() == base {
			t.Errorf("the same:\n%s", g)
		}
	}
	if len(base) != 32 {
		t.Error(base)
	}
}

func TestLabel(t *testing.T) {
	g := parse(t, recurrent)
	var have []string
	for _, n := range g.Nodes()[:6] {
		have = append(have, graph.Label(n))
	}
	want := `input "x"|weight "w"|state "s"|const|blk.0: t_halve|blk.0.gdn: t_sub`
	if got := strings.Join(have, "|"); got != want {
		t.Errorf("have %s\nwant %s", got, want)
	}
}

// A graph keeps what it was built from while the builder goes on.
func TestGraphStays(t *testing.T) {
	b := graph.NewBuilder()
	x := b.Input("x", f32(2))
	b.Output("y", neg(x))
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	text := g.String()
	b.Output("z", neg(neg(x)))
	b.Fail(fmt.Errorf("too late"))
	if g.String() != text || g.Verify() != nil {
		t.Errorf("have\n%swant\n%s", g, text)
	}
}

func TestRegisterRefuses(t *testing.T) {
	type hidden struct{ a int }
	type pointer struct{ P *int }
	type slice struct{ S []int }
	for name, op := range map[string]*graph.Op{
		"no name":         {Infer: sameShape},
		"a name taken":    {Name: "t_add", Infer: sameShape},
		"no Infer":        {Name: "t_r1"},
		"no struct":       {Name: "t_r2", Infer: sameShape, Attrs: 3},
		"hidden field":    {Name: "t_r3", Infer: sameShape, Attrs: hidden{1}},
		"no text form":    {Name: "t_r4", Infer: sameShape, Attrs: pointer{}},
		"cannot compare":  {Name: "t_r5", Infer: sameShape, Attrs: slice{}},
		"pointer to them": {Name: "t_r6", Infer: sameShape, Attrs: &axisAttrs{}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: taken", name)
				}
			}()
			graph.Register(op)
		}()
	}
	names := []string{}
	for _, op := range graph.Ops() {
		names = append(names, op.Name)
		if graph.Lookup(op.Name) != op {
			t.Errorf("%s is not found", op.Name)
		}
	}
	if !slices.IsSorted(names) || graph.Lookup("t_r1") != nil {
		t.Error(names)
	}
}
