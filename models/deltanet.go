package models

import (
	"math"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// chunkSize is the number of tokens that the chunked form takes at once, for a
// decay of G numbers a head. A decay per channel needs a mask per channel.
func chunkSize(G int) int {
	if G > 1 {
		return 16
	}
	return 64
}

// DeltaRule applies the gated delta rule to T tokens of B sequences. Per head,
// with the state S [V K], the log decay g <= 0 and the step beta in (0,1), each
// token does
//
//	S <- exp(g)·S    S <- S + beta·(v - S k)·kᵀ    o = S q / sqrt(K)
//
// for q, k [B T H K] and v [B T H V], beta [B T H 1], state [B H V K] and g
// [B T H 1], or [B T H K] for a decay of each key channel. It gives o [B T H V]
// and the state after the last token. One token is computed as it stands here,
// more of them in chunks.
//
// Source: Yang, Kautz, Hatamizadeh, "Gated Delta Networks", 2024; for the decay
// per channel Kimi Team, "Kimi Linear", 2025.
func DeltaRule(q, k, v, g, beta, state graph.Value) (o, next graph.Value) {
	q = ops.Scale(q, float32(1/math.Sqrt(float64(q.Shape().Dim(-1)))))
	headsFirst := func(x graph.Value) graph.Value { return ops.Permute(x, 0, 2, 1, 3) }
	q, k, v, g, beta = headsFirst(q), headsFirst(k), headsFirst(v), headsFirst(g), headsFirst(beta) // [B H T D]
	if q.Shape().Dim(2) == 1 {
		o, next = deltaStep(q, k, v, g, beta, state)
	} else {
		o, next = deltaChunks(q, k, v, g, beta, state)
	}
	return headsFirst(o), next // the permutation is its own inverse
}

// deltaStep is the rule for one token: q, k [B H 1 K], v [B H 1 V], g [B H 1 1|K],
// beta [B H 1 1], s [B H V K]. It gives o [B H 1 V].
func deltaStep(q, k, v, g, beta, s graph.Value) (o, next graph.Value) {
	s = ops.Mul(s, ops.Exp(g))                       // decayed              [B H V K]
	kv := ops.Transpose(ops.SumLast(ops.Mul(s, k)))  // what k recalls       [B H 1 V]
	delta := ops.Mul(ops.Sub(v, kv), beta)           // the correction       [B H 1 V]
	s = ops.Add(s, ops.Mul(ops.Transpose(delta), k)) // written at k         [B H V K]
	return ops.Transpose(ops.SumLast(ops.Mul(s, q))), s
}

// deltaChunks is the rule for n chunks of C tokens, q, k [B H T K], v [B H T V],
// g [B H T 1|K], beta [B H T 1], s [B H V K]. Within a chunk, G being the running
// sum of g:
//
//	A_ij = beta_i Σ_c k_ic k_jc exp(G_ic - G_jc)  for j < i     N = (I + A)⁻¹
//	U = N (beta V)    W = N (beta exp(G) K)
//	V' = U - W Sᵀ     O = (Q exp(G)) Sᵀ + P V'  with P_ij = Σ_c q_ic k_jc exp(G_ic - G_jc) for j <= i
//	S <- exp(G_C) S + V'ᵀ (K exp(G_C - G))
//
// Everything but the last two lines is done for all chunks at once. Tokens that
// pad the last chunk have k = 0, beta = 0 and g = 0 and change nothing.
func deltaChunks(q, k, v, g, beta, s graph.Value) (o, next graph.Value) {
	T, C := q.Shape().Dim(2), chunkSize(g.Shape().Dim(3))
	n := (T + C - 1) / C

	q, k, v, g, beta = chunks(q, C), chunks(k, C), chunks(v, C), chunks(g, C), chunks(beta, C) // [B H n C D]
	vb, kb := ops.Mul(v, beta), ops.Mul(k, beta)

	G := ops.Transpose(ops.CumSum(ops.Transpose(g))) // [B H n C 1|K]
	A, P := grams(q, k, kb, G)                       // [B H n C C]

	I := identity(A)
	N := ops.SolveTri(ops.Add(A, I), ops.Broadcast(I, A.Shape().Dims()...)) // [B H n C C]

	expG := ops.Exp(G)
	U := ops.MatMul(N, ops.Transpose(vb))                // [B H n C V]
	W := ops.MatMul(N, ops.Transpose(ops.Mul(kb, expG))) // [B H n C K]
	Q := ops.Mul(q, expG)                                // [B H n C K]

	last := ops.Slice(G, 3, C-1, 1)            // G_C [B H n 1 1|K]
	K := ops.Mul(k, ops.Exp(ops.Sub(last, G))) // [B H n C K]
	keep := ops.Exp(last)                      // [B H n 1 1|K]

	outs := make([]graph.Value, n)
	for c := range n {
		at := func(x graph.Value) graph.Value { return chunk(x, c) }
		fresh := ops.Sub(at(U), ops.MatMul(at(W), s)) // V' [B H C V]
		outs[c] = ops.Add(ops.MatMul(at(Q), s), ops.MatMul(at(P), ops.Transpose(fresh)))
		s = ops.Add(ops.Mul(s, at(keep)), ops.MatMul(ops.Transpose(fresh), ops.Transpose(at(K))))
	}
	return unchunk(outs, T), s
}

// grams returns A and P of deltaChunks, zero where they are not defined, for q,
// k and kb = beta k [B H n C K] and the running sum G of the log decay.
func grams(q, k, kb, G graph.Value) (A, P graph.Value) {
	if G.Shape().Dim(-1) > 1 {
		return channelGrams(q, k, kb, G)
	}
	// Differences above the diagonal are positive: they are cut before exp, so
	// that nothing overflows, and again after it, where they have become 1.
	decay := ops.Tri(ops.Exp(ops.Tri(ops.Sub(G, ops.Transpose(G)), ops.Lower)), ops.Lower) // [B H n C C]
	return ops.Tri(ops.Mul(ops.MatMul(kb, k), decay), ops.StrictLower), ops.Mul(ops.MatMul(q, k), decay)
}

// channelGrams is grams for G [B H n C K]: the decay of a channel stands inside
// the sum over channels, so k is decayed for each pair of tokens beforehand.
func channelGrams(q, k, kb, G graph.Value) (A, P graph.Value) {
	s := G.Shape()
	B, H, n, C, K := s.Dim(0), s.Dim(1), s.Dim(2), s.Dim(3), s.Dim(4)
	row := func(x graph.Value) graph.Value { return ops.Reshape(x, B, H, n, C, 1, K) }
	column := func(x graph.Value) graph.Value { return ops.Reshape(x, B, H, n, 1, C, K) }

	// Cut before exp as in grams; here the sums are cut after it.
	diff := ops.Permute(ops.Sub(row(G), column(G)), 0, 1, 2, 5, 3, 4)         // [B H n K C C]
	decay := ops.Permute(ops.Exp(ops.Tri(diff, ops.Lower)), 0, 1, 2, 4, 5, 3) // [B H n C C K]
	decayed := ops.Mul(decay, column(k))                                      // [B H n C C K]
	gram := func(x graph.Value) graph.Value {
		return ops.Reshape(ops.SumLast(ops.Mul(decayed, row(x))), B, H, n, C, C)
	}
	return ops.Tri(gram(kb), ops.StrictLower), ops.Tri(gram(q), ops.Lower)
}

// chunks pads time with zeros to whole chunks of C and splits it: [B H T D] to
// [B H n C D].
func chunks(x graph.Value, C int) graph.Value {
	s := x.Shape()
	n := (s.Dim(2) + C - 1) / C
	x = ops.Pad(x, 2, n*C-s.Dim(2))
	return ops.Reshape(x, s.Dim(0), s.Dim(1), n, C, s.Dim(3))
}

// chunk returns chunk c of [B H n ...] as [B H ...].
func chunk(x graph.Value, c int) graph.Value {
	s := x.Shape()
	return ops.Reshape(ops.Slice(x, 2, c, 1), s.Dim(0), s.Dim(1), s.Dim(3), s.Dim(4))
}

// unchunk joins [B H C D] of every chunk and drops the padding: [B H T D].
func unchunk(outs []graph.Value, T int) graph.Value {
	o := outs[0]
	if len(outs) > 1 {
		o = ops.Concat(2, outs...)
	}
	return ops.Slice(o, 2, 0, T)
}

// identity returns the identity matrix [C C] of the width of like.
func identity(like graph.Value) graph.Value {
	b := like.Builder()
	if b == nil {
		return graph.Value{}
	}
	return ops.Eye(b, like.Shape().Dim(-1))
}
