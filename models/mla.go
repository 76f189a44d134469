package models

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// latentAttention is multi-head attention to a latent c of Rank channels that
// all heads share: h [B T width] to [B T width]. Head n would read the keys
// [Kn c | p] and the values Vn c; instead its query [q | p'] is taken to the
// latent beforehand, as [Knᵀ q | p'], and the sum over c to its value afterwards,
// so that the cache holds [c | p] alone. Queries and keys are not rotated.
//
// Source: DeepSeek-AI, "DeepSeek-V2", 2024, section 2.1.
func (l layer) latentAttention(h graph.Value) graph.Value {
	m, B, T, H := l.c.MLA, l.s.Seqs, l.s.Tokens, l.c.Attention.Heads
	headsFirst := func(x graph.Value) graph.Value { return ops.Permute(x, 0, 2, 1, 3) } // its own inverse

	q := split(heads(l.latentQuery(h), m.Nope+m.Rope), m.Nope, m.Rope)
	latent := ops.MatMul(headsFirst(q[0]), l.weight("attn_k_b.weight")) // [B H T Rank]
	query := ops.Concat(-1, headsFirst(latent), q[1])                   // [B T H Rank+Rope]

	kv := split(l.linear(h, "attn_kv_a_mqa.weight"), m.Rank, m.Rope)
	key := ops.Concat(-1, l.norm(kv[0], "attn_kv_a_norm.weight"), kv[1])
	keys := l.kvCache("k", ops.Reshape(key, B, T, 1, m.Rank+m.Rope)) // [B KV 1 Rank+Rope]
	values := ops.Slice(keys, -1, 0, m.Rank)                         // [B KV 1 Rank]

	o := l.attend(query, keys, values, rsqrt(m.Nope+m.Rope)) // [B T 1 H Rank]
	o = headsFirst(ops.Reshape(o, B, T, H, m.Rank))
	o = headsFirst(ops.MatMul(o, l.weight("attn_v_b.weight"))) // [B T H Value]
	return l.linear(flat(o), "attn_output.weight")
}

// latentQuery is the queries of all heads: [B T H·(Nope+Rope)].
func (l layer) latentQuery(h graph.Value) graph.Value {
	if !l.has(queryDown) {
		return l.linear(h, "attn_q.weight")
	}
	return l.linear(l.norm(l.linear(h, queryDown), "attn_q_a_norm.weight"), "attn_q_b.weight")
}

// queryDown takes tokens to the queries' own latent, in models that have one.
const queryDown = "attn_q_a.weight"

func (l *weightList) latentAttention(width, H int, m MLA) {
	if m.QRank > 0 && l.has(queryDown) {
		l.add(Matrix, queryDown, m.QRank, width)
		l.add(NormScale, "attn_q_a_norm.weight", m.QRank)
		l.add(Matrix, "attn_q_b.weight", H*(m.Nope+m.Rope), m.QRank)
	} else {
		l.add(Matrix, "attn_q.weight", H*(m.Nope+m.Rope), width)
	}
	l.add(Matrix, "attn_kv_a_mqa.weight", m.Rank+m.Rope, width)
	l.add(NormScale, "attn_kv_a_norm.weight", m.Rank)
	l.add(Matrix, "attn_k_b.weight", H, m.Rank, m.Nope)
	l.add(Matrix, "attn_v_b.weight", H, m.Value, m.Rank)
	l.add(Matrix, "attn_output.weight", width, H*m.Value)
}
