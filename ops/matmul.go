package ops

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/quant"
)

var MatMulOp = graph.Register(&graph.Op{
	Name: "matmul",
	Doc: `y[m n] = Σ_k a[m k]·b[n k]. a [... M K] is f32, b [... N K] of any type of weight; leading axes
broadcast; y [... M N].`,
	Arity:    2,
	Contract: true,
	Infer: func(in []graph.Shape, _ graph.Attrs) ([]graph.Shape, error) {
		a, b := in[0], in[1]
		if err := wantF32(2, a); err != nil {
			return nil, err
		}
		if b.Rank() < 2 || b.DType == graph.I32 {
			return nil, fmt.Errorf("operand 1 is %v, want numbers of rank 2 or more", b)
		}
		if a.Dim(-1) != b.Dim(-1) {
			return nil, fmt.Errorf("last axes of %v and %v differ", a, b)
		}
		dims, err := broadcastDims(lead(a, 2), lead(b, 2))
		if err != nil {
			return nil, err
		}
		return result(graph.F32, append(dims, a.Dim(-2), b.Dim(-2))...)
	},
	Eval: func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) {
		evalMatMul(in[0], in[1], out[0], quant.Float)
	},
	Cases: matMulCases,
})

// MatMul returns a bᵀ: a [... M K], b [... N K] -> [... M N].
func MatMul(a, b graph.Value) graph.Value { return one(MatMulOp, nil, a, b) }

// Linear applies a weight to the last axis: x [... K], w [N K] -> [... N].
func Linear(x, w graph.Value) graph.Value {
	if s := x.Shape(); s.Valid() && s.Rank() == 1 {
		return Reshape(MatMul(Reshape(x, 1, s.Dim(0)), w), w.Shape().Dim(-2))
	}
	return MatMul(x, w)
}

func evalMatMul(a, b, y graph.Tensor, round quant.Rounding) {
	K, M, N := a.Shape.Dim(-1), a.Shape.Dim(-2), b.Shape.Dim(-2)
	dims, da, db := lead(y.Shape, 2), lead(a.Shape, 2), lead(b.Shape, 2)
	if product(db) == 1 { // one matrix for all rows of a: read it once
		dims, da, db, M = nil, nil, nil, product(da)*M
	}
	x, w := activations(a, K, b.Shape.DType, round), newWeightRows(b, K)
	pairs(dims, da, db, func(iy, ia, ib int) {
		x, y := x[ia*M*K:(ia+1)*M*K], y.F[iy*M*N:(iy+1)*M*N]
		for n := range N {
			row := w.at(ib*N + n)
			for m := range M {
				y[m*N+n] = float32(dot(x[m*K:(m+1)*K], row))
			}
		}
	})
}

// weightTypes are the types a weight may have, with the limit of a product. A
// backend may round activations as quant.RoundActivations does. A number rounded to p bits has a squared error of
// about 4^-p/6 of its square: 4e-8 for f16 and 3e-6 for bf16. In a block of
// 8-bit numbers the step is 1/127 of the largest of 32 or 256, some three
// deviations: about 5e-5.
var weightTypes = []struct {
	dt   graph.DType
	nmse float64
}{
	{graph.F16, 2e-7}, {graph.BF16, 6e-6},
	{graph.Q4_0, 2e-4}, {graph.Q4_1, 2e-4}, {graph.Q5_0, 2e-4}, {graph.Q5_1, 2e-4}, {graph.Q8_0, 2e-4},
	{graph.Q2_K, 2e-4}, {graph.Q3_K, 2e-4}, {graph.Q4_K, 2e-4}, {graph.Q5_K, 2e-4}, {graph.Q6_K, 2e-4},
	{graph.IQ4_NL, 2e-4}, {graph.IQ4_XS, 2e-4}, {graph.MXFP4, 2e-4},
}

func matMulCases(yield func(graph.Case) bool) {
	var all []graph.Case
	for _, s := range [][2]graph.Shape{
		{f32(1, 64), f32(32, 64)}, // a token
		{f32(1, 1), f32(1, 1)},
		{f32(5, 67), f32(33, 67)},
		{f32(17, 256), f32(64, 256)},
		{f32(2, 3, 4, 5), f32(2, 3, 6, 5)},
		{f32(2, 3, 4, 32), f32(7, 32)},             // a weight under a batch
		{f32(4, 32), f32(2, 3, 7, 32)},             // a batch of weights
		{f32(2, 1, 3, 16), f32(4, 5, 16)},          // both stretched
		{f32(1, 2, 4, 3, 64), f32(1, 2, 1, 9, 64)}, // grouped heads
		{f32(2, 3, 64, 64), f32(2, 3, 64, 64)},     // a chunk
	} {
		all = append(all, graph.Case{In: shapes(s[0], s[1])})
	}
	for _, K := range []int{32, 96, 224} { // of blocks of 32: parts of what kernels take at once
		for _, m := range []int{3, 20} {
			all = append(all, graph.Case{In: shapes(f32(m, K), graph.ShapeOf(graph.Q5_1, 5, K)), NMSE: 2e-4})
		}
	}
	all = append(all, graph.Case{In: shapes(f32(130, 67), f32(130, 67))}, graph.Case{In: shapes(f32(9, 70), graph.ShapeOf(graph.BF16, 9, 70)), NMSE: 6e-6},
		graph.Case{In: shapes(f32(130, 256), graph.ShapeOf(graph.Q6_K, 130, 256)), NMSE: 2e-4})
	for _, m := range []int{1, 6, 19} { // a matrix for each head
		all = append(all, graph.Case{In: shapes(f32(2, 3, m, 96), graph.ShapeOf(graph.Q5_0, 3, 37, 96)), NMSE: 2e-4})
	}
	for _, t := range weightTypes {
		for _, m := range []int{1, 2, 3, 5, 8, 9, 17} {
			all = append(all, graph.Case{In: shapes(f32(m, 512), graph.ShapeOf(t.dt, 48, 512)), NMSE: t.nmse})
		}
		// A matrix for each head.
		all = append(all, graph.Case{In: shapes(f32(2, 1, 256), graph.ShapeOf(t.dt, 2, 9, 256)), NMSE: t.nmse})
		for _, d := range [][3]int{{1, 35, 1280}, {70, 67, 256}} { // odd rows, more of everything than a tile has
			all = append(all, graph.Case{In: shapes(f32(d[0], d[2]), graph.ShapeOf(t.dt, d[1], d[2])), NMSE: t.nmse})
		}
	}
	caseList(all...)(yield)
}
