package ops

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/deltaloom/deltaloom/graph"
)

var SolveTriOp = graph.Register(&graph.Op{
	Name: "solve_tri",
	Doc: `The x with a x = b, by forward substitution. a [... n n] is lower triangular: what stands above its
diagonal is not read, the diagonal is. b, x [... n m]; leading axes broadcast.`,
	Arity:   2,
	InPlace: []graph.Alias{{Result: 0, Operand: 1}},
	Axes:    graph.LastAxes(2),
	Infer: func(in []graph.Shape, _ graph.Attrs) ([]graph.Shape, error) {
		if err := wantF32(2, in...); err != nil {
			return nil, err
		}
		a, b := in[0], in[1]
		n := a.Dim(-1)
		if a.Dim(-2) != n || b.Dim(-2) != n {
			return nil, fmt.Errorf("%v and %v, want [n n] and [n m]", a, b)
		}
		dims, err := broadcastDims(lead(a, 2), lead(b, 2))
		if err != nil {
			return nil, err
		}
		return result(graph.F32, append(dims, n, b.Dim(-1))...)
	},
	Eval: func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) {
		a, b, y := in[0], in[1], out[0]
		n, m := b.Shape.Dim(-2), b.Shape.Dim(-1)
		x := make([]float64, n*m) // the result before it is rounded
		pairs(lead(y.Shape, 2), lead(a.Shape, 2), lead(b.Shape, 2), func(iy, ia, ib int) {
			for i, v := range b.F[ib*n*m : (ib+1)*n*m] {
				x[i] = float64(v)
			}
			for r := range n {
				row := a.F[(ia*n+r)*n : (ia*n+r+1)*n]
				xr := x[r*m : (r+1)*m]
				for k, f := range row[:r] {
					for j, v := range x[k*m : (k+1)*m] {
						xr[j] -= float64(f) * v
					}
				}
				for j := range xr {
					xr[j] /= float64(row[r])
				}
			}
			for i, v := range x {
				y.F[iy*n*m+i] = float32(v)
			}
		})
	},
	Cases: solveTriCases,
})

// SolveTri returns the x with a x = b: a [... n n] lower triangular, b [... n m].
func SolveTri(a, b graph.Value) graph.Value { return one(SolveTriOp, nil, a, b) }

func solveTriCases(yield func(graph.Case) bool) {
	var all []graph.Case
	for _, s := range [][2]graph.Shape{
		{f32(1, 1), f32(1, 1)},
		{f32(3, 4, 10, 10), f32(3, 4, 10, 3)},
		{f32(11, 11), f32(11, 5)},
		{f32(2, 2, 64, 64), f32(2, 2, 64, 64)},
		{f32(128, 128), f32(128, 32)},
		{f32(2, 16, 16), f32(16, 7)},
		{f32(16, 16), f32(3, 2, 16, 7)},
	} {
		all = append(all, graph.Case{In: shapes(s[0], s[1]), Fill: fillTriangular})
	}
	caseList(all...)(yield)
}

// fillTriangular draws a matrix whose inverse is tame, with numbers above the
// diagonal that nobody may read, and normal right sides.
func fillTriangular(i int, t graph.Tensor, r *rand.Rand) {
	fillNormal(t.F, r)
	if i > 0 {
		return
	}
	n := t.Shape.Dim(-1)
	for j := range t.F {
		switch row, col := j/n%n, j%n; {
		case row == col:
			t.F[j] = 0.5 + r.Float32()
		case row < col:
			t.F[j] = 1e6
		default:
			t.F[j] /= float32(math.Sqrt(float64(n)))
		}
	}
}
