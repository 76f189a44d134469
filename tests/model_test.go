package tests

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/internal/reference"
)

// maxNMSE is what is left between two ways to sum the same f32 numbers.
const maxNMSE = 1e-11

func open(t testing.TB, path string, o deltaloom.Options) *deltaloom.Model {
	t.Helper()
	m, err := deltaloom.Open(path, o)
	return opened(t, m, err)
}

func opened(t testing.TB, m *deltaloom.Model, err error) *deltaloom.Model {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func tiny(t testing.TB, o deltaloom.Options) *deltaloom.Model {
	t.Helper()
	m, err := deltaloom.Synthetic("qwen3.5-tiny", 7, o)
	return opened(t, m, err)
}

func session(t testing.TB, m *deltaloom.Model, o deltaloom.SessionOptions) *deltaloom.Session {
	t.Helper()
	s, err := m.NewSession(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func begin(t testing.TB, s *deltaloom.Session) *deltaloom.Sequence {
	t.Helper()
	q, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func eval(t testing.TB, s *deltaloom.Session, next ...deltaloom.Next) [][]float32 {
	t.Helper()
	out, err := s.Eval(context.Background(), deltaloom.AllRows, next...)
	if err != nil {
		t.Fatal(err)
	}
	rows := make([][]float32, len(out))
	for i, x := range out {
		rows[i] = x.F
	}
	return rows
}

// feed evaluates the tokens alone in a session, each at a time (0: all of them),
// and returns all logits.
func feed(t testing.TB, m *deltaloom.Model, tokens []int32, each, ubatch int) []float32 {
	t.Helper()
	return feedTo(t, session(t, m, deltaloom.SessionOptions{Context: len(tokens), UBatch: ubatch}), tokens, each)
}

func feedTo(t testing.TB, s *deltaloom.Session, tokens []int32, each int) []float32 {
	t.Helper()
	defer s.Close()
	q := begin(t, s)
	if each == 0 {
		each = len(tokens)
	}
	var all []float32
	for at := 0; at < len(tokens); at += each {
		all = append(all, eval(t, s, deltaloom.Next{Seq: q, Tokens: tokens[at:min(at+each, len(tokens))]})[0]...)
	}
	return all
}

func randomTokens(n, vocab int, seed uint64) []int32 {
	r := rand.New(rand.NewPCG(seed, 0))
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(r.IntN(vocab))
	}
	return out
}

func near(t *testing.T, what string, want, got []float32) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%s: %d logits, want %d", what, len(got), len(want))
	}
	if d := reference.Compare(want, got); !(d.NMSE <= maxNMSE) {
		t.Errorf("%s: NMSE %.3g, want at most %g", what, d.NMSE, maxNMSE)
	} else {
		t.Logf("%s: NMSE %.3g", what, d.NMSE)
	}
}

// TestPrefillIsDecode: in one batch or token by token, fused or not, the same,
// around the borders of a chunk of 64.
func TestPrefillIsDecode(t *testing.T) {
	plain, fused := tiny(t, deltaloom.Options{Unfused: true}), tiny(t, deltaloom.Options{})
	for _, T := range []int{1, 2, 63, 64, 65, 130} {
		tokens := randomTokens(T, 128, uint64(T))
		want := feed(t, plain, tokens, 1, 0)
		near(t, fmt.Sprintf("%d tokens, prefill, unfused", T), want, feed(t, plain, tokens, 0, 0))
		near(t, fmt.Sprintf("%d tokens, prefill, fused", T), want, feed(t, fused, tokens, 0, 0))
		near(t, fmt.Sprintf("%d tokens, decode, fused", T), want, feed(t, fused, tokens, 1, 0))
	}
}

// TestHalfCache: keys and values of half precision move the logits a little, fused or
// not, in one batch or token by token.
func TestHalfCache(t *testing.T) {
	plain, fused := tiny(t, deltaloom.Options{Unfused: true}), tiny(t, deltaloom.Options{})
	tokens := randomTokens(130, 128, 5)
	want := feed(t, plain, tokens, 0, 0)
	for what, m := range map[string]*deltaloom.Model{"unfused": plain, "fused": fused} {
		for _, each := range []int{0, 1} {
			s := session(t, m, deltaloom.SessionOptions{Context: len(tokens), Cache: graph.F16})
			if d := reference.Compare(want, feedTo(t, s, tokens, each)); !(d.NMSE > 1e-12 && d.NMSE < 1e-7) {
				t.Errorf("%s, %d at a time: NMSE %.3g", what, each, d.NMSE)
			} else {
				t.Logf("%s, %d at a time: NMSE %.3g", what, each, d.NMSE)
			}
		}
	}
}

// TestBesideOthers: a sequence does not notice who is in its batch, nor that
// the others begin, end and differ in length.
func TestBesideOthers(t *testing.T) {
	for _, unfused := range []bool{true, false} {
		m := tiny(t, deltaloom.Options{Unfused: unfused})
		texts := [][]int32{randomTokens(90, 128, 1), randomTokens(131, 128, 2), randomTokens(7, 128, 3), randomTokens(70, 128, 4)}
		want := make([][]float32, len(texts))
		for i, text := range texts {
			want[i] = feed(t, m, text, 0, 0)
		}
		for _, ubatch := range []int{1, 3, 50, 512} {
			s := session(t, m, deltaloom.SessionOptions{Seqs: 3, Context: 140, UBatch: ubatch})
			got := make([][]float32, len(texts))
			seqs := make([]*deltaloom.Sequence, len(texts))
			// by batch: how many tokens of each text, negative: it ends
			for _, batch := range [][]int{{5, 0, 3, 0}, {1, 70, 4, 0}, {1, 1, -1, 66}, {83, 60, 0, 4}} {
				var next []deltaloom.Next
				var who []int
				for i, n := range batch {
					switch {
					case n < 0:
						if err := seqs[i].End(); err != nil {
							t.Fatal(err)
						}
					case n > 0:
						if seqs[i] == nil {
							seqs[i] = begin(t, s)
						}
						at := seqs[i].Len()
						next, who = append(next, deltaloom.Next{Seq: seqs[i], Tokens: texts[i][at : at+n]}), append(who, i)
					}
				}
				for j, x := range eval(t, s, next...) {
					got[who[j]] = append(got[who[j]], x...)
				}
			}
			for i := range texts {
				near(t, fmt.Sprintf("unfused %v, ubatch %d, text %d", unfused, ubatch, i), want[i], got[i])
			}
			s.Close()
		}
	}
}
