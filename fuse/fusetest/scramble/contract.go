package scramble

import (
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

func init() {
	add(Contract, "mul and sum_last as matmul", productOfRows)
	add(Contract, "matmul as mul and sum_last", sumOfProducts)
	add(Contract, "an outer product as matmul", outerProduct)
}

// productOfRows writes sum_last(mul(a, b)) as a matmul: of whole matrices where
// one operand has a single row, else row by row.
func productOfRows(s *sweep, n *graph.Node, _ []graph.Value) []graph.Value {
	if n.Op() != ops.SumLastOp || n.In(0).Node().Op() != ops.MulOp || !s.hit() {
		return nil
	}
	mul := n.In(0).Node()
	dims := n.In(0).Shape().Dims()
	K := dims[len(dims)-1]
	full := func(v graph.Value) graph.Value { // with the last axis whole, of rank 2 or more
		if v.Shape().Rank() == 0 {
			v = ops.Reshape(v, 1)
		}
		d := aligned(v, max(2, len(dims))).Shape().Dims()
		v = ops.Reshape(v, d...)
		d[len(d)-1] = K
		return ops.Broadcast(v, d...)
	}
	a, b := full(s.value(mul.In(0))), full(s.value(mul.In(1)))
	want := n.Out(0).Shape().Dims()
	switch {
	case b.Shape().Dim(-2) == 1:
		return []graph.Value{ops.Reshape(ops.MatMul(a, b), want...)}
	case a.Shape().Dim(-2) == 1:
		return []graph.Value{ops.Reshape(ops.MatMul(b, a), want...)}
	}
	rows := func(v graph.Value) graph.Value {
		v = ops.Broadcast(v, dims...)
		return ops.Reshape(v, v.Shape().Len()/K, 1, K)
	}
	return []graph.Value{ops.Reshape(ops.MatMul(rows(a), rows(b)), want...)}
}

// sumOfProducts writes matmul as sum_last(mul(a, b)).
func sumOfProducts(s *sweep, n *graph.Node, in []graph.Value) []graph.Value {
	if n.Op() != ops.MatMulOp || !isF32(in...) || withWeight(n) || !s.hit() {
		return nil
	}
	a, b := in[0], in[1]
	want := n.Out(0).Shape().Dims()
	row := func(v graph.Value, at int) graph.Value { // an axis of extent 1 before the last at axes
		d := v.Shape().Dims()
		return ops.Reshape(v, slices.Insert(d, len(d)-at, 1)...)
	}
	switch {
	case a.Shape().Dim(-2) == 1 || b.Shape().Dim(-2) == 1:
		return []graph.Value{ops.Reshape(ops.SumLast(ops.Mul(a, b)), want...)}
	case len(want) < graph.MaxRank && a.Shape().Rank() < graph.MaxRank && b.Shape().Rank() < graph.MaxRank:
		return []graph.Value{ops.Reshape(ops.SumLast(ops.Mul(row(a, 1), row(b, 2))), want...)}
	}
	return nil
}

// outerProduct writes mul of a column and a row as a matmul over one element.
func outerProduct(s *sweep, n *graph.Node, in []graph.Value) []graph.Value {
	want := n.Out(0).Shape().Dims()
	if n.Op() != ops.MulOp || len(want) < 2 || n.Out(0).Shape().Len() == 1 || !s.hit() {
		return nil
	}
	r := len(want)
	for i := range 2 {
		if in[i].Shape().Rank() == 0 || in[1-i].Shape().Rank() == 0 {
			return nil
		}
		a, b := aligned(in[i], r), aligned(in[1-i], r)
		da, db := a.Shape(), b.Shape()
		if da.Dim(-1) == 1 && da.Dim(-2) == want[r-2] && db.Dim(-2) == 1 && db.Dim(-1) == want[r-1] {
			return []graph.Value{ops.MatMul(a, ops.Transpose(b))}
		}
	}
	return nil
}
