package fusetest

import (
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// sizes of a delta net in these tests.
type sizes struct{ B, T, Hk, H, V, K, G int }

// inputs are the operands of a delta net, in the layout of gated_delta_net.
type inputs struct{ q, k, v, g, beta, s graph.Value }

func (d sizes) inputs(b *graph.Builder, prefix string) inputs {
	in := func(name string, dims ...int) graph.Value {
		return b.Input(prefix+name, graph.ShapeOf(graph.F32, dims...))
	}
	return inputs{
		q: in("q", d.B, d.T, d.Hk, d.K), k: in("k", d.B, d.T, d.Hk, d.K), v: in("v", d.B, d.T, d.H, d.V),
		g: in("g", d.B, d.T, d.H, d.G), beta: in("beta", d.B, d.T, d.H, 1),
		s: b.State(prefix+"s", graph.ShapeOf(graph.F32, d.B, d.H, d.V, d.K)),
	}
}

// built returns the graph or fails the test.
func built(t testing.TB, b *graph.Builder) *graph.Graph {
	t.Helper()
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// heads turns [B T H D] into [B H T D].
func heads(x graph.Value) graph.Value { return ops.Permute(x, 0, 2, 1, 3) }

// chunked is a delta net for more tokens, of which the last chunk is padded.
func chunked(t testing.TB, d sizes) *graph.Graph {
	b := graph.NewBuilder()
	in := d.inputs(b, "")
	o, next := ops.DeltaRule(in.q, in.k, in.v, in.g, in.beta, in.s)
	b.SetState(in.s, next)
	b.Output("o", o)
	return built(t, b)
}

// unrolled computes T tokens one after another, each from a slice of the operands.
func unrolled(t testing.TB, d sizes) *graph.Graph {
	b := graph.NewBuilder()
	in := d.inputs(b, "")
	s := in.s
	var outs []graph.Value
	for i := range d.T {
		at := func(x graph.Value) graph.Value { return heads(ops.Slice(x, 1, i, 1)) }
		var o graph.Value
		o, s = ops.DeltaStep(at(in.q), at(in.k), ops.Transpose(at(in.v)), at(in.g), at(in.beta), s)
		outs = append(outs, ops.Permute(o, 0, 3, 1, 2))
	}
	b.SetState(in.s, s)
	b.Output("o", ops.Concat(1, outs...))
	return built(t, b)
}

// recurrentKV is the recurrent form as Hugging Face's models have it: the state is
// [B H K V], k is unsqueezed, the sums run over the key axis.
func recurrentKV(t testing.TB, d sizes) *graph.Graph {
	b := graph.NewBuilder()
	in := d.inputs(b, "")
	column := func(x graph.Value) graph.Value { // [B 1 H D] -> [B H D 1]
		s := x.Shape()
		return ops.Reshape(x, s.Dim(0), s.Dim(2), s.Dim(3), 1)
	}
	row := func(x graph.Value) graph.Value { // [B 1 H D] -> [B H 1 D]
		s := x.Shape()
		return ops.Reshape(x, s.Dim(0), s.Dim(2), 1, s.Dim(3))
	}
	state := b.State("kv", graph.ShapeOf(graph.F32, d.B, d.H, d.K, d.V))
	s := ops.Mul(state, ops.Exp(column(in.g)))
	recalled := ops.Sum(ops.Mul(s, column(in.k)), -2)            // [B H 1 V]
	delta := ops.Mul(ops.Sub(row(in.v), recalled), row(in.beta)) // [B H 1 V]
	s = ops.Add(s, ops.Mul(column(in.k), delta))                 // [B H K V]
	o := ops.Sum(ops.Mul(s, column(ops.Scale(in.q, 0.5))), -2)   // [B H 1 V]
	b.SetState(state, s)
	b.Output("o", ops.Reshape(o, d.B, 1, d.H, d.V))
	return built(t, b)
}
