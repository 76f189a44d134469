package fusetest

import (
	"fmt"
	"testing"

	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// recognised fuses g and wants one delta net and no other compute node.
func recognised(t *testing.T, g *graph.Graph) {
	t.Helper()
	ng, rep, err := fuse.Run(g, fuse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if rep.DeltaNets != 1 || rep.After.Compute != 1 {
		t.Errorf("%d delta nets in %d compute nodes, want 1\nbefore\n%vafter\n%v", rep.DeltaNets, rep.After.Compute, g, ng)
	}
	if err := same(g, ng, 1, 2, 3); err != nil {
		t.Errorf("%v\nbefore\n%vafter\n%v", err, g, ng)
	}
}

// One token after another is one node over all tokens.
func TestUnrolled(t *testing.T) {
	for _, T := range []int{2, 5} {
		for _, d := range []sizes{
			{B: 1, T: T, Hk: 2, H: 2, V: 3, K: 4, G: 1}, {B: 2, T: T, Hk: 2, H: 2, V: 4, K: 4, G: 4}, {B: 1, T: T, Hk: 1, H: 1, V: 4, K: 4, G: 1},
		} {
			t.Run(fmt.Sprintf("%+v", d), func(t *testing.T) { recognised(t, unrolled(t, d)) })
		}
	}
}

// A state [K V] is a state.
func TestRecurrentKV(t *testing.T) {
	for _, d := range []sizes{
		{B: 2, T: 1, Hk: 3, H: 3, V: 5, K: 4, G: 1}, {B: 1, T: 1, Hk: 2, H: 2, V: 4, K: 4, G: 1},
		{B: 2, T: 1, Hk: 2, H: 2, V: 3, K: 4, G: 4}, {B: 1, T: 1, Hk: 1, H: 1, V: 4, K: 4, G: 4},
	} {
		t.Run(fmt.Sprintf("%+v", d), func(t *testing.T) { recognised(t, recurrentKV(t, d)) })
	}
}

// Any number of tokens in chunks, the last one whole or not.
func TestChunked(t *testing.T) {
	for _, d := range []sizes{
		{B: 1, T: 2, Hk: 2, H: 2, V: 3, K: 4, G: 1}, {B: 2, T: 64, Hk: 1, H: 1, V: 4, K: 4, G: 1},
		{B: 1, T: 130, Hk: 2, H: 2, V: 3, K: 2, G: 1}, {B: 1, T: 33, Hk: 2, H: 2, V: 3, K: 4, G: 4},
	} {
		t.Run(fmt.Sprintf("%+v", d), func(t *testing.T) { recognised(t, chunked(t, d)) })
	}
}

// What is nearly a delta net is no delta net, or one with other operands: the
// results never change. nets is how many there are in truth.
func TestNearMisses(t *testing.T) {
	d := sizes{B: 1, T: 1, Hk: 4, H: 4, V: 4, K: 4, G: 1} // squares, so that mistakes have shapes that fit
	for _, c := range []struct {
		name string
		nets int
		step func(q, k, v, g, beta, s graph.Value) (o, next graph.Value)
	}{
		{"the formula", 1, ops.DeltaStep},
		{"q recalls", 0, func(q, k, v, g, beta, s graph.Value) (o, next graph.Value) {
			decayed := ops.Mul(s, ops.Exp(g))
			delta := ops.Mul(ops.Sub(v, ops.SumLast(ops.Mul(decayed, q))), beta)
			next = ops.Add(decayed, ops.Mul(k, delta))
			return ops.SumLast(ops.Mul(next, q)), next
		}},
		{"k reads", 1, func(_, k, v, g, beta, s graph.Value) (o, next graph.Value) { return ops.DeltaStep(k, k, v, g, beta, s) }},
		{"the state before reads", 0, func(q, k, v, g, beta, s graph.Value) (o, next graph.Value) {
			_, next = ops.DeltaStep(q, k, v, g, beta, s)
			return ops.SumLast(ops.Mul(s, q)), next
		}},
		{"no decay", 0, func(q, k, v, _, beta, s graph.Value) (o, next graph.Value) {
			delta := ops.Mul(ops.Sub(v, ops.SumLast(ops.Mul(s, k))), beta)
			next = ops.Add(s, ops.Mul(k, delta))
			return ops.SumLast(ops.Mul(next, q)), next
		}},
		{"recalled before the decay", 0, func(q, k, v, g, beta, s graph.Value) (o, next graph.Value) {
			delta := ops.Mul(ops.Sub(v, ops.SumLast(ops.Mul(s, k))), beta)
			next = ops.Add(ops.Mul(s, ops.Exp(g)), ops.Mul(k, delta))
			return ops.SumLast(ops.Mul(next, q)), next
		}},
		{"decay after the update", 0, func(q, k, v, g, beta, s graph.Value) (o, next graph.Value) {
			delta := ops.Mul(ops.Sub(v, ops.SumLast(ops.Mul(s, k))), beta)
			next = ops.Mul(ops.Add(s, ops.Mul(k, delta)), ops.Exp(g))
			return ops.SumLast(ops.Mul(next, q)), next
		}},
		{"beta on v alone", 0, func(q, k, v, g, beta, s graph.Value) (o, next graph.Value) {
			decayed := ops.Mul(s, ops.Exp(g))
			delta := ops.Sub(ops.Mul(v, beta), ops.SumLast(ops.Mul(decayed, k)))
			next = ops.Add(decayed, ops.Mul(k, delta))
			return ops.SumLast(ops.Mul(next, q)), next
		}},
		{"beta on what is recalled alone", 0, func(q, k, v, g, beta, s graph.Value) (o, next graph.Value) {
			decayed := ops.Mul(s, ops.Exp(g))
			delta := ops.Sub(v, ops.Mul(ops.SumLast(ops.Mul(decayed, k)), beta))
			next = ops.Add(decayed, ops.Mul(k, delta))
			return ops.SumLast(ops.Mul(next, q)), next
		}},
		{"recalled minus v", 0, func(q, k, v, g, beta, s graph.Value) (o, next graph.Value) {
			decayed := ops.Mul(s, ops.Exp(g))
			delta := ops.Mul(ops.Sub(ops.SumLast(ops.Mul(decayed, k)), v), beta)
			next = ops.Add(decayed, ops.Mul(k, delta))
			return ops.SumLast(ops.Mul(next, q)), next
		}},
		{"outer product transposed", 0, func(q, k, v, g, beta, s graph.Value) (o, next graph.Value) {
			decayed := ops.Mul(s, ops.Exp(g))
			delta := ops.Mul(ops.Sub(v, ops.SumLast(ops.Mul(decayed, k))), beta)
			next = ops.Add(decayed, ops.Transpose(ops.Mul(k, delta)))
			return ops.SumLast(ops.Mul(next, q)), next
		}},
		{"read along the other axis", 0, func(q, k, v, g, beta, s graph.Value) (o, next graph.Value) {
			_, next = ops.DeltaStep(q, k, v, g, beta, s)
			return ops.Transpose(ops.Sum(ops.Mul(next, ops.Transpose(q)), -2)), next
		}},
		{"update subtracted", 0, func(q, k, v, g, beta, s graph.Value) (o, next graph.Value) {
			decayed := ops.Mul(s, ops.Exp(g))
			delta := ops.Mul(ops.Sub(v, ops.SumLast(ops.Mul(decayed, k))), beta)
			next = ops.Sub(decayed, ops.Mul(k, delta))
			return ops.SumLast(ops.Mul(next, q)), next
		}},
		{"heads of k turned round", 1, func(q, k, v, g, beta, s graph.Value) (o, next graph.Value) { // an operand of its own
			return ops.DeltaStep(q, ops.Concat(1, ops.Slice(k, 1, 2, 2), ops.Slice(k, 1, 0, 2)), v, g, beta, s)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := graph.NewBuilder()
			in := d.inputs(b, "")
			o, next := c.step(heads(in.q), heads(in.k), ops.Permute(in.v, 0, 2, 3, 1), heads(in.g), heads(in.beta), in.s)
			b.SetState(in.s, next)
			b.Output("o", ops.Permute(o, 0, 3, 1, 2))
			g := built(t, b)
			ng, rep, err := fuse.Run(g, fuse.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if rep.DeltaNets != c.nets {
				t.Errorf("%d delta nets, want %d\n%v", rep.DeltaNets, c.nets, ng)
			}
			if err := same(g, ng, 1, 2, 3, 4, 5, 6); err != nil {
				t.Errorf("%v\nbefore\n%vafter\n%v", err, g, ng)
			}
		})
	}
}

// The order of the heads and the norms of q and k are never confused: each
// combination is a delta net, and its norms go into it if they are one norm.
func TestHeadsAndNorms(t *testing.T) {
	modes := []ops.RepeatMode{ops.RepeatTiled, ops.RepeatInterleaved}
	norms := []ops.L2Mode{ops.L2Sum, ops.L2Max}
	for i := range 16 {
		qm, km, qn, kn := modes[i&1], modes[i>>1&1], norms[i>>2&1], norms[i>>3]
		t.Run(fmt.Sprintf("q %v %v, k %v %v", qm, qn, km, kn), func(t *testing.T) {
			b := graph.NewBuilder()
			in := sizes{B: 1, T: 1, Hk: 2, H: 4, V: 3, K: 4, G: 1}.inputs(b, "")
			q := ops.Repeat(ops.L2Norm(in.q, qn, 1e-3), 2, 2, qm)
			k := ops.Repeat(ops.L2Norm(in.k, kn, 1e-3), 2, 2, km)
			o, next := ops.DeltaStep(heads(q), heads(k), ops.Permute(in.v, 0, 2, 3, 1), heads(in.g), heads(in.beta), in.s)
			b.SetState(in.s, next)
			b.Output("o", o)
			g := built(t, b)
			ng, rep, err := fuse.Run(g, fuse.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if left := rep.After.Ops["l2_norm"]; rep.DeltaNets != 1 || (left == 0) != (qn == kn) {
				t.Errorf("%d delta nets, %d norms left\n%v", rep.DeltaNets, left, ng)
			}
			if err := same(g, ng, 1, 2, 3, 4, 5, 6); err != nil {
				t.Errorf("%v\nbefore\n%vafter\n%v", err, g, ng)
			}
		})
	}
}
