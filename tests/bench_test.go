package tests

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/models"
)

// BenchmarkUnfused runs four layers of the qwen3.5-0.8b shape as the model writes
// them: prompts, and one token after 16 of a context of 4096. best-ms is the
// fastest run, barriers how often threads wait for each other in it.
func BenchmarkUnfused(b *testing.B) {
	c, err := models.ByName("qwen3.5-0.8b")
	if err != nil {
		b.Fatal(err)
	}
	c.Layers, c.Recurrent, c.Vocab = 4, c.Recurrent[:4], 2048
	for _, tokens := range []int{1, 64, 512} {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("tokens=%d/threads=%d", tokens, threads), func(b *testing.B) {
				m, err := deltaloom.New(c, models.Synthetic(c, 1), deltaloom.Options{Unfused: true, Threads: threads})
				if err != nil {
					b.Fatal(err)
				}
				defer m.Close()
				s, err := m.NewSession(deltaloom.SessionOptions{Context: 4096, UBatch: tokens})
				if err != nil {
					b.Fatal(err)
				}
				q := begin(b, s)
				step := func(n int) time.Duration {
					start := time.Now()
					if _, err := s.Eval(b.Context(), deltaloom.LastRow, deltaloom.Next{Seq: q, Tokens: make([]int32, n)}); err != nil {
						b.Fatal(err)
					}
					return time.Since(start)
				}
				if tokens == 1 {
					step(16)
				}
				step(tokens)
				best := time.Duration(math.MaxInt64)
				for b.Loop() {
					if q.Len()+tokens > max(256, 2*tokens) {
						if err := q.End(); err != nil {
							b.Fatal(err)
						}
						q = begin(b, s)
					}
					best = min(best, step(tokens))
				}
				programs := m.Programs()
				b.ReportMetric(best.Seconds()*1e3, "best-ms")
				b.ReportMetric(float64(programs[len(programs)-1].Launches), "barriers")
			})
		}
	}
}
