package fuse

import (
	"fmt"
	"testing"

	"github.com/deltaloom/deltaloom/models"
)

// BenchmarkRun measures all default rules on the qwen35 shape. Microseconds a
// node are of the unfused graph.
func BenchmarkRun(b *testing.B) {
	for _, tokens := range []int{1, 512} {
		for _, layers := range []int{24, 48, 192} {
			b.Run(fmt.Sprintf("layers=%d/tokens=%d", layers, tokens), func(b *testing.B) {
				c, err := models.ByName("qwen3.5-0.8b")
				if err != nil {
					b.Fatal(err)
				}
				c.Layers = layers
				c.Recurrent = nil
				for i := range layers {
					c.Recurrent = append(c.Recurrent, (i+1)%4 != 0)
				}
				g, err := models.Build(c, models.Step{Tokens: tokens})
				if err != nil {
					b.Fatal(err)
				}
				nodes := len(g.Nodes())
				b.ReportAllocs()
				for b.Loop() {
					if _, _, err := Run(g, Options{}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(nodes), "nodes")
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*nodes), "µs/node")
			})
		}
	}
}
