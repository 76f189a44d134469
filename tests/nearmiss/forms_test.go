// Package nearmiss holds fusion to graphs that are almost delta nets: each
// differs from one in one essential way, and none may be rewritten into something
// that computes another value.
package nearmiss

import (
	"math/rand/v2"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/models"
	"github.com/deltaloom/deltaloom/ops"
)

// form is a delta net as a model may write it. Head sizes, tokens a chunk and
// key channels are equal in most, so that much that is wrong has a right shape.
type form struct {
	name  string
	build func(b *graph.Builder)
	count int // mutants
}

// inputs of the rule in the layout of its formulas: [B H … D].
type inputs struct{ q, k, v, g, beta, s graph.Value }

const (
	heads = 2
	size  = 4 // of a head, and tokens a chunk
)

func f32(dims ...int) graph.Shape { return graph.ShapeOf(graph.F32, dims...) }

// stepInputs are those of one token, token t of several where t is not "".
func stepInputs(b *graph.Builder, t string, G int) inputs {
	in := func(name string, dims ...int) graph.Value { return b.Input(name+t, f32(dims...)) }
	return inputs{
		q: in("q", 1, heads, 1, size), k: in("k", 1, heads, 1, size), v: in("v", 1, heads, size, 1),
		g: in("g", 1, heads, 1, G), beta: in("beta", 1, heads, 1, 1), s: b.State("s", f32(1, heads, size, size)),
	}
}

func chunkInputs(b *graph.Builder, N, G int) inputs {
	in := func(name string, d int) graph.Value { return b.Input(name, f32(1, heads, N, size, d)) }
	return inputs{q: in("q", size), k: in("k", size), v: in("v", size), g: in("g", G), beta: in("beta", 1),
		s: b.State("s", f32(1, heads, size, size))}
}

// step is one token; formula is ops.DeltaStep or what goes for it.
func step(G int, formula func(inputs) (o, next graph.Value)) func(*graph.Builder) {
	return func(b *graph.Builder) {
		defer b.Scope("blk.0.gdn")()
		in := stepInputs(b, "", G)
		o, next := formula(in)
		b.Output("o", o)
		b.SetState(in.s, next)
	}
}

// unrolled is some tokens, one after another.
func unrolled(tokens, G int, formula func(inputs) (o, next graph.Value)) func(*graph.Builder) {
	return func(b *graph.Builder) {
		defer b.Scope("blk.0.gdn")()
		var all []graph.Value
		var s, next graph.Value
		for t := range tokens {
			in := stepInputs(b, string(rune('0'+t)), G)
			if t == 0 {
				s, next = in.s, in.s
			}
			in.s = next
			var o graph.Value
			o, next = formula(in)
			all = append(all, o)
		}
		b.Output("o", ops.Concat(3, all...))
		b.SetState(s, next)
	}
}

func chunked(N, G int, gram ops.Gram) func(*graph.Builder) {
	return func(b *graph.Builder) {
		defer b.Scope("blk.0.gdn")()
		in := chunkInputs(b, N, G)
		parts, next := ops.DeltaChunks(in.q, in.k, in.v, in.g, in.beta, in.s, gram)
		o := parts[0]
		if N > 1 {
			o = ops.Concat(2, parts...)
		}
		b.Output("o", o)
		b.SetState(in.s, next)
	}
}

func plainStep(in inputs) (o, next graph.Value) {
	return ops.DeltaStep(in.q, in.k, in.v, in.g, in.beta, in.s)
}

// layer is the rule with what prepares its operands: norms, head repeats, gates.
func layer(T int, mode ops.RepeatMode) func(*graph.Builder) {
	return func(b *graph.Builder) {
		defer b.Scope("blk.0.gdn")()
		const keyHeads, r = 2, 2
		in := func(name string, dims ...int) graph.Value { return b.Input(name, f32(dims...)) }
		q, k, v := in("q", 1, T, keyHeads, size), in("k", 1, T, keyHeads, size), in("v", 1, T, keyHeads*r, size)
		a, dt, A := in("a", 1, T, keyHeads*r, 1), in("dt", keyHeads*r, 1), in("A", keyHeads*r, 1)
		s := b.State("s", f32(1, keyHeads*r, size, size))
		q, k = ops.L2Norm(q, ops.L2Sum, 1e-2), ops.L2Norm(k, ops.L2Sum, 1e-2)
		q, k = ops.Repeat(q, 2, r, mode), ops.Repeat(k, 2, r, mode)
		g := ops.Mul(ops.Softplus(ops.Add(a, dt)), A)
		beta := ops.Sigmoid(in("b", 1, T, keyHeads*r, 1))
		o, next := models.DeltaRule(q, k, v, g, beta, s)
		b.Output("o", o)
		b.SetState(s, next)
	}
}

var forms = []form{
	{"step/head", step(1, plainStep), 133},
	{"step/channel", step(size, plainStep), 139},
	{"unrolled2/head", unrolled(2, 1, plainStep), 305},
	{"unrolled3/channel", unrolled(3, size, plainStep), 525},
	{"chunks1/head", chunked(1, 1, ops.KeysFirst), 554},
	{"chunks2/head", chunked(2, 1, ops.KeysFirst), 787},
	{"chunks3/head", chunked(3, 1, ops.KeysFirst), 999},
	{"chunks1/channel", chunked(1, size, ops.KeysFirst), 633},
	{"chunks2/channel", chunked(2, size, ops.KeysFirst), 867},
	{"chunks1/channel-rows", chunked(1, size, ops.RowsFirst), 649},
	{"layer/interleaved", layer(1, ops.RepeatInterleaved), 231},
	{"layer/tiled", layer(1, ops.RepeatTiled), 231},
	{"layer/chunked", layer(3, ops.RepeatInterleaved), 529},
}

func (f form) graph(t testing.TB) *graph.Graph {
	t.Helper()
	b := graph.NewBuilder()
	f.build(b)
	g, err := b.Build()
	if err != nil {
		t.Fatalf("%s: %v", f.name, err)
	}
	return g
}

// feeds draws what a delta net is fed: a decay below 1, beta between 0 and 1.
func feeds(g *graph.Graph, seed uint64) map[string]graph.Tensor {
	r := rand.New(rand.NewPCG(seed, 11))
	all := map[string]graph.Tensor{}
	for _, n := range g.Nodes() {
		if n.Name() == "" {
			continue
		}
		x := graph.NewTensor(n.Out(0).Shape())
		for i := range x.F {
			switch n.Name()[0] {
			case 'g', 'A':
				x.F[i] = -0.1 - r.Float32()
			case 'b':
				x.F[i] = 0.1 + 0.9*r.Float32()
			default:
				x.F[i] = float32(r.NormFloat64() / 2)
			}
		}
		all[n.Name()] = x
	}
	return all
}
