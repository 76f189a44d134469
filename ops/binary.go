package ops

import "github.com/deltaloom/deltaloom/graph"

// The elementwise functions of two operands, which broadcast.
var (
	AddOp = binary("add", "y = a + b", true, func(a, b float64) float64 { return a + b })
	SubOp = binary("sub", "y = a - b", false, func(a, b float64) float64 { return a - b })
	MulOp = binary("mul", "y = a·b", true, func(a, b float64) float64 { return a * b })
	DivOp = binary("div", "y = a/b", false, func(a, b float64) float64 { return a / b })
	MaxOp = binary("max", "y = the larger of a and b, NaN where one is", true, func(a, b float64) float64 { return max(a, b) })
	MinOp = binary("min", "y = the smaller of a and b, NaN where one is", true, func(a, b float64) float64 { return min(a, b) })
)

// Add returns a + b.
func Add(a, b graph.Value) graph.Value { return one(AddOp, nil, a, b) }

// Sub returns a - b.
func Sub(a, b graph.Value) graph.Value { return one(SubOp, nil, a, b) }

// Mul returns a·b, element by element.
func Mul(a, b graph.Value) graph.Value { return one(MulOp, nil, a, b) }

// Div returns a/b.
func Div(a, b graph.Value) graph.Value { return one(DivOp, nil, a, b) }

// Max returns the larger one of a and b.
func Max(a, b graph.Value) graph.Value { return one(MaxOp, nil, a, b) }

// Min returns the smaller one of a and b.
func Min(a, b graph.Value) graph.Value { return one(MinOp, nil, a, b) }

// Square returns x·x.
func Square(x graph.Value) graph.Value { return Mul(x, x) }

// binaryCases broadcast on either side, inside, and not at all.
var binaryCases = [][2]graph.Shape{
	{f32(), f32()},
	{f32(3, 5), f32(3, 5)},
	{f32(2, 3, 4, 33), f32(2, 3, 4, 33)},
	{f32(4, 64), f32(64)},
	{f32(), f32(7)},
	{f32(2, 3, 1, 16), f32(2, 3, 8, 1)},
	{f32(2, 1, 5, 3), f32(4, 1, 3)},
	{f32(1, 3, 1, 5, 1, 2), f32(2, 3, 2, 1, 4, 2)},
	{f32(1, 1, 6), f32(6)},
	{f32(2, 4, 16, 16), f32(2, 4, 1, 1)},
}

func binary(name, doc string, commutative bool, f func(a, b float64) float64) *graph.Op {
	var cases []graph.Case
	for _, s := range binaryCases {
		c := graph.Case{In: shapes(s[0], s[1])}
		if name == "div" { // quotients of small numbers would hide the others in the norm
			c.Fill = uniform(0.5, 2)
		}
		cases = append(cases, c)
	}
	return graph.Register(&graph.Op{
		Name: name, Doc: doc + ", each element by itself. Operands broadcast.", Arity: 2,
		Commutative: commutative,
		InPlace:     []graph.Alias{{Result: 0, Operand: 0}, {Result: 0, Operand: 1}},
		Axes:        graph.Pointwise,
		Infer: func(in []graph.Shape, _ graph.Attrs) ([]graph.Shape, error) {
			if err := wantF32(0, in...); err != nil {
				return nil, err
			}
			dims, err := broadcastDims(in[0].Dims(), in[1].Dims())
			if err != nil {
				return nil, err
			}
			return result(graph.F32, dims...)
		},
		Eval: func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) {
			a, b, y := in[0].F, in[1].F, out[0].F
			newNest(out[0].Shape.Dims(), in[0].Shape.Dims(), in[1].Shape.Dims()).rows(func(r row) {
				i, j := r.at[0], r.at[1]
				to := y[r.out : r.out+r.n]
				for k := range to {
					to[k] = float32(f(float64(a[i]), float64(b[j])))
					i += r.step[0]
					j += r.step[1]
				}
			})
		},
		Cases: caseList(cases...),
	})
}
