package deltaloom_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/models"
)

func tiny(t testing.TB, o deltaloom.Options) *deltaloom.Model {
	t.Helper()
	m, err := deltaloom.Synthetic("qwen3.5-tiny", 7, o)
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

func begin(t testing.TB, m *deltaloom.Model, o deltaloom.SessionOptions) (*deltaloom.Session, *deltaloom.Sequence) {
	t.Helper()
	s, err := m.NewSession(o)
	if err != nil {
		t.Fatal(err)
	}
	q, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return s, q
}

// want fails unless err says text.
func want(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want one with %q", err, text)
	}
}

func TestLastRow(t *testing.T) {
	m := tiny(t, deltaloom.Options{})
	o := deltaloom.SessionOptions{UBatch: 2} // the last row comes out of a later step
	tokens := []int32{3, 1, 4, 1, 5}
	s, q := begin(t, m, o)
	all, err := s.Eval(t.Context(), deltaloom.AllRows, deltaloom.Next{Seq: q, Tokens: tokens})
	if err != nil {
		t.Fatal(err)
	}
	s, q = begin(t, m, o)
	last, err := s.Eval(t.Context(), deltaloom.LastRow, deltaloom.Next{Seq: q, Tokens: tokens})
	if err != nil {
		t.Fatal(err)
	}
	if a, l := all[0].Shape.String(), last[0].Shape.String(); a != "f32[5 128]" || l != "f32[1 128]" {
		t.Errorf("shapes %s and %s", a, l)
	}
	if !slices.Equal(last[0].F, all[0].F[4*128:]) {
		t.Error("the last row differs from the last of all rows")
	}
	if q.Len() != 5 {
		t.Errorf("the sequence has %d tokens", q.Len())
	}
}

func TestBatchesThatAreRefused(t *testing.T) {
	m := tiny(t, deltaloom.Options{})
	s, q := begin(t, m, deltaloom.SessionOptions{Context: 4})
	_, stranger := begin(t, m, deltaloom.SessionOptions{})
	for text, batch := range map[string][]deltaloom.Next{
		"no tokens":                      {{Seq: q}},
		"not a sequence of this session": {{Seq: stranger, Tokens: []int32{1}}},
		"twice":                          {{Seq: q, Tokens: []int32{1}}, {Seq: q, Tokens: []int32{2}}},
		"5 tokens after 0 are more than a context of 4": {{Seq: q, Tokens: make([]int32, 5)}},
		"token 1 is 128, want 0 to 127":                 {{Seq: q, Tokens: []int32{0, 128}}},
		"token 0 is -1":                                 {{Seq: q, Tokens: []int32{-1}}},
	} {
		_, err := s.Eval(t.Context(), deltaloom.AllRows, batch...)
		want(t, err, text)
	}
	if q.Len() != 0 {
		t.Error("a refused batch has been evaluated")
	}
	if _, err := s.Begin(); !errors.Is(err, deltaloom.ErrFull) {
		t.Errorf("a second sequence in a session of one: %v", err)
	}
	if err := errors.Join(q.End(), q.End()); err != nil {
		t.Error(err)
	}
	_, err := s.Eval(t.Context(), deltaloom.AllRows, deltaloom.Next{Seq: q, Tokens: []int32{1}})
	want(t, err, "the sequence has ended")
	if _, err := s.Begin(); err != nil {
		t.Errorf("after a sequence has ended: %v", err)
	}
	_, err = m.NewSession(deltaloom.SessionOptions{Seqs: -1})
	want(t, err, "must not be negative")
	if _, err = m.NewSession(deltaloom.SessionOptions{Cache: graph.Q8_0}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a cache of blocks: %v", err)
	}
}

