package ggml_test

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/internal/reference"
	"github.com/deltaloom/deltaloom/interop/ggml"
	"github.com/deltaloom/deltaloom/models"
	"github.com/deltaloom/deltaloom/ops"
)

// limit is how far logits may be from those of llama.cpp on f32 weights.
const limit = 1e-11

// golden finds a file of the reference data, which is no part of this
// repository, and skips the test where it is absent.
func golden(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("DELTALOOM_GOLDEN")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "golden")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("REFERENCE DATA ABSENT: %s (set DELTALOOM_GOLDEN): %v", name, err)
	}
	return path
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(golden(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func readLogits(t testing.TB, name string) *reference.Logits {
	t.Helper()
	l, err := reference.Read(golden(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// fileWeights opens a file of the reference data.
func fileWeights(t testing.TB, name string) models.Source {
	t.Helper()
	f, err := gguf.Open(golden(t, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return models.FileWeights(f)
}

// read parses a text that must be right.
func read(t testing.TB, text string, opts ...ggml.Option) *ggml.Graph {
	t.Helper()
	g, err := ggml.Parse(strings.NewReader(text), opts...)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Graph().Verify(); err != nil {
		t.Fatal(err)
	}
	return g
}

func run(t testing.TB, g *graph.Graph, feeds map[string]graph.Tensor) *ops.Results {
	t.Helper()
	r, err := ops.Run(g, feeds)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// feedsOf is all that the graph needs for a sequence that begins.
func feedsOf(t testing.TB, g *ggml.Graph, tokens []int32, file models.Source) map[string]graph.Tensor {
	t.Helper()
	feeds, err := g.Feeds(tokens)
	if err != nil {
		t.Fatal(err)
	}
	w, err := g.Weights(file)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(feeds, w)
	return feeds
}

// logits are the only output.
func logits(t testing.TB, r *ops.Results) []float32 {
	t.Helper()
	names := slices.Collect(maps.Keys(r.Outputs))
	if len(names) != 1 {
		t.Fatalf("outputs %v, want one", names)
	}
	return r.Outputs[names[0]].F
}

// steps runs g, or a fused form of it, token by token, each from the states that
// the one before has left.
func steps(t testing.TB, run1 *graph.Graph, g *ggml.Graph, tokens []int32, file models.Source) []float32 {
	t.Helper()
	var all []float32
	feeds := feedsOf(t, g, tokens[:1], file)
	for pos := range tokens {
		in, err := g.FeedsAt(tokens[pos:pos+1], pos)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(feeds, in)
		r := run(t, run1, feeds)
		maps.Copy(feeds, r.States)
		all = append(all, logits(t, r)...)
	}
	return all
}

// both measures a graph and what fusion makes of it.
func both(t *testing.T, g *graph.Graph, deltaNets int, measure func(*graph.Graph) reference.Difference) {
	t.Helper()
	fused, report, err := fuse.Run(g, fuse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, side := range []struct {
		name string
		g    *graph.Graph
	}{{"unfused", g}, {"fused", fused}} {
		d := measure(side.g)
		t.Logf("%s: NMSE %.3g, %d compute nodes", side.name, d.NMSE, side.g.Stats().Compute)
		if !(d.NMSE <= limit) {
			t.Errorf("%s: NMSE %g, want at most %g", side.name, d.NMSE, limit)
		}
	}
	if report.DeltaNets != deltaNets {
		t.Errorf("%d delta nets, want %d", report.DeltaNets, deltaNets)
	}
}

// The graphs that llama.cpp built, against the logits that it computed.
func TestForeign(t *testing.T) {
	for _, name := range []string{"q35-decode", "q35-prefill80"} {
		t.Run(name, func(t *testing.T) {
			g := read(t, readFile(t, "foreign/"+name+".txt"))
			want := readLogits(t, "foreign/"+name+".bin")
			feeds := feedsOf(t, g, want.Tokens, fileWeights(t, "foreign/q35.gguf"))
			if out := g.Graph().Outputs(); len(out) != 1 || out[0].Name != "result_output" || g.Tokens() != len(want.Tokens) {
				t.Errorf("outputs %v of %d tokens", out, g.Tokens())
			}
			if n := len(g.Graph().States()); n != 8 {
				t.Errorf("%d states are written, want 2 a layer", n)
			}
			both(t, g.Graph(), 3, func(g *graph.Graph) reference.Difference {
				return reference.Compare(want.F, logits(t, run(t, g, feeds)))
			})
		})
	}
}

// The graph of one token, run for each token of the prompt.
func TestForeignSteps(t *testing.T) {
	g := read(t, readFile(t, "foreign/q35-decode.txt"), ggml.Continued())
	want := readLogits(t, "foreign/q35-prefill80.bin")
	file := fileWeights(t, "foreign/q35.gguf")
	both(t, g.Graph(), 3, func(run1 *graph.Graph) reference.Difference {
		return reference.Compare(want.F, steps(t, run1, g, want.Tokens, file))
	})
}

// A text that ends early is an error, or the graph of what is there: never
// more.
func TestForeignCutOff(t *testing.T) {
	text := readFile(t, "foreign/q35-prefill80.txt")
	lines := strings.SplitAfter(text, "\n")
	for n := 0; n < len(lines); n += 37 {
		if g, err := ggml.Parse(strings.NewReader(strings.Join(lines[:n], ""))); err == nil {
			if err := g.Graph().Verify(); err != nil {
				t.Fatalf("%d lines: %v", n, err)
			}
		}
	}
	if _, err := ggml.Parse(io.LimitReader(strings.NewReader(text), int64(len(text)-9))); err == nil || !strings.Contains(err.Error(), "line 607: tensor 606 \"result_output\"") {
		t.Errorf("error %v, want the last line", err)
	}
}
