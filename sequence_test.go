package deltaloom_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/graph"
)

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// next evaluates tokens of a sequence and returns the logits of the last.
func next(t testing.TB, s *deltaloom.Session, q *deltaloom.Sequence, tokens ...int32) []float32 {
	t.Helper()
	return must[[]graph.Tensor](t)(s.Eval(t.Context(), deltaloom.LastRow, deltaloom.Next{Seq: q, Tokens: tokens}))[0].F
}

// sameText steps both sequences through the same tokens and wants the same bits.
func sameText(t *testing.T, what string, s1 *deltaloom.Session, q1 *deltaloom.Sequence, s2 *deltaloom.Session, q2 *deltaloom.Sequence) {
	t.Helper()
	if !slices.Equal(q1.Tokens(), q2.Tokens()) {
		t.Errorf("%s: tokens %v and %v", what, q1.Tokens(), q2.Tokens())
	}
	for _, id := range []int32{9, 2, 6} {
		if !slices.Equal(next(t, s1, q1, id), next(t, s2, q2, id)) {
			t.Errorf("%s: other logits", what)
			return
		}
	}
}

func copied(t *testing.T, m *deltaloom.Model, n *deltaloom.Snapshot) *deltaloom.Snapshot {
	t.Helper()
	var b bytes.Buffer
	if size := must[int64](t)(n.WriteTo(&b)); size != int64(b.Len()) {
		t.Errorf("WriteTo says %d bytes of %d", size, b.Len())
	}
	return must[*deltaloom.Snapshot](t)(m.ReadSnapshot(&b))
}

// TestCopies takes a sequence out of the middle of others in every way there is and wants
// the copy to go on to the bit.
func TestCopies(t *testing.T) {
	begins := [][]int32{{1, 2, 3}, {3, 1, 4, 1, 5, 9, 2}, {7}}
	for _, name := range []string{"qwen3.5-tiny", "qwen3.5-moe-tiny", "qwen3-next-tiny", "kimi-linear-tiny"} {
		for _, o := range []deltaloom.Options{{Backend: "interp"}, {Backend: "cpu"}, {Backend: "cpu", Unfused: true}} {
			for _, cache := range []graph.DType{graph.F32, graph.F16} {
				t.Run(fmt.Sprintf("%s/%s/unfused=%v/%v", name, o.Backend, o.Unfused, cache), func(t *testing.T) {
					m := must[*deltaloom.Model](t)(deltaloom.Synthetic(name, 7, o))
					defer m.Close()
					s := must[*deltaloom.Session](t)(m.NewSession(deltaloom.SessionOptions{Seqs: 4, Cache: cache}))
					var batch []deltaloom.Next
					for _, tokens := range begins {
						batch = append(batch, deltaloom.Next{Seq: must[*deltaloom.Sequence](t)(s.Begin()), Tokens: tokens})
					}
					must[[]graph.Tensor](t)(s.Eval(t.Context(), deltaloom.LastRow, batch...))
					q := batch[1].Seq
					snap := must[*deltaloom.Snapshot](t)(q.Snapshot())
					fork := must[*deltaloom.Sequence](t)(q.Fork())
					next(t, s, batch[0].Seq, 5) // the others go on
					other := must[*deltaloom.Session](t)(m.NewSession(deltaloom.SessionOptions{Seqs: 2, Context: 50, Cache: cache}))
					must[*deltaloom.Sequence](t)(other.Begin())
					back := must[*deltaloom.Sequence](t)(other.Resume(copied(t, m, snap)))
					sameText(t, "from a file", s, fork, other, back)

					if err := fork.End(); err != nil {
						t.Error(err)
					}
					fork = must[*deltaloom.Sequence](t)(q.Fork())
					next(t, s, fork, 8) // goes its own way
					again := must[*deltaloom.Session](t)(m.NewSession(deltaloom.SessionOptions{Cache: cache}))
					sameText(t, "forked from", s, q, again, must[*deltaloom.Sequence](t)(again.Resume(snap)))
				})
			}
		}
	}
}

