// Package tests holds what concerns several packages at once: models run from
// end to end.
package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/internal/reference"
)

// goldenPath finds a file of the reference data, which is no part of this
// repository, and skips the test where it is absent.
func goldenPath(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("DELTALOOM_GOLDEN")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "golden")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("REFERENCE DATA ABSENT: %s (set DELTALOOM_GOLDEN): %v", name, err)
	}
	return path
}

// golden is a model of the reference data and how close we have to come.
type golden struct {
	file        string
	activations deltaloom.Activations
	nmse        float64
	flips       int // tokens whose argmax may differ
}

// An F16 cache makes a difference of 6e-10, so the limit of the f32 files is
// not looser.
var goldens = []golden{
	{"q35-tiny-f32-s7", deltaloom.FloatActivations, 1e-11, 0},
	{"q35-small-q8_0-s7", deltaloom.GGMLActivations, 1e-3, 4},
	{"q35-small-q8_0-s7", deltaloom.FloatActivations, 5e-3, 10},
	{"q35moe-tiny-f32-s7", deltaloom.FloatActivations, 1e-11, 0},
	{"q3n-tiny-f32-s7", deltaloom.FloatActivations, 1e-11, 0},
	{"kimi-tiny-f32-s7", deltaloom.FloatActivations, 1e-11, 0},
	{"q35moe-quant-q6_K-s7", deltaloom.GGMLActivations, 2e-3, 4},
	{"q3n-quant-q4_K-s7", deltaloom.GGMLActivations, 2e-3, 4},
}

func (g golden) String() string { return g.file + "/" + string(g.activations) }

func (g golden) read(t testing.TB, mode string) *reference.Logits {
	t.Helper()
	l, err := reference.Read(goldenPath(t, g.file+"."+mode+".bin"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// backends returns those that have the activations.
func (g golden) backends() []string {
	if g.activations == deltaloom.GGMLActivations {
		return []string{"interp"}
	}
	return []string{"interp", "cpu"}
}

// TestLlamaCpp compares with llama.cpp: in one batch and token by token, fused
// and unfused, on every backend.
func TestLlamaCpp(t *testing.T) {
	for _, g := range goldens {
		for _, backend := range g.backends() {
			for _, unfused := range []bool{true, false} {
				t.Run(fmt.Sprintf("%v/%s/fused=%v", g, backend, !unfused), func(t *testing.T) { g.check(t, backend, unfused) })
			}
		}
	}
}

func (g golden) check(t *testing.T, backend string, unfused bool) {
	m := open(t, goldenPath(t, g.file+".gguf"), deltaloom.Options{Backend: backend, Activations: g.activations, Unfused: unfused})
	for _, mode := range []string{"prefill", "decode"} {
		ref, each := g.read(t, mode), 0
		if mode == "decode" {
			each = 1
		}
		got := feed(t, m, ref.Tokens, each, 0)
		d, same := reference.Compare(ref.F, got), reference.ArgmaxSame(ref.F, got, ref.Vocab)
		t.Logf("%s: NMSE %.3g, argmax the same on %d of %d", mode, d.NMSE, same, len(ref.Tokens))
		if !(d.NMSE <= g.nmse) || same < len(ref.Tokens)-g.flips {
			t.Errorf("%s: want NMSE at most %g and at most %d other argmax", mode, g.nmse, g.flips)
		}
	}
	want := 0
	if !unfused {
		want = m.Config().RecurrentLayers()
	}
	for _, p := range m.Programs() {
		if p.Report.DeltaNets != want {
			t.Errorf("%d tokens: %d delta nets fused, want %d", p.Step.Tokens, p.Report.DeltaNets, want)
		}
	}
}

// TestUBatch cuts a prefill into steps of any size: the result is that of
// llama.cpp, whether a step is a part of a chunk, one or several.
func TestUBatch(t *testing.T) {
	g := goldens[0]
	ref := g.read(t, "prefill")
	m := open(t, goldenPath(t, g.file+".gguf"), deltaloom.Options{})
	for _, ubatch := range []int{1, 2, 7, 63, 64, 65, 128, 149, 150, 512} {
		d := reference.Compare(ref.F, feed(t, m, ref.Tokens, 0, ubatch))
		t.Logf("ubatch %d: NMSE %.3g", ubatch, d.NMSE)
		if !(d.NMSE <= g.nmse) {
			t.Errorf("ubatch %d: NMSE %.3g, want at most %g", ubatch, d.NMSE, g.nmse)
		}
	}
}