// Where nobody asks for a type of the cache, the weights decide.
func TestCacheType(t *testing.T) {
	for _, c := range []struct {
		weight, asked, want graph.DType
	}{{graph.F32, 0, graph.F32}, {graph.F32, graph.F16, graph.F16}, {graph.BF16, 0, graph.F16}, {graph.BF16, graph.F32, graph.F32}} {
		config, err := models.ByName("qwen3.5-tiny")
		if err != nil {
			t.Fatal(err)
		}
		config.Types = map[string]graph.DType{"output.weight": c.weight}
		m, err := deltaloom.New(config, models.Synthetic(config, 7), deltaloom.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		s, q := begin(t, m, deltaloom.SessionOptions{Cache: c.asked})
		if _, err := s.Eval(t.Context(), deltaloom.AllRows, deltaloom.Next{Seq: q, Tokens: []int32{1}}); err != nil {
			t.Fatal(err)
		}
		if got := m.Programs()[0].Step.Cache; got != c.want {
			t.Errorf("weights of %v, asked for %v: %v, want %v", c.weight, c.asked, got, c.want)
		}
	}
}

// cancelled is a context that ends after some looks at it.
type cancelled struct {
	context.Context
	mu    sync.Mutex
	looks int
}

func (c *cancelled) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.looks--; c.looks < 0 {
		return context.Canceled
	}
	return nil
}

func TestCancel(t *testing.T) {
	m := tiny(t, deltaloom.Options{})
	s, q := begin(t, m, deltaloom.SessionOptions{})
	next := deltaloom.Next{Seq: q, Tokens: []int32{1, 2}}
	if _, err := s.Eval(&cancelled{Context: t.Context()}, deltaloom.AllRows, next); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before it began: %v", err)
	}
	if _, err := s.Eval(t.Context(), deltaloom.AllRows, next); err != nil {
		t.Errorf("after a batch that did not begin: %v", err)
	}
	if _, err := s.Eval(&cancelled{Context: t.Context(), looks: 20}, deltaloom.AllRows, next); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled in a step: %v", err)
	}
	_, err := s.Eval(t.Context(), deltaloom.AllRows, next)
	want(t, err, "lost in a step that failed")
	if err := q.End(); err != nil {
		t.Fatal(err)
	}
	if q, err = s.Begin(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Eval(t.Context(), deltaloom.AllRows, deltaloom.Next{Seq: q, Tokens: []int32{1, 2}}); err != nil {
		t.Errorf("in the slot of a lost sequence: %v", err)
	}
}

// Several goroutines may share a model and a session.
func TestConcurrent(t *testing.T) {
	m := tiny(t, deltaloom.Options{})
	s, first := begin(t, m, deltaloom.SessionOptions{Seqs: 4})
	tokens := []int32{7, 7, 9}
	alone, err := s.Eval(t.Context(), deltaloom.AllRows, deltaloom.Next{Seq: first, Tokens: tokens})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			q, err := s.Begin()
			if err != nil {
				t.Error(err)
				return
			}
			got, err := s.Eval(t.Context(), deltaloom.AllRows, deltaloom.Next{Seq: q, Tokens: tokens})
			if err != nil || !slices.Equal(got[0].F, alone[0].F) {
				t.Errorf("other logits, or %v", err)
			}
		})
	}
	group.Wait()
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk.gguf")
	if err := os.WriteFile(junk, []byte("not a model"), 0o666); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		filepath.Join(dir, "none.gguf"): "none.gguf",
		junk:                            "junk.gguf",
		dir:                             "not a regular file",
	} {
		_, err := deltaloom.Open(path, deltaloom.Options{})
		want(t, err, text)
	}
	_, err := deltaloom.Synthetic("qwen3.5-none", 1, deltaloom.Options{})
	want(t, err, "qwen3.5-tiny") // the names that there are
	for _, name := range []string{"cuda", "metal"} {
		_, err := deltaloom.Synthetic("qwen3.5-tiny", 1, deltaloom.Options{Backend: name})
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("backend %s: %v", name, err)
		}
	}
	_, err = deltaloom.Synthetic("qwen3.5-tiny", 1, deltaloom.Options{Backend: "tpu"})
	if want(t, err, "auto, interp"); errors.Is(err, errors.ErrUnsupported) {
		t.Error("an unknown name is not a backend to come")
	}
	_, err = deltaloom.Synthetic("qwen3.5-tiny", 1, deltaloom.Options{Activations: "int8"})
	want(t, err, "want float, ggml or cpu")
}

// Sizes that no machine has, and a model that is gone, give errors.
func TestSessionSizes(t *testing.T) {
	m, err := deltaloom.Synthetic("qwen3.5-tiny", 1, deltaloom.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []deltaloom.SessionOptions{{Seqs: -1}, {Seqs: 1 << 60}, {Seqs: 1 << 20, Context: 1 << 20}} {
		if _, err := m.NewSession(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.NewSession(deltaloom.SessionOptions{}); err == nil {
		t.Error("a session of a closed model")
	}
}