// TestReuse goes back to marks and counts what is evaluated.
func TestReuse(t *testing.T) {
	for _, backend := range []string{"interp", "cpu"} {
		m := tiny(t, deltaloom.Options{Backend: backend})
		s, q := begin(t, m, deltaloom.SessionOptions{Seqs: 2})
		mark := func(tokens ...int32) {
			t.Helper()
			next(t, s, q, tokens...)
			if err := q.Mark(); err != nil {
				t.Fatal(err)
			}
		}
		mark(1, 2, 3)
		mark(4, 5)
		next(t, s, q, 6, 7)
		for _, c := range []struct {
			text []int32
			kept int
		}{
			{[]int32{1, 2, 3, 4, 5, 6, 7, 8}, 7}, // goes on
			{[]int32{1, 2, 3, 4, 5, 6, 9}, 5},    // 6 was evaluated before what is no more
			{[]int32{1, 2, 3, 4, 5, 6, 9}, 5},    // the logits of the last token are wanted
			{[]int32{1, 2, 3, 4, 5}, 3},
			{[]int32{1, 2, 3, 4, 5, 6}, 5},
			{[]int32{1, 2, 9, 9}, 0},
			{[]int32{1, 2, 9, 9, 5}, 4},
			{[]int32{4}, 0},
		} {
			before := q.Evaluated()
			kept := must[int](t)(q.Reuse(c.text))
			got := next(t, s, q, c.text[kept:]...)
			if n := q.Evaluated() - before; kept != c.kept || n != int64(len(c.text)-kept) {
				t.Errorf("%s: %v kept %d and evaluated %d, want %d kept", backend, c.text, kept, n, c.kept)
			}
			if !slices.Equal(q.Tokens(), c.text) {
				t.Errorf("%s: tokens %v, want %v", backend, q.Tokens(), c.text)
			}
			fresh := must[*deltaloom.Sequence](t)(s.Begin())
			if want := next(t, s, fresh, c.text...); !near(got, want) {
				t.Errorf("%s: %v has other logits", backend, c.text)
			}
			if err := fresh.End(); err != nil {
				t.Error(err)
			}
		}
		if _, err := q.Reuse(nil); err == nil {
			t.Error("no tokens are a text")
		}
	}
}

// near holds logits that steps of other lengths gave to 1e-5.
func near(a, b []float32) bool {
	for i := range a {
		if d := a[i] - b[i]; d > 1e-5 || d < -1e-5 {
			return false
		}
	}
	return len(a) == len(b)
}

// TestMarkToTheBit goes back to a mark and wants what came after it the first time.
func TestMarkToTheBit(t *testing.T) {
	for _, o := range []deltaloom.Options{{Backend: "interp"}, {Backend: "cpu"}, {Backend: "cpu", Unfused: true}} {
		m := tiny(t, o)
		s, q := begin(t, m, deltaloom.SessionOptions{})
		text := []int32{3, 1, 4}
		next(t, s, q, text...)
		for range 20 { // more marks than are kept; the first ones are far apart
			if err := q.Mark(); err != nil {
				t.Fatal(err)
			}
			text = append(text, int32(len(text)))
			next(t, s, q, text[len(text)-1])
		}
		before := slices.Clone(text)
		want := next(t, s, q, 5)
		kept := must[int](t)(q.Reuse(append(slices.Clone(before), 6, 6)))
		if kept != len(before)-1 {
			t.Fatalf("kept %d of %d", kept, len(before))
		}
		next(t, s, q, before[kept:]...)
		if got := next(t, s, q, 5); !slices.Equal(got, want) {
			t.Errorf("%+v: other logits", o)
		}
		if kept := must[int](t)(q.Reuse([]int32{3, 1, 4, 99})); kept != 3 {
			t.Errorf("%+v: the first mark is gone: kept %d", o, kept)
		}
	}
}

// TestDamagedSnapshots changes every byte and cuts everywhere.
func TestDamagedSnapshots(t *testing.T) {
	m := tiny(t, deltaloom.Options{})
	s, q := begin(t, m, deltaloom.SessionOptions{})
	next(t, s, q, 1, 2)
	var b bytes.Buffer
	must[int64](t)(must[*deltaloom.Snapshot](t)(q.Snapshot()).WriteTo(&b))
	good := b.Bytes()
	step := max(1, len(good)/3000)
	for i := 0; i < len(good); i += step {
		if i > 200 && i < len(good)-200 && i%7 != 0 {
			continue
		}
		bad := slices.Clone(good)
		bad[i] ^= 0x10
		if _, err := m.ReadSnapshot(bytes.NewReader(bad)); err == nil {
			t.Fatalf("byte %d of %d is another one, and it was read", i, len(good))
		}
		if _, err := m.ReadSnapshot(bytes.NewReader(good[:i])); err == nil {
			t.Fatalf("%d bytes of %d were read", i, len(good))
		}
	}
	_, err := m.ReadSnapshot(bytes.NewReader(append(slices.Clone(good), 0)))
	want(t, err, "something follows")
	_, err = m.ReadSnapshot(strings.NewReader("GGUF"))
	want(t, err, "not a saved snapshot")
	_, err = m.ReadSnapshot(io.MultiReader(bytes.NewReader(good[:30]), iotest{}))
	want(t, err, "broken pipe")

	other := must[*deltaloom.Model](t)(deltaloom.Synthetic("qwen3-next-tiny", 7, deltaloom.Options{}))
	defer other.Close()
	_, err = other.ReadSnapshot(bytes.NewReader(good))
	want(t, err, "of another model")
	snap := must[*deltaloom.Snapshot](t)(m.ReadSnapshot(bytes.NewReader(good)))
	for text, o := range map[string]deltaloom.SessionOptions{
		"a cache of f32": {Cache: graph.F16}, "more than a context of 1": {Context: 1},
	} {
		_, err := must[*deltaloom.Session](t)(m.NewSession(o)).Resume(snap)
		want(t, err, text)
	}
	_, err = must[*deltaloom.Session](t)(other.NewSession(deltaloom.SessionOptions{})).Resume(snap)
	want(t, err, "of another model")
}

// iotest is a reader that fails.
type iotest struct{}

