package runtimetest

import (
	"fmt"
	"math/rand/v2"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// DeltaBlock returns a delta_block over T tokens of one sequence, with Hk key and H
// value heads of D channels and one decay a head, and tensors for its operands: a
// workload for benchmarks.
func DeltaBlock(T, Hk, H, D int) (*graph.Node, []graph.Tensor, error) {
	net := func(in []graph.Value) []graph.Value {
		o, next := ops.DeltaNet(in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7], ops.GatedDeltaNetAttrs{Norm: ops.NormMax, Eps: 1e-6})
		return []graph.Value{o, next}
	}
	norm := func(in []graph.Value) []graph.Value {
		return []graph.Value{ops.GatedNorm(in[0], in[1], in[2], ops.Silu)}
	}
	f := func(dims ...int) graph.Shape { return graph.ShapeOf(graph.F32, dims...) }
	C := (2*Hk + H) * D
	shapes := []graph.Shape{f(1, 3, C), f(1, H, D, D), graph.ShapeOf(graph.I32, 1), f(1, T, C), f(C, 4),
		f(1, T, H, 1), f(H, 1), f(H, 1), f(1, T, H, 1), f(D), f(1, T, H, D)}
	const A = 7 // negative, for states that decay
	return workload(shapes, func(i int, x float32) float32 {
		if i == A {
			return -max(x, -x)
		}
		return x
	}, func(in []graph.Value) *graph.Node {
		return ops.Wrap(ops.DeltaBlockOp, func(in []graph.Value) []graph.Value { return ops.DeltaBlock(Hk, net, norm, in...) }, in...)[0].Node()
	})
}

// GatedDeltaNet returns a gated_delta_net over T tokens of B sequences with D
// channels and one decay a head, or one a key channel where channels is true.
func GatedDeltaNet(B, T, Hk, H, D int, channels bool) (*graph.Node, []graph.Tensor, error) {
	f := func(dims ...int) graph.Shape { return graph.ShapeOf(graph.F32, dims...) }
	G := 1
	if channels {
		G = D
	}
	shapes := []graph.Shape{f(B, T, Hk, D), f(B, T, Hk, D), f(B, T, H, D), f(B, T, H, G), f(B, T, H, 1), f(B, H, D, D)}
	const decay, beta = 3, 4
	return workload(shapes, func(i int, x float32) float32 {
		switch i {
		case decay:
			return -max(x, -x) / 10
		case beta:
			return min(max(x, -x), 1)
		}
		return x
	}, func(in []graph.Value) *graph.Node {
		o, _ := ops.GatedDeltaNet(in[0], in[1], in[2], in[3], in[4], in[5], ops.GatedDeltaNetAttrs{Norm: ops.NormSum, Eps: 1e-6, Scale: 0.0883883})
		return o.Node()
	})
}

// workload draws operands from a normal distribution, and lets adjust change them.
func workload(shapes []graph.Shape, adjust func(operand int, x float32) float32, build func(in []graph.Value) *graph.Node) (*graph.Node, []graph.Tensor, error) {
	b, r := graph.NewBuilder(), rand.New(rand.NewPCG(1, 2))
	in, tensors := make([]graph.Value, len(shapes)), make([]graph.Tensor, len(shapes))
	for i, s := range shapes {
		in[i], tensors[i] = b.Input(fmt.Sprint(i), s), graph.NewTensor(s)
		for j := range tensors[i].F {
			tensors[i].F[j] = adjust(i, float32(r.NormFloat64()))
		}
	}
	n := build(in)
	return n, tensors, b.Err()
}
