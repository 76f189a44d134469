package tests

import (
	"context"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
)

// BenchmarkDecode decodes with the model in $DELTALOOM_FILE and, in turn with each
// token, does no more than read its weights once and its recurrent states once and
// write them back, on as many threads: what no decode of one sequence can do without.
// It reports both in tokens a second, and decode as a share of that limit.
func BenchmarkDecode(b *testing.B) {
	path := os.Getenv("DELTALOOM_FILE")
	if path == "" {
		b.Skip("NO MODEL: set DELTALOOM_FILE to a GGUF file")
	}
	m := open(b, path, deltaloom.Options{Backend: "cpu"})
	s := session(b, m, deltaloom.SessionOptions{})
	defer s.Close()
	q := begin(b, s)
	token := func() {
		if q.Len() == 4096 {
			b.Fatal("the context is full: fewer iterations, please")
		}
		if _, err := s.Eval(context.Background(), deltaloom.LastRow, deltaloom.Next{Seq: q, Tokens: []int32{7}}); err != nil {
			b.Fatal(err)
		}
	}
	traffic := newTraffic(b, path, m, runtime.GOMAXPROCS(0))
	token()
	traffic.run()
	var decode, limit time.Duration
	for b.Loop() {
		start := time.Now()
		token()
		middle := time.Now()
		traffic.run()
		decode, limit = decode+middle.Sub(start), limit+time.Since(middle)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(b.N)/decode.Seconds(), "tokens/s")
	b.ReportMetric(float64(b.N)/limit.Seconds(), "limit-tokens/s")
	b.ReportMetric(100*limit.Seconds()/decode.Seconds(), "%-of-limit")
}

// traffic is what decoding a token reads and writes.
type traffic struct {
	vec     *vec.Funcs
	threads int
	weights [][]float32
	states  []float32
	sinks   []float32
}

func newTraffic(b *testing.B, path string, m *deltaloom.Model, threads int) *traffic {
	f, err := gguf.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	t := &traffic{vec: vec.For(isa.Best()), threads: threads, sinks: make([]float32, threads)}
	c := m.Config()
	t.states = make([]float32, c.RecurrentLayers()*c.DeltaNet.ValueHeads*c.DeltaNet.StateSize*c.DeltaNet.StateSize)
	for _, x := range f.Tensors() {
		if x.Name == "token_embd.weight" && !c.Tied {
			continue // a token reads one row
		}
		d := x.Data()
		t.weights = append(t.weights, unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(d))), len(d)/4))
	}
	return t
}

// run lets every thread read its share of each tensor, four streams at a time, which
// memory serves faster than one.
func (t *traffic) run() {
	var wait sync.WaitGroup
	for w := range t.threads {
		wait.Go(func() {
			sink := float32(0)
			for _, x := range t.weights {
				x = x[len(x)*w/t.threads : len(x)*(w+1)/t.threads]
				const piece = 128
				quarter := len(x) / 4
				for i := 0; i < quarter; i += piece {
					for s := range 4 {
						sink = max(sink, t.vec.Max(x[s*quarter+i:min(s*quarter+i+piece, (s+1)*quarter)]))
					}
				}
			}
			mine := t.states[len(t.states)*w/t.threads : len(t.states)*(w+1)/t.threads]
			t.vec.Scale(mine, 0.999, mine)
			t.sinks[w] = sink
		})
	}
	wait.Wait()
}