func (iotest) Read([]byte) (int, error) { return 0, errors.New("broken pipe") }

func FuzzSnapshot(f *testing.F) {
	m := must[*deltaloom.Model](f)(deltaloom.Synthetic("qwen3.5-tiny", 7, deltaloom.Options{}))
	defer m.Close()
	s := must[*deltaloom.Session](f)(m.NewSession(deltaloom.SessionOptions{}))
	q := must[*deltaloom.Sequence](f)(s.Begin())
	var b bytes.Buffer
	must[int64](f)(must[*deltaloom.Snapshot](f)(q.Snapshot()).WriteTo(&b))
	f.Add(slices.Clone(b.Bytes()))
	must[[]graph.Tensor](f)(s.Eval(context.Background(), deltaloom.LastRow, deltaloom.Next{Seq: q, Tokens: []int32{1, 2}}))
	must[int64](f)(must[*deltaloom.Snapshot](f)(q.Snapshot()).WriteTo(&b))
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, file []byte) {
		if n, err := m.ReadSnapshot(bytes.NewReader(file)); err == nil {
			var again bytes.Buffer
			if _, err := n.WriteTo(&again); err != nil || !bytes.Equal(again.Bytes(), file) {
				t.Errorf("written again it differs, error %v", err)
			}
		}
	})
}

// TestLostSequence loses a sequence in a step and takes it up again.
func TestLostSequence(t *testing.T) {
	m := tiny(t, deltaloom.Options{})
	s, q := begin(t, m, deltaloom.SessionOptions{UBatch: 64})
	next(t, s, q, 1, 2, 3)
	if err := q.Mark(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	lost := false
	for range 200 { // somewhere within a step
		time := make(chan struct{})
		go func() { <-time; cancel() }()
		close(time)
		_, err := s.Eval(ctx, deltaloom.LastRow, deltaloom.Next{Seq: q, Tokens: make([]int32, 64)})
		if _, broken := q.Snapshot(); err != nil && broken != nil {
			lost = true
			break
		}
		must[int](t)(q.Reuse([]int32{1, 2, 3, 4}))
		ctx, cancel = context.WithCancel(t.Context())
	}
	cancel()
	if !lost {
		t.Skip("no step was cut short on this machine")
	}
	if _, err := q.Fork(); err == nil {
		t.Error("a lost sequence was forked")
	}
	kept := must[int](t)(q.Reuse([]int32{1, 2, 3, 4}))
	got := next(t, s, q, 4)
	s2, q2 := begin(t, m, deltaloom.SessionOptions{})
	next(t, s2, q2, 1, 2, 3)
	if want := next(t, s2, q2, 4); kept != 3 || !slices.Equal(got, want) {
		t.Errorf("kept %d, logits the same: %v", kept, slices.Equal(got, want))
	}
}

// TestManySequences begins and ends a thousand sequences, some of them at once.
func TestManySequences(t *testing.T) {
	m := tiny(t, deltaloom.Options{})
	s := must[*deltaloom.Session](t)(m.NewSession(deltaloom.SessionOptions{Seqs: 4}))
	hundred := func() (states int64, heap uint64) {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 25 {
					q, err := s.Begin()
					if err != nil {
						t.Error(err)
						return
					}
					for _, err := range q.Generate(t.Context(), []int32{1, 2, 3}, deltaloom.GenerateOptions{Max: 3}) {
						if err != nil {
							t.Error(err)
						}
					}
					if _, err := q.Snapshot(); err != nil {
						t.Error(err)
					}
					if err := errors.Join(q.Mark(), q.End()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		runtime.GC()
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		memory := s.Memory()
		if memory.Marks != 0 {
			t.Errorf("%d bytes of marks, and no sequence", memory.Marks)
		}
		return memory.States + memory.Working, stats.HeapAlloc
	}
	for n := range 4 { // every size of step that will come
		var prompts, answers []deltaloom.Next
		for range n + 1 {
			q := must[*deltaloom.Sequence](t)(s.Begin())
			prompts, answers = append(prompts, deltaloom.Next{Seq: q, Tokens: []int32{1, 2, 3}}), append(answers, deltaloom.Next{Seq: q, Tokens: []int32{4}})
		}
		must[[]graph.Tensor](t)(s.Eval(t.Context(), deltaloom.LastRow, prompts...))
		must[[]graph.Tensor](t)(s.Eval(t.Context(), deltaloom.LastRow, answers...))
		for _, p := range prompts {
			if err := p.Seq.End(); err != nil {
				t.Error(err)
			}
		}
	}
	states, heap := hundred()
	for range 8 {
		hundred()
	}
	if after, now := hundred(); after != states || now > heap+heap/10+1<<20 {
		t.Errorf("%d bytes of states and working memory, %d of heap after 100 sequences, %d and %d after 1000", states, heap, after, now)
	}
	for range 4 {
		must[*deltaloom.Sequence](t)(s.Begin())
	}
	if _, err := s.Begin(); !errors.Is(err, deltaloom.ErrFull) {
		t.Errorf("a fifth sequence: %v", err)
	}
}
