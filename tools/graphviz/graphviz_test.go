package graphviz_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/tools/graphviz"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// model builds these layers of a small one: each fourth one is of another kind,
// and the first of those makes a mask.
func model(t *testing.T, fused bool, layers ...int) *graph.Graph {
	t.Helper()
	b := graph.NewBuilder()
	f32 := func(dims ...int) graph.Shape { return graph.ShapeOf(graph.F32, dims...) }
	pos := b.Input("positions", graph.ShapeOf(graph.I32, 1, 1))
	end := b.Scope("embed")
	x := ops.Rows(b.Weight("embed.weight", f32(10, 4)), b.Input("tokens", graph.ShapeOf(graph.I32, 1, 1)))
	end()
	for _, l := range layers {
		end := b.Scope(fmt.Sprintf("blk.%d", l))
		w := func(name string, dims ...int) graph.Value {
			return b.Weight(fmt.Sprintf("blk.%d.%s.weight", l, name), f32(dims...))
		}
		norm := func(name string) graph.Value { return ops.Mul(ops.RMSNorm(x, 1e-6), w(name, 4)) }
		if l%4 == 3 {
			end := b.Scope("attn")
			h := norm("attn_norm")
			k := w("attn_k", 8, 4)
			score := ops.Softmax(ops.Add(ops.MatMul(h, k), ops.CausalMask(pos, 8)))
			x = ops.Add(x, ops.MatMul(score, ops.Transpose(k)))
			end()
		} else {
			end := b.Scope("gdn")
			h := norm("attn_norm")
			s := b.State(fmt.Sprintf("cache_s_l%d", l), f32(1, 2, 2, 2))
			head := func(name string) graph.Value { return ops.Reshape(ops.MatMul(h, w(name, 4, 4)), 1, 1, 2, 2) }
			per := func(name string) graph.Value { return ops.Reshape(ops.MatMul(h, w(name, 2, 4)), 1, 1, 2, 1) }
			q, k, v := head("ssm_conv1d_q"), head("ssm_k"), head("ssm_v")
			g, beta := ops.Scale(ops.Softplus(per("ssm_g")), -1), ops.Sigmoid(per("ssm_beta"))
			var o, next graph.Value
			if fused {
				o, next = ops.GatedDeltaNet(q, k, v, g, beta, s, ops.GatedDeltaNetAttrs{})
			} else {
				o, next = ops.DeltaRule(q, k, v, g, beta, s)
			}
			b.SetState(s, next)
			x = ops.Add(x, ops.MatMul(ops.Reshape(o, 1, 1, 4), w("ssm_out", 4, 4)))
			end()
		}
		func() {
			defer b.Scope("ffn")()
			x = ops.Add(x, ops.MatMul(ops.Silu(norm("ffn_norm")), w("ffn_down", 4, 4)))
		}()
		end()
	}
	defer b.Scope("head")()
	b.Output("logits", ops.MatMul(x, b.Weight("output.weight", f32(10, 4))))
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

var six = []int{0, 1, 2, 3, 4, 5}

func draw(t *testing.T, g *graph.Graph, o graphviz.Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := graphviz.Write(&b, g, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func golden(t *testing.T, name, have string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(have), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if have != string(want) {
		t.Errorf("%s differs; -update if that is meant, and look at the picture\n%s", file, have)
	}
}

func TestWrite(t *testing.T) {
	g := model(t, false, six...)
	for _, c := range []struct {
		name string
		g    *graph.Graph
		o    graphviz.Options
	}{
		{"kinds.dot", g, graphviz.Options{Title: `one of each "kind" & <more>`}},
		{"layer.dot", g, graphviz.Options{Layers: []int{5}}},
		{"all.dot", model(t, true, 2, 3), graphviz.Options{Title: "everything", All: true}},
		{"marked.dot", g, graphviz.Options{Layers: []int{3}, Highlight: func(n *graph.Node) bool { return n.Op().Name == "softmax" }}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := draw(t, c.g, c.o)
			golden(t, c.name, text)
			// The same text again, and from the graph's own text.
			again, err := graph.Parse(c.g.String())
			if err != nil {
				t.Fatal(err)
			}
			if draw(t, c.g, c.o) != text || draw(t, again, c.o) != text {
				t.Error("not the same text twice")
			}
		})
	}
}

func TestWritePair(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	if err := graphviz.WritePair(dir, model(t, false, six...), model(t, true, six...), graphviz.Options{Title: "tiny"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"before.dot", "after.dot"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, string(text))
	}
	file := filepath.Join(dir, "before.dot")
	if err := graphviz.WritePair(file, model(t, false, six...), model(t, true, six...), graphviz.Options{}); err == nil {
		t.Error("a file is taken for a folder")
	}
	if err := graphviz.WritePair(dir, model(t, false, six...), model(t, true, six...), graphviz.Options{Layers: []int{6}}); err == nil {
		t.Error("a layer that is not there is drawn")
	}
}

// wide is a graph of n nodes with one scope a name.
func wide(t *testing.T, n int, scope func(i int) string) *graph.Graph {
	t.Helper()
	b := graph.NewBuilder()
	x := b.Input("x", graph.ShapeOf(graph.F32, 2))
	for i := range n - 1 {
		func() {
			defer b.Within(scope(i))()
			x = ops.AddScalar(x, float32(i+1))
		}()
	}
	b.Output("y", x)
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestTooMany(t *testing.T) {
	for _, c := range []struct {
		name string
		g    *graph.Graph
		o    graphviz.Options
		want string // the error
	}{
		{"no scopes", wide(t, 1500, func(int) string { return "" }), graphviz.Options{}, ""},
		{"no scopes, one more", wide(t, 1501, func(int) string { return "" }), graphviz.Options{},
			"graphviz: 1501 nodes are more than the 1500 that make a picture: choose layers, or ask for all of them"},
		{"all of them", wide(t, 1501, func(int) string { return "" }), graphviz.Options{All: true}, ""},
		{"one layer too large", wide(t, 1800, func(int) string { return "blk.0.x" }), graphviz.Options{},
			"graphviz: 1799 nodes are more than the 1500 that make a picture: choose layers, or ask for all of them"},
		{"layers of one kind", wide(t, 4000, func(i int) string { return fmt.Sprintf("blk.%d", i/10) }), graphviz.Options{Layers: []int{399, 0}}, ""},
		{"no such layer", wide(t, 30, func(i int) string { return fmt.Sprintf("blk.%d", i/10*2) }), graphviz.Options{Layers: []int{1}},
			"graphviz: no layer 1: the graph has layers 0, 2, 4"},
		{"no layers", wide(t, 3, func(int) string { return "head" }), graphviz.Options{Layers: []int{1}}, "graphviz: no layer 1: the graph has none"},
	} {
		var b bytes.Buffer
		err := graphviz.Write(&b, c.g, c.o)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || err.Error() != c.want || b.Len() > 0):
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteFails(t *testing.T) {
	if err := graphviz.Write(full{}, wide(t, 3, func(int) string { return "" }), graphviz.Options{}); !errors.Is(err, errFull) {
		t.Error(err)
	}
}

// Graphviz itself reads every picture, odd names included.
func TestGraphvizReadsIt(t *testing.T) {
	tool, err := exec.LookPath("dot")
	if err != nil {
		t.Skip("SKIPPED: Graphviz's dot is not installed, so nothing has read the DOT files")
	}
	b := graph.NewBuilder()
	var sum graph.Value
	for i, name := range []string{`quote " end`, `back\slash\N\G\n`, "new\nline", "<b>&amp;</b>", "\x00\x1b", "\xff\xfe", "ünïcödé 層", "", "{|}"} {
		end := b.Within(fmt.Sprintf("%s.%d.%s", name, i, name))
		x := ops.Exp(b.Weight("w "+name, graph.ShapeOf(graph.F32, 2)))
		if i > 0 {
			x = ops.Add(x, sum)
		}
		sum = x
		b.Output(name, ops.Scale(sum, 0.5))
		end()
	}
	odd, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{
		"odd names":      draw(t, odd, graphviz.Options{Title: "<i>&\x00\xff\"\\\n</i>"}),
		"odd names, all": draw(t, odd, graphviz.Options{All: true}),
		"odd layers":     draw(t, odd, graphviz.Options{Layers: []int{0, 3, 8}}),
	}
	files, err := filepath.Glob("testdata/*.dot")
	if err != nil || len(files) != 6 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts[f] = string(text)
	}
	for name, text := range texts {
		cmd := exec.Command(tool, "-Tsvg")
		cmd.Stdin = strings.NewReader(text)
		var svg, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &svg, &errs
		if err := cmd.Run(); err != nil || errs.Len() > 0 || !strings.Contains(svg.String(), "</svg>") {
			t.Errorf("%s: %v\n%s", name, err, errs.String())
		}
	}
}
