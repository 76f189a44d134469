// Quickstart is a program outside the module: it writes a delta-net layer in
// plain ops, adds an op and a fusion rule of its own, fuses, draws the graph
// before and after, and runs both on Gorgonia tensors.
package main

import (
	"context"
	"fmt"
	"log"
	"math"
	"math/rand/v2"

	"gorgonia.org/tensor"

	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/interop/gorgonia"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/tools/graphviz"
)

// layer is one token of a gated delta net with H heads of size D on a stream of
// width W.
func layer(W, H, D int) (*graph.Graph, error) {
	b := graph.NewBuilder()
	f32 := func(dims ...int) graph.Shape { return graph.ShapeOf(graph.F32, dims...) }
	x, s := b.Input("x", f32(1, W)), b.State("s", f32(1, H, D, D))
	heads := func(w string, n int) graph.Value { // [1 H 1 n]
		return ops.Reshape(ops.Linear(x, b.Weight(w, f32(H*n, W))), 1, H, 1, n)
	}
	q, k := ops.L2Norm(heads("wq", D), ops.L2Sum, 1e-6), ops.L2Norm(heads("wk", D), ops.L2Sum, 1e-6)
	v := ops.Transpose(heads("wv", D))             // [1 H D 1]
	decay := ops.Neg(ops.Softplus(heads("wg", 1))) // in log space
	beta := ops.Sigmoid(heads("wb", 1))

	decayed := ops.Mul(s, ops.Exp(decay))                                // S~ = exp(g) S
	delta := ops.Mul(ops.Sub(v, ops.SumLast(ops.Mul(decayed, k))), beta) // beta (v - S~ k)
	next := ops.Add(decayed, ops.Mul(delta, k))                          // S' = S~ + delta kᵀ
	o := ops.Transpose(ops.SumLast(ops.Mul(next, q)))                    // S' q

	y := ops.Mul(ops.RMSNorm(o, 1e-6), ops.Silu(heads("wz", D)))
	b.Output("y", ops.Linear(ops.Reshape(y, 1, H*D), b.Weight("wo", f32(W, H*D))))
	b.SetState(s, next)
	return b.Build()
}

// An op of our own: x / sqrt(mean(x²) + 1e-6) · silu(z).
var gatedNormOp = graph.Register(&graph.Op{
	Name: "my_gated_norm", Doc: "rms_norm(x) · silu(z)", Arity: 2,
	Infer: func(in []graph.Shape, _ graph.Attrs) ([]graph.Shape, error) {
		if in[0] != in[1] || in[0].DType != graph.F32 {
			return nil, fmt.Errorf("want two f32 of one shape, have %v and %v", in[0], in[1])
		}
		return in[:1], nil
	},
	Eval: func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) {
		n := in[0].Shape.Dim(-1)
		for r := 0; r < len(in[0].F); r += n {
			var sum float64
			for _, x := range in[0].F[r : r+n] {
				sum += float64(x) * float64(x)
			}
			for i := r; i < r+n; i++ {
				z := float64(in[1].F[i])
				out[0].F[i] = float32(float64(in[0].F[i]) / math.Sqrt(sum/float64(n)+1e-6) * z / (1 + math.Exp(-z)))
			}
		}
	},
})

// A rule of our own: the pattern is the formula, as the layer writes it.
var gatedNorm = &fuse.Rule{
	Name: "my/gated-norm", Doc: "rms_norm(x) · silu(z) → my_gated_norm",
	Pattern: func(p *fuse.P, d fuse.Dims) fuse.Rewrite {
		x, z := p.Var("x", d.X.Slice()...), p.Var("z", d.X.Slice()...)
		p.Out(ops.Mul(ops.RMSNorm(x, 1e-6), ops.Silu(z)))
		return func(m *fuse.Match) []graph.Value {
			return []graph.Value{graph.Apply(gatedNormOp, nil, m.Get(x), m.Get(z)).Out(0)}
		}
	},
	Examples: []fuse.Dims{{X: graph.IntsOf(2, 3, 8)}},
}

func main() {
	log.SetFlags(0)
	before, err := layer(64, 4, 16)
	check(err)
	after, report, err := fuse.Run(before, fuse.Options{Rules: append(fuse.Default(), gatedNorm)})
	check(err)
	fmt.Printf("%d compute nodes before, %d after: %v\n", report.Before.Compute, report.After.Compute, report.After.Ops)
	check(graphviz.WritePair("out", before, after, graphviz.Options{Title: "quickstart"}))

	feeds := map[string]*tensor.Dense{}
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range before.Nodes() {
		if n.Name() == "" {
			continue
		}
		data := make([]float32, n.Out(0).Shape().Len())
		for i := range data {
			data[i] = float32(r.NormFloat64()) / 4
		}
		feeds[n.Name()] = tensor.New(tensor.WithShape(n.Out(0).Shape().Dims()...), tensor.WithBacking(data))
	}
	want, err := gorgonia.Run(context.Background(), nil, before, feeds)
	check(err)
	have, err := gorgonia.Run(context.Background(), nil, after, feeds)
	check(err)
	var diff, norm float64
	for i, w := range want["y"].Data().([]float32) {
		d := float64(have["y"].Data().([]float32)[i] - w)
		diff, norm = diff+d*d, norm+float64(w)*float64(w)
	}
	fmt.Printf("NMSE %.1e\n", diff/norm)
	if report.DeltaNets != 1 || report.After.Ops["my_gated_norm"] != 1 || !(diff/norm < 1e-12) {
		log.Fatal("not what was expected")
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
