package ops

import (
	"math"

	"github.com/deltaloom/deltaloom/graph"
)

// L2Mode says where eps stands in l2_norm. The two meanings are both called L2
// norm, and they differ for short vectors.
type L2Mode int

const (
	L2Sum L2Mode = iota + 1 // x / √(Σx² + eps)
	L2Max                   // x / max(√Σx², eps)
)

var l2Modes = []string{"", "sum", "max"}

func (m L2Mode) String() string               { return enumName(l2Modes, int(m)) }
func (m L2Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }
func (m *L2Mode) UnmarshalText(text []byte) error {
	return parseEnum(l2Modes, string(text), (*int)(m))
}

// L2NormAttrs are the attributes of l2_norm.
type L2NormAttrs struct {
	Mode L2Mode
	Eps  float32
}

var L2NormOp = graph.Register(&graph.Op{
	Name:  "l2_norm",
	Doc:   `mode sum: y = x / √(Σ_k x[k]² + eps); mode max: y = x / max(√Σ_k x[k]², eps). x, y [... K].`,
	Attrs: L2NormAttrs{}, Arity: 1,
	InPlace: inPlace,
	Axes:    graph.LastAxes(1),
	Infer: func(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
		l := graph.AttrsOf[L2NormAttrs](a)
		if err := wantEnum("mode", l2Modes, int(l.Mode)); err != nil {
			return nil, err
		}
		if err := wantEps(l.Eps); err != nil {
			return nil, err
		}
		return in, wantF32(1, in...)
	},
	Eval: func(in []graph.Tensor, a graph.Attrs, out []graph.Tensor) {
		l := graph.AttrsOf[L2NormAttrs](a)
		lastRows(in[0], out[0], func(x, y []float32) {
			if l.Mode == L2Sum {
				divide(y, x, math.Sqrt(sumSquares(x)+float64(l.Eps)))
			} else {
				divide(y, x, max(math.Sqrt(sumSquares(x)), float64(l.Eps)))
			}
		})
	},
	Cases: lastAxisCases(L2NormAttrs{L2Sum, 1e-6}, L2NormAttrs{L2Max, 1e-6}, L2NormAttrs{L2Sum, 10}, L2NormAttrs{L2Max, 10}, L2NormAttrs{L2Max, 0}),
})

// L2Norm divides the last axis by its Euclidean length.
func L2Norm(x graph.Value, mode L2Mode, eps float32) graph.Value {
	return one(L2NormOp, L2NormAttrs{mode, eps}, x)
}
