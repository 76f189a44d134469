package quant_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/quant"
)

// Weights that llama.cpp packed from normal numbers of deviation 1/sqrt(n)
// unpack to such numbers, and packing them again changes next to nothing.
func TestGoldenWeights(t *testing.T) {
	dir := os.Getenv("DELTALOOM_GOLDEN")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "golden")
	}
	for name, dt := range map[string]graph.DType{"q3n-quant-q4_K-s7": graph.Q4_K, "q35moe-quant-q6_K-s7": graph.Q6_K} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name+".gguf")
			if _, err := os.Stat(path); err != nil {
				t.Skipf("REFERENCE DATA ABSENT: %s (set DELTALOOM_GOLDEN): %v", name, err)
			}
			f, err := gguf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			packed := 0
			for _, w := range f.Tensors() {
				if w.Shape.DType != dt {
					continue
				}
				packed++
				x, again := make([]float32, w.Shape.Len()), make([]float32, w.Shape.Len())
				b := make([]byte, len(w.Data()))
				for _, err := range []error{
					quant.Unpack(dt, x, w.Data()), quant.Pack(dt, b, x), quant.Unpack(dt, again, b),
				} {
					if err != nil {
						t.Fatal(err)
					}
				}
				var sum, diff float64
				for i, v := range x {
					sum += float64(v) * float64(v)
					diff += math.Pow(float64(v)-float64(again[i]), 2)
				}
				if rms := math.Sqrt(sum / float64(len(x))); !(rms > 0.01 && rms < 2) {
					t.Errorf("%s: RMS %g", w.Name, rms)
				}
				if !(diff <= 2e-4*sum) {
					t.Errorf("%s: packed again NMSE %.3g", w.Name, diff/sum)
				}
			}
			if packed == 0 {
				t.Errorf("no tensor of %v", dt)
			}
		})
	}
}
