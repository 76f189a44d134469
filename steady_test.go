package deltaloom_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"weak"

	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/graph"
)

// batch begins sequences, as many as there is room for, and returns one token for each of some sequences, and memory for their logits.
func batch(t testing.TB, m *deltaloom.Model, o deltaloom.SessionOptions) (*deltaloom.Session, []graph.Tensor, []deltaloom.Next) {
	t.Helper()
	s, q := begin(t, m, o)
	results := make([]graph.Tensor, o.Seqs)
	next := make([]deltaloom.Next, o.Seqs)
	for i := range next {
		if i > 0 {
			var err error
			if q, err = s.Begin(); err != nil {
				t.Fatal(err)
			}
		}
		next[i] = deltaloom.Next{Seq: q, Tokens: []int32{int32(i)}}
		results[i] = graph.NewTensor(graph.ShapeOf(graph.F32, 1, m.Config().Vocab))
	}
	return s, results, next
}

func synthetic(t testing.TB, name string, o deltaloom.Options) *deltaloom.Model {
	t.Helper()
	m, err := deltaloom.Synthetic(name, 7, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

var tinies = []string{"qwen3.5-tiny", "qwen3.5-moe-tiny", "qwen3-next-tiny", "kimi-linear-tiny"}

// Decoding allocates nothing once steps of a size have been run.
func TestDecodeAllocatesNothing(t *testing.T) {
	for i, name := range tinies {
		threads := 1
		if i == 0 {
			threads = 2
		}
		m := synthetic(t, name, deltaloom.Options{Backend: "cpu", Threads: threads})
		for _, seqs := range []int{1, 3} {
			s, results, next := batch(t, m, deltaloom.SessionOptions{Seqs: seqs, Context: 256})
			n := testing.AllocsPerRun(50, func() {
				if err := s.EvalInto(t.Context(), deltaloom.LastRow, results, next...); err != nil {
					t.Fatal(err)
				}
			})
			if n != 0 {
				t.Errorf("%s, %d sequences: %v allocations a step", name, seqs, n)
			}
		}
	}
}

// BenchmarkDecode is a step of one token of each sequence, fused.
func BenchmarkDecode(b *testing.B) {
	for _, name := range tinies {
		m := synthetic(b, name, deltaloom.Options{})
		for _, seqs := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/seqs=%d", name, seqs), func(b *testing.B) {
				var s *deltaloom.Session
				var results []graph.Tensor
				var next []deltaloom.Next
				step := func() {
					if err := s.EvalInto(b.Context(), deltaloom.LastRow, results, next...); err != nil {
						b.Fatal(err)
					}
				}
				restart := func() {
					s, results, next = batch(b, m, deltaloom.SessionOptions{Seqs: seqs, Context: 256})
					step() // what follows is steady
				}
				restart()
				b.ReportAllocs()
				for b.Loop() {
					if next[0].Seq.Len() == 256 {
						b.StopTimer()
						if err := s.Close(); err != nil {
							b.Fatal(err)
						}
						restart()
						b.StartTimer()
					}
					step()
				}
				b.ReportMetric(float64(seqs*b.N)/b.Elapsed().Seconds(), "tokens/s")
			})
		}
	}
}

// heap returns the bytes in use after a collection.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what sync.Pool and cleanups held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Two thousand tokens need a program for each doubling of what attention reads,
// and nothing else that grows.
func TestLongDecodeDoesNotGrow(t *testing.T) {
	m := synthetic(t, "qwen3.5-tiny", deltaloom.Options{Backend: "cpu", Threads: 1})
	s, results, next := batch(t, m, deltaloom.SessionOptions{Seqs: 1, Context: 2048})
	decode := func(until int) {
		t.Helper()
		for next[0].Seq.Len() < until {
			next[0].Tokens[0] = int32(next[0].Seq.Len() % m.Config().Vocab)
			if err := s.EvalInto(t.Context(), deltaloom.LastRow, results, next...); err != nil {
				t.Fatal(err)
			}
		}
	}
	decode(1100) // the last program reads up to 2048 positions
	had := heap()
	decode(2000)
	if grown := heap() - had; grown > 32<<10 {
		t.Errorf("the heap has grown by %d bytes in 900 tokens", grown)
	}
	if n := len(m.Programs()); n != 4 {
		t.Errorf("%d programs, want 4: up to 256, 512, 1024 and 2048 positions", n)
	}
}

// Prompts of many lengths leave as many programs as are worth keeping, the one of
// decoding among them.
func TestProgramsAreDropped(t *testing.T) {
	m := synthetic(t, "qwen3.5-tiny", deltaloom.Options{Backend: "cpu", Threads: 1})
	s, q := begin(t, m, deltaloom.SessionOptions{Seqs: 2, Context: 256})
	eval := func(q *deltaloom.Sequence, n int) []float32 {
		t.Helper()
		out, err := s.Eval(t.Context(), deltaloom.LastRow, deltaloom.Next{Seq: q, Tokens: make([]int32, n)})
		if err != nil {
			t.Fatal(err)
		}
		return out[0].F
	}
	prompt := func(n int) []float32 {
		t.Helper()
		p, err := s.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer p.End()
		return eval(p, n)
	}
	eval(q, 1)
	decode := m.Programs()[0]
	first := prompt(2)
	program := weak.Make(m.Programs()[1])
	for n := 3; n < 40; n++ {
		prompt(n)
		eval(q, 1)
	}
	programs := m.Programs()
	if len(programs) != 32 || programs[31] != decode {
		t.Errorf("%d programs are kept, the last one for %+v", len(programs), programs[len(programs)-1].Step)
	}
	runtime.GC()
	if program.Value() != nil {
		t.Error("a program that is not kept is still there")
	}
	if !slices.Equal(prompt(2), first) {
		t.Error("other logits from a program that has been made anew")
	}
}

func TestEvalIntoChecksResults(t *testing.T) {
	m := tiny(t, deltaloom.Options{})
	s, results, next := batch(t, m, deltaloom.SessionOptions{Seqs: 1})
	next[0].Tokens = []int32{1, 2}
	want(t, s.EvalInto(t.Context(), deltaloom.AllRows, results, next...), "result 0: f32[1 128] with 128 values, want f32[2 128]")
	want(t, s.EvalInto(t.Context(), deltaloom.AllRows, nil, next...), "0 results for 1 sequences")
	if err := s.EvalInto(t.Context(), deltaloom.LastRow, results, next...); err != nil {
		t.Fatal(err)
	}
	s, q := begin(t, m, deltaloom.SessionOptions{})
	logits, err := s.Eval(t.Context(), deltaloom.LastRow, deltaloom.Next{Seq: q, Tokens: []int32{1, 2}})
	if err != nil || !slices.Equal(logits[0].F, results[0].F) {
		t.Errorf("other logits than Eval, or %v", err)
	}
}
