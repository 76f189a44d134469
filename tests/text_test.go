package tests

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/models"
)

// talking writes a built-in model in f32 with the vocabulary of another file.
func talking(t testing.TB, name, vocabulary string) string {
	t.Helper()
	c, err := models.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(vocabulary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := &gguf.Writer{}
	for _, kv := range f.KVs() {
		if strings.HasPrefix(kv.Key, "tokenizer.") {
			w.KV(kv.Key, kv.Value())
		}
		if kv.Key == "tokenizer.ggml.tokens" {
			c.Vocab = kv.Len
		}
	}
	for _, kv := range c.Metadata() {
		w.KV(kv.Key, kv.Value)
	}
	weights := models.Synthetic(c, 11)
	for _, x := range c.Weights() {
		w.TensorFunc(x.Name, graph.ShapeOf(graph.F32, x.Shape.Dims()...), func(out io.Writer) error {
			values := make([]float32, x.Shape.Len())
			if err := weights.Fill(x.Name, 0, values); err != nil {
				return err
			}
			return binary.Write(out, binary.LittleEndian, values)
		})
	}
	path := filepath.Join(t.TempDir(), name+".gguf")
	if err := w.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// greedy is a text that always took the most likely token, and by how much it was.
type greedy struct {
	prompt, tokens []int32
	margins        []float32
}

// newGreedy evaluates step by step what Generate is held to.
func newGreedy(t testing.TB, m *deltaloom.Model, prompt []int32, n int) greedy {
	t.Helper()
	s := session(t, m, deltaloom.SessionOptions{})
	defer s.Close()
	g, q, next := greedy{prompt: prompt}, begin(t, s), prompt
	for range n {
		rows := eval(t, s, deltaloom.Next{Seq: q, Tokens: next})
		logits := rows[0][len(rows[0])-m.Config().Vocab:]
		best, second := 0, float32(math.Inf(-1))
		for i, v := range logits[1:] {
			if v > logits[best] {
				best, second = i+1, logits[best]
			} else {
				second = max(second, v)
			}
		}
		next = []int32{int32(best)}
		g.tokens, g.margins = append(g.tokens, next[0]), append(g.margins, logits[best]-second)
	}
	return g
}

// check reports a token that is not the reference's where that was clear. Behind an
// unclear one texts may differ.
func (g greedy) check(t testing.TB, what string, got []int32) {
	t.Helper()
	if len(got) != len(g.tokens) {
		t.Errorf("%s: %d tokens, want %d", what, len(got), len(g.tokens))
	}
	for i := range min(len(got), len(g.tokens)) {
		if got[i] == g.tokens[i] {
			continue
		}
		if g.margins[i] > 1e-4 {
			t.Errorf("%s: token %d is %d, want %d, ahead by %g", what, i, got[i], g.tokens[i], g.margins[i])
		} else {
			t.Logf("%s: token %d differs where the reference is ahead by %g only", what, i, g.margins[i])
		}
		return
	}
}

// generate collects what Generate gives.
func generate(t testing.TB, q *deltaloom.Sequence, tokens []int32, n int) (got []int32) {
	t.Helper()
	o := deltaloom.GenerateOptions{Max: n, End: func(int32) bool { return false }}
	for id, err := range q.Generate(t.Context(), tokens, o) {
		if err != nil {
			t.Error(err)
			return got
		}
		got = append(got, id)
	}
	return got
}

var said = []string{
	"Once upon a time there was a matrix.", "def f(x):\n\treturn x", "Größe: 12 µm", "1 2 3 4",
	"the delta rule corrects", "北京的天气", "\n\n\n", "A", "a longer text than the others are, so that its prompt takes another step",
}

// TestGreedyText holds the text of one model to that of the reference backend, unfused,
// with the prompt in one piece: fused and not, on both backends, with prompts in pieces
// of seven, alone and among eight others.
func TestGreedyText(t *testing.T) {
	path := talking(t, "qwen3.5-tiny", goldenPath(t, "vocab/qwen35.gguf"))
	const n = 12
	var want []greedy
	ref := open(t, path, deltaloom.Options{Backend: "interp", Unfused: true})
	tok, err := ref.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range said {
		want = append(want, newGreedy(t, ref, tok.Encode(nil, text, true), n))
	}
	for _, backend := range []string{"interp", "cpu"} {
		for _, unfused := range []bool{true, false} {
			m := open(t, path, deltaloom.Options{Backend: backend, Unfused: unfused})
			for _, ubatch := range []int{0, 7} {
				name := fmt.Sprintf("%s unfused=%v ubatch=%d", backend, unfused, ubatch)
				s := session(t, m, deltaloom.SessionOptions{Seqs: len(want), UBatch: ubatch})
				alone := begin(t, s)
				want[0].check(t, name+" alone", generate(t, alone, want[0].prompt, n))
				if err := alone.End(); err != nil {
					t.Error(err)
				}
				var all sync.WaitGroup
				for i, g := range want {
					q := begin(t, s)
					all.Go(func() { g.check(t, fmt.Sprintf("%s text %d of %d", name, i, len(want)), generate(t, q, g.prompt, n)) })
				}
				all.Wait()
				s.Close()
			}
		}
	}
}
