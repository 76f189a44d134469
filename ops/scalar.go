package ops

import (
	"fmt"
	"math"

	"github.com/deltaloom/deltaloom/graph"
)

// ScalarAttrs is the number of scale and add_scalar.
type ScalarAttrs struct{ S float32 }

// ClampAttrs is the interval of clamp.
type ClampAttrs struct{ Lo, Hi float32 }

var (
	ScaleOp     = scalar("scale", "y = s·x", func(x, s float64) float64 { return x * s })
	AddScalarOp = scalar("add_scalar", "y = x + s", func(x, s float64) float64 { return x + s })

	ClampOp = graph.Register(&graph.Op{
		Name: "clamp", Doc: "y = min(max(x, lo), hi), each element by itself.", Attrs: ClampAttrs{}, Arity: 1,
		InPlace: inPlace,
		Axes:    graph.Pointwise,
		Infer: func(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
			if c := graph.AttrsOf[ClampAttrs](a); !(c.Lo <= c.Hi) {
				return nil, fmt.Errorf("no interval from %v to %v", c.Lo, c.Hi)
			}
			return in, wantF32(0, in...)
		},
		Eval: func(in []graph.Tensor, a graph.Attrs, out []graph.Tensor) {
			c := graph.AttrsOf[ClampAttrs](a)
			for i, x := range in[0].F {
				out[0].F[i] = min(max(x, c.Lo), c.Hi)
			}
		},
		Cases: lastAxisCases(ClampAttrs{-0.25, 0.5}, ClampAttrs{6.103515625e-5, float32(math.Inf(1))}),
	})
)

// Scale returns s·x.
func Scale(x graph.Value, s float32) graph.Value { return one(ScaleOp, ScalarAttrs{s}, x) }

// AddScalar returns x + s.
func AddScalar(x graph.Value, s float32) graph.Value { return one(AddScalarOp, ScalarAttrs{s}, x) }

// Clamp returns min(max(x, lo), hi).
func Clamp(x graph.Value, lo, hi float32) graph.Value { return one(ClampOp, ClampAttrs{lo, hi}, x) }

func scalar(name, doc string, f func(x, s float64) float64) *graph.Op {
	return graph.Register(&graph.Op{
		Name: name, Doc: doc + ", each element by itself.", Attrs: ScalarAttrs{}, Arity: 1,
		InPlace: inPlace,
		Axes:    graph.Pointwise,
		Infer: func(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
			if isNaN(graph.AttrsOf[ScalarAttrs](a).S) {
				return nil, errNaN
			}
			return in, wantF32(0, in...)
		},
		Eval: func(in []graph.Tensor, a graph.Attrs, out []graph.Tensor) {
			s := float64(graph.AttrsOf[ScalarAttrs](a).S)
			for i, x := range in[0].F {
				out[0].F[i] = float32(f(float64(x), s))
			}
		},
		Cases: lastAxisCases(ScalarAttrs{0.08838835}, ScalarAttrs{-2}, ScalarAttrs{}),
	})
}
