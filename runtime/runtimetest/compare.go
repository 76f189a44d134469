package runtimetest

import (
	"bytes"
	"fmt"
	"math"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/quant"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// near holds tensors of f32 and f16 to a normalised mean square error,
// Σ(got-want)²/Σwant², and all others to equality. Infinities must be equal, and
// NaNs in the same places.
func near(got, want graph.Tensor, limit float64) error {
	if want.Shape.DType == graph.F16 {
		got, want = widened(got), widened(want)
	}
	if want.Shape.DType != graph.F32 {
		if !same(got, want) {
			return fmt.Errorf("have %v %v, want %v %v", got.I, got.Raw, want.I, want.Raw)
		}
		return nil
	}
	var diff, sum float64
	for i, w := range want.F {
		g := float64(got.F[i])
		w := float64(w)
		switch {
		case g == w || math.IsNaN(g) && math.IsNaN(w):
			g = w
		case math.IsNaN(g-w) || math.IsInf(g-w, 0):
			return fmt.Errorf("element %d is %v, want %v", i, g, w)
		default:
			diff += (g - w) * (g - w)
		}
		if !math.IsNaN(w) && !math.IsInf(w, 0) {
			sum += w * w
		}
	}
	if diff > limit*sum {
		return fmt.Errorf("NMSE %.3g, want at most %g", diff/sum, limit)
	}
	return nil
}

// widened returns a tensor of f16 as f32.
func widened(t graph.Tensor) graph.Tensor {
	w := graph.NewTensor(graph.ShapeOf(graph.F32, t.Shape.Dims()...))
	if err := quant.Unpack(graph.F16, w.F, t.Raw); err != nil {
		panic(err) // the sizes are those of one shape
	}
	return w
}

// same reports equal bits.
func same(a, b graph.Tensor) bool {
	return bytes.Equal(sched.HostOf(a).Bytes(), sched.HostOf(b).Bytes())
}
