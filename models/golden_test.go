package models

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/quant"
)

// reference is the logits that llama.cpp computed, [T][vocab].
type reference struct {
	tokens []int32
	logits [][]float32
}

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

// readReference reads int32 T, V, token[T] and float32 logits[T][V].
func readReference(t testing.TB, path string) reference {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	word := func() uint32 {
		if len(b) < 4 {
			t.Fatalf("%s is truncated", path)
		}
		v := binary.LittleEndian.Uint32(b)
		b = b[4:]
		return v
	}
	r := reference{tokens: make([]int32, word())}
	vocab := int(word())
	for i := range r.tokens {
		r.tokens[i] = int32(word())
	}
	for range r.tokens {
		row := make([]float32, vocab)
		for i := range row {
			row[i] = math.Float32frombits(word())
		}
		r.logits = append(r.logits, row)
	}
	return r
}

// TestLlamaCpp compares with llama.cpp. The limit of the f32 files is not looser
// because an F16 cache, for one, makes a difference of 6e-10 only. On quantised
// files llama.cpp rounds activations to 8 bits: with the same rounding we are
// closer to it than without.
func TestLlamaCpp(t *testing.T) {
	rounded := []ops.Option{ops.RoundActivations(quant.GGML)}
	int8s := []ops.Option{ops.RoundActivations(quant.Int8)}
	for _, c := range []struct {
		test, file string
		opts       []ops.Option
		nmse       float64
		flips      int // tokens of 100 or 150 whose argmax may differ
	}{
		{"qwen35 f32", "q35-tiny-f32-s7", nil, 1e-11, 0},
		{"qwen35moe f32", "q35moe-tiny-f32-s7", nil, 1e-11, 0},
		{"qwen3next f32", "q3n-tiny-f32-s7", nil, 1e-11, 0},
		{"kimi-linear f32", "kimi-tiny-f32-s7", nil, 1e-11, 0},
		{"qwen35 q8_0", "q35-small-q8_0-s7", rounded, 1e-3, 4},
		{"qwen35moe q6_K", "q35moe-quant-q6_K-s7", rounded, 2e-3, 4},
		{"qwen3next q4_K", "q3n-quant-q4_K-s7", rounded, 2e-3, 4},
		// A router that chooses another expert on a near tie makes a few tokens
		// dominate.
		{"qwen35 q8_0 float activations", "q35-small-q8_0-s7", nil, 5e-3, 10},
		{"qwen35moe q6_K float activations", "q35moe-quant-q6_K-s7", nil, 2e-2, 20},
		{"qwen3next q4_K float activations", "q3n-quant-q4_K-s7", nil, 2e-2, 20},
		// Our own rounding differs from that of llama.cpp as much as it does from none.
		{"qwen35 q8_0 activations in 8 bits", "q35-small-q8_0-s7", int8s, 5e-3, 10},
		{"qwen35moe q6_K activations in 8 bits", "q35moe-quant-q6_K-s7", int8s, 3e-2, 30},
		{"qwen3next q4_K activations in 8 bits", "q3n-quant-q4_K-s7", int8s, 3e-2, 30},
	} {
		t.Run(c.test, func(t *testing.T) {
			f, err := gguf.Open(goldenPath(t, c.file+".gguf"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			cfg, err := FromGGUF(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, mode := range []string{"prefill", "decode"} {
				want := readReference(t, goldenPath(t, c.file+"."+mode+".bin"))
				s := newSession(t, cfg, FileWeights(f), 1, len(want.tokens), c.opts...)
				run := s.prefill
				if mode == "decode" {
					run = func(slot int, tokens []int32) [][]float32 { return s.decode(slot, 0, tokens) }
				}
				got := run(0, want.tokens)
				e, same := nmse(want.logits, got), argmaxSame(want.logits, got)
				t.Logf("%s: NMSE %.3g, argmax the same on %d of %d", mode, e, same, len(want.tokens))
				if !(e <= c.nmse) || same < len(want.tokens)-c.flips {
					t.Errorf("%s: want NMSE at most %g and at most %d other argmax", mode, c.nmse, c.flips)
				}
			}
		})
	}
}
