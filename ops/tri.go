package ops

import "github.com/deltaloom/deltaloom/graph"

// TriKind is the part of a matrix that tri keeps.
type TriKind int

const (
	Lower       TriKind = iota + 1 // column ≤ row
	StrictLower                    // column < row
	Upper                          // column ≥ row
	StrictUpper                    // column > row
)

var triKinds = []string{"", "lower", "strict_lower", "upper", "strict_upper"}

func (k TriKind) String() string               { return enumName(triKinds, int(k)) }
func (k TriKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
func (k *TriKind) UnmarshalText(text []byte) error {
	return parseEnum(triKinds, string(text), (*int)(k))
}

// TriAttrs are the attributes of tri.
type TriAttrs struct{ Kind TriKind }

var TriOp = graph.Register(&graph.Op{
	Name: "tri",
	Doc: `y[r c] = x[r c] in the kept triangle and 0 elsewhere; lower keeps c ≤ r, strict_lower c < r, upper c ≥ r,
strict_upper c > r. x, y [... R C].`,
	Attrs: TriAttrs{}, Arity: 1,
	InPlace: inPlace,
	Axes:    graph.LastAxes(2),
	Infer: func(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
		if err := wantEnum("kind", triKinds, int(graph.AttrsOf[TriAttrs](a).Kind)); err != nil {
			return nil, err
		}
		return in, wantF32(2, in...)
	},
	Eval: func(in []graph.Tensor, a graph.Attrs, out []graph.Tensor) {
		kind, rows, row := graph.AttrsOf[TriAttrs](a).Kind, in[0].Shape.Dim(-2), 0
		lastRows(in[0], out[0], func(x, y []float32) {
			r := row % rows
			row++
			for c, v := range x {
				if y[c] = 0; kind.keeps(r, c) {
					y[c] = v
				}
			}
		})
	},
	Cases: triCases,
})

// Tri keeps a triangle of the last two axes and zeroes the rest.
func Tri(x graph.Value, kind TriKind) graph.Value { return one(TriOp, TriAttrs{kind}, x) }

func (k TriKind) keeps(row, col int) bool {
	switch k {
	case Lower:
		return col <= row
	case StrictLower:
		return col < row
	case Upper:
		return col >= row
	}
	return col > row
}

func triCases(yield func(graph.Case) bool) {
	var all []graph.Case
	for k := Lower; k <= StrictUpper; k++ {
		for _, s := range []graph.Shape{f32(1, 1), f32(3, 4, 10, 10), f32(2, 64, 64), f32(5, 9), f32(9, 5)} {
			all = append(all, graph.Case{In: shapes(s), Attrs: TriAttrs{k}})
		}
	}
	caseList(all...)(yield)
}
