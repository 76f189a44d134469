package models

import (
	"math"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// kvCache writes x [B T Hkv D] at the tokens' positions of the sequences' slots
// and returns the positions that attention reads: [B KV Hkv D].
func (l layer) kvCache(kind string, x graph.Value) graph.Value {
	H, D := x.Shape().Dim(2), x.Shape().Dim(3)
	slots, context := l.s.Slots, l.s.Context
	cache := l.cache(kind, l.s.Cache, context, H, D)
	rows := ops.ScatterRows(ops.Reshape(cache, slots*context, H, D), l.in["cache_rows"], x)
	next := ops.Reshape(rows, slots, context, H, D)
	l.SetState(cache, next)
	return l.load(ops.Slice(next, 1, 0, l.s.KV)) // in this order, so that no more than KV is copied
}

// attend is causal attention of q [B T Hq D] to k [B KV Hkv D] and v [B KV Hkv V],
// where query head h reads key head h div r, r = Hq/Hkv: [B T Hkv r V].
func (l layer) attend(q, k, v graph.Value, scale float32) graph.Value {
	B, T, KV := l.s.Seqs, l.s.Tokens, l.s.KV
	G, D, V := k.Shape().Dim(2), k.Shape().Dim(3), v.Shape().Dim(3)
	r := q.Shape().Dim(2) / G

	// The r query heads of a key head are an axis along which it broadcasts.
	q = ops.Permute(ops.Reshape(q, B, T, G, r, D), 0, 2, 3, 1, 4)  // [B G r T D]
	k = ops.Permute(ops.Reshape(k, B, KV, G, 1, D), 0, 2, 3, 1, 4) // [B G 1 KV D]
	v = ops.Permute(ops.Reshape(v, B, KV, G, 1, V), 0, 2, 3, 4, 1) // [B G 1 V KV]

	scores := ops.Scale(ops.MatMul(q, k), scale) // [B G r T KV]
	mask := ops.Reshape(ops.CausalMask(l.position(), KV), B, 1, 1, T, KV)
	weights := ops.Softmax(ops.Add(scores, mask)) // [B G r T KV]
	o := ops.MatMul(weights, v)                   // [B G r T V]
	return ops.Permute(o, 0, 3, 1, 2, 4)
}

// rsqrt is 1/sqrt(n).
func rsqrt(n int) float32 { return float32(1 / math.Sqrt(float64(n))) }

// position is each token's place in its sequence, i32 [B T]: stream t.
func (n *net) position() graph.Value {
	return ops.Reshape(ops.Slice(n.in["positions"], 2, 0, 1), n.s.Seqs, n.s.Tokens)
}

// rope rotates the first channels of each head of x [B T H D] by the tokens'
// positions, or by the position streams where sections deal the pairs out to them.
func (l layer) rope(x graph.Value) graph.Value {
	r := l.c.Rope
	if r.Sections == [4]int{} {
		return ops.Rope(x, l.position(), ops.RopeAttrs{Dims: r.Dims, Base: r.Base, Mode: ops.NeoX})
	}
	return ops.Rope(x, l.in["positions"], ops.RopeAttrs{
		Dims: r.Dims, Base: r.Base, Mode: ops.IMRope, Sections: graph.IntsOf(r.Sections[:]...),
	})
}

// gatedAttention is full attention with an output gate: the rows of attn_q are,
// for each head, D of the query and D of its gate. h [B T width] to [B T width].
func (l layer) gatedAttention(h graph.Value) graph.Value {
	a := l.c.Attention
	D := a.HeadDim
	qkv := l.project(h, joinedQKV, a.parts()...)
	qg := split(heads(qkv[0], 2*D), D, D)

	q := l.rope(l.norm(qg[0], "attn_q_norm.weight"))
	k := l.rope(l.norm(heads(qkv[1], D), "attn_k_norm.weight"))
	v := heads(qkv[2], D)

	scale := a.Scale
	if scale == 0 {
		scale = rsqrt(D)
	}
	o := l.attend(q, l.kvCache("k", k), l.kvCache("v", v), scale)
	o = ops.Reshape(o, l.s.Seqs, l.s.Tokens, a.Heads*D)
	return l.linear(ops.Mul(o, ops.Sigmoid(flat(qg[1]))), "attn_output.weight")
}

// joinedQKV holds the rows of attn_q, attn_k and attn_v in some files.
const joinedQKV = "attn_qkv.weight"

// parts are the projections of gatedAttention.
func (a Attention) parts() []part {
	return []part{
		{"attn_q.weight", 2 * a.HeadDim * a.Heads},
		{"attn_k.weight", a.HeadDim * a.KVHeads},
		{"attn_v.weight", a.HeadDim * a.KVHeads},
	}
}

func (l *weightList) gatedAttention(width int, a Attention) {
	l.addParts(joinedQKV, width, a.parts()...)
	l.add(Matrix, "attn_output.weight", width, a.HeadDim*a.Heads)
	l.add(NormScale, "attn_q_norm.weight", a.HeadDim)
	l.add(NormScale, "attn_k_norm.weight", a.HeadDim)
}
