package nearmiss

import (
	"fmt"
	"math"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// maxNMSE is how far two graphs of one meaning may be apart.
const maxNMSE = 1e-10

func results(t testing.TB, g *graph.Graph, in map[string]graph.Tensor) map[string]graph.Tensor {
	t.Helper()
	r, err := ops.Run(g, in)
	if err != nil {
		t.Fatalf("%v\n%v", err, g)
	}
	for name, x := range r.States {
		r.Outputs["next "+name] = x
	}
	return r.Outputs
}

// differ says how have is not want; "" where it is.
func differ(want, have map[string]graph.Tensor) string {
	if len(want) != len(have) {
		return fmt.Sprintf("%d results, want %d", len(have), len(want))
	}
	for name, w := range want {
		h, ok := have[name]
		if !ok || h.Shape != w.Shape {
			return fmt.Sprintf("%s is %v, want %v", name, h.Shape, w.Shape)
		}
		if e := nmse(w.F, h.F); !(e <= maxNMSE) {
			return fmt.Sprintf("%s: NMSE %.3g", name, e)
		}
	}
	return ""
}

// nmse is Σ(h-w)²/Σw² over the elements where w is a number; where it is none, h
// must be none either.
func nmse(w, h []float32) float64 {
	var diff, norm float64
	for i := range w {
		x, y := float64(w[i]), float64(h[i])
		if !finite(x) {
			if finite(y) {
				return math.Inf(1)
			}
			continue
		}
		diff += (y - x) * (y - x)
		norm += x * x
	}
	if diff == 0 {
		return 0
	}
	return diff / norm
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
