package ops

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/quant"
)

var ExpertMatMulOp = graph.Register(&graph.Op{
	Name: "expert_matmul",
	Doc: `y[t u n] = Σ_k x[t u k]·w[idx[t u] n k]: each of the U experts that a token uses, by its number.
x [T U K], or [T 1 K] for one x for all of them, w [E N K] of any type of weight, idx i32 [T U] in 0..E-1;
y [T U N].`,
	Arity: 3,
	Infer: func(in []graph.Shape, _ graph.Attrs) ([]graph.Shape, error) {
		x, w, idx := in[0], in[1], in[2]
		if err := wantF32(3, x); err != nil {
			return nil, err
		}
		if err := wantIndex(2, idx, 2); err != nil {
			return nil, err
		}
		t, u := idx.Dim(0), idx.Dim(1)
		switch {
		case x.Rank() != 3 || w.Rank() != 3 || idx.Rank() != 2:
			return nil, fmt.Errorf("ranks of %v, %v, %v, want 3, 3, 2", x, w, idx)
		case w.DType == graph.I32:
			return nil, fmt.Errorf("operand 1 is %v, want numbers", w)
		case x.Dim(-1) != w.Dim(-1):
			return nil, fmt.Errorf("last axes of %v and %v differ", x, w)
		case x.Dim(0) != t || x.Dim(1) != u && x.Dim(1) != 1:
			return nil, fmt.Errorf("%v for the choice %v, want [%d %d or 1 K]", x, idx, t, u)
		}
		return result(graph.F32, t, u, w.Dim(1))
	},
	Eval: func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) {
		evalExpertMatMul(in[0], in[1], in[2], out[0], quant.Float)
	},
	Cases: expertMatMulCases,
})

// ExpertMatMul returns x wᵀ with the weight that idx chooses for each token and
// slot: x [T U K] or [T 1 K], w [E N K], idx i32 [T U] -> [T U N].
func ExpertMatMul(x, w, idx graph.Value) graph.Value { return one(ExpertMatMulOp, nil, x, w, idx) }

func evalExpertMatMul(x, w, idx, y graph.Tensor, round quant.Rounding) {
	E, N, K := w.Shape.Dim(0), w.Shape.Dim(1), w.Shape.Dim(2)
	each := idx.Shape.Len() / (x.Shape.Len() / K) // choices for one row of x
	xs, rows := activations(x, K, w.Shape.DType, round), newWeightRows(w, K)
	for e := range E { // an expert at a time: its rows are read once
		var chosen []int
		for i, c := range idx.I {
			if checkIndex(c, E) == e {
				chosen = append(chosen, i)
			}
		}
		if len(chosen) == 0 {
			continue
		}
		for n := range N {
			row := rows.at(e*N + n)
			for _, i := range chosen {
				at := i / each * K
				y.F[i*N+n] = float32(dot(xs[at:at+K], row))
			}
		}
	}
}

func expertMatMulCases(yield func(graph.Case) bool) {
	var all []graph.Case
	add := func(t, u, xu, e, n, k int, dt graph.DType, nmse float64) {
		all = append(all, graph.Case{In: shapes(f32(t, xu, k), graph.ShapeOf(dt, e, n, k), i32(t, u)), NMSE: nmse, Fill: indices(e)})
	}
	add(1, 2, 1, 4, 8, 32, graph.F32, 0)
	add(1, 8, 8, 16, 24, 64, graph.F32, 0)
	add(7, 3, 1, 5, 9, 33, graph.F32, 0)
	add(7, 3, 3, 5, 9, 33, graph.F32, 0)
	add(3, 1, 1, 1, 4, 16, graph.F32, 0)
	for _, t := range weightTypes {
		add(3, 2, 1, 4, 16, 256, t.dt, t.nmse)
	}
	caseList(all...)(yield)
}
