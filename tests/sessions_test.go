package tests

import (
	"cmp"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/deltaloom/deltaloom"
)

// BenchmarkSequences lets one sequence go on and then 16 at once, in turn, with the model
// in $DELTALOOM_FILE on the backend $DELTALOOM_BACKEND, the processor where that is not
// given, and reports tokens a second of both, prompts of 8 tokens included, and the median
// of the ratios round by round.
func BenchmarkSequences(b *testing.B) {
	path := os.Getenv("DELTALOOM_FILE")
	if path == "" {
		b.Skip("NO MODEL: set DELTALOOM_FILE to a GGUF file")
	}
	backend := cmp.Or(os.Getenv("DELTALOOM_BACKEND"), "cpu")
	if backend == "cuda" {
		onTheCard(b)
	}
	m := open(b, path, deltaloom.Options{Backend: backend})
	s := session(b, m, deltaloom.SessionOptions{Seqs: 16})
	const tokens = 32
	run := func(sequences int) float64 {
		var all sync.WaitGroup
		start := time.Now()
		for i := range sequences {
			q := begin(b, s)
			all.Go(func() {
				generate(b, q, []int32{int32(i), 2, 3, 4, 5, 6, 7, 8}, tokens)
				if err := q.End(); err != nil {
					b.Error(err)
				}
			})
		}
		all.Wait()
		return float64(sequences*tokens) / time.Since(start).Seconds()
	}
	run(1)
	run(16)
	var one, together, ratios []float64
	for b.Loop() {
		one, together = append(one, run(1)), append(together, run(16))
		ratios = append(ratios, together[len(together)-1]/one[len(one)-1])
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(one), "one-tokens/s")
	b.ReportMetric(median(together), "16-tokens/s")
	b.ReportMetric(median(ratios), "ratio")
}

func median(x []float64) float64 {
	slices.Sort(x)
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}
