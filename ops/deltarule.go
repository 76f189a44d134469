package ops

import "github.com/deltaloom/deltaloom/graph"

// The gated delta rule in plain ops. This is what gated_delta_net means and
// what the fusion rules look for: one text for both.

// DeltaChunk returns the tokens a chunk for a log decay of G numbers a head: 64,
// or 16 for a decay a channel, which needs a mask of C·C·K numbers a chunk.
func DeltaChunk(G int) int {
	if G > 1 {
		return 16
	}
	return 64
}

// DeltaRule is the rule for any number of tokens, in the layout of
// gated_delta_net with as many key as value heads: step by step for one token,
// in chunks for more.
func DeltaRule(q, k, v, g, beta, s graph.Value) (o, next graph.Value) {
	heads := func(x graph.Value) graph.Value { return Permute(x, 0, 2, 1, 3) } // [B H T D]
	q, k, v, g, beta = heads(q), heads(k), heads(v), heads(g), heads(beta)
	T := q.Shape().Dim(2)
	if T == 1 {
		o, next = DeltaStep(q, k, Transpose(v), g, beta, s)
		return Permute(o, 0, 3, 1, 2), next
	}
	C := DeltaChunk(g.Shape().Dim(3))
	N := (T + C - 1) / C
	chunks := func(x graph.Value) graph.Value { // [B H N C D]; beta and g of 0 make padding a no-op
		if N*C > T {
			x = Pad(x, 2, N*C-T)
		}
		d := x.Shape()
		return Reshape(x, d.Dim(0), d.Dim(1), N, C, d.Dim(3))
	}
	parts, next := DeltaChunks(chunks(q), chunks(k), chunks(v), chunks(g), chunks(beta), s, KeysFirst)
	o = parts[0]
	if N > 1 {
		o = Concat(2, parts...)
	}
	if N*C > T {
		o = Slice(o, 2, 0, T)
	}
	return heads(o), next
}

// DeltaStep is one token of the rule:
//
//	S~ = exp(g)·S    S' = S~ + beta·(v - S~k)kᵀ    o = S'q
//
// for q, k [B H 1 K], v [B H V 1], g [B H 1 1|K], beta [B H 1 1], s [B H V K];
// it gives o [B H V 1] and S'.
func DeltaStep(q, k, v, g, beta, s graph.Value) (o, next graph.Value) {
	decayed := Mul(s, Exp(g))                            // S~             [B H V K]
	delta := Mul(Sub(v, SumLast(Mul(decayed, k))), beta) // beta·(v - S~k) [B H V 1]
	next = Add(decayed, Mul(k, delta))                   // S'             [B H V K]
	return SumLast(Mul(next, q)), next                   // S'q            [B H V 1]
}

// DeltaChunks is the rule for N chunks of C tokens, a chunk at a time. With
// G_t the sum of g up to token t of a chunk and D_ij = exp(G_i - G_j), j <= i:
//
//	A_ij = beta_i (k_i·k_j) D_ij, j < i      M_ij = (q_i·k_j) D_ij, j <= i
//	U = (I+A)⁻¹ beta V    W = (I+A)⁻¹ beta exp(G) K
//	E = U - W Sᵀ          O = exp(G) Q Sᵀ + M E
//	S' = exp(G_C) S + Eᵀ exp(G_C - G) K
//
// for q, k [B H N C K], v [B H N C V], g [B H N C 1|K], beta [B H N C 1] and
// s [B H V K]; it gives each chunk's O [B H C V] and S'. For a decay a channel,
// D stands inside the dot products. No exponent is positive.
func DeltaChunks(q, k, v, g, beta, s graph.Value, gram Gram) (o []graph.Value, next graph.Value) {
	b := q.Builder()
	if b == nil || q.Shape().Rank() != 5 {
		return []graph.Value{{}}, graph.Value{}
	}
	N, C := q.Shape().Dim(2), q.Shape().Dim(3)
	G := Transpose(CumSum(Transpose(g)))    // [B H N C 1|K]
	kb, vb := Mul(k, beta), Mul(v, beta)    // [B H N C K|V]
	last := Slice(G, 3, C-1, 1)             // G_C [B H N 1 1|K]
	expG := Exp(G)                          // [B H N C 1|K]
	kk, qk := deltaGrams(q, k, kb, G, gram) // [B H N C C]
	eye := Eye(b, C)                        // [C C]
	inverse := SolveTri(Add(Tri(kk, StrictLower), eye), Broadcast(eye, kk.Shape().Dims()...))
	qk = Tri(qk, Lower)                            // M [B H N C C]
	u := MatMul(inverse, Transpose(vb))            // U [B H N C V]
	w := MatMul(inverse, Transpose(Mul(kb, expG))) // W [B H N C K]
	qg := Mul(q, expG)                             // [B H N C K]
	kg := Mul(k, Exp(Sub(last, G)))                // [B H N C K]
	keep := Exp(last)                              // [B H N 1 1|K]
	chunk := func(x graph.Value, c int) graph.Value {
		d := x.Shape()
		return Reshape(Slice(x, 2, c, 1), d.Dim(0), d.Dim(1), d.Dim(3), d.Dim(4))
	}
	next = s
	for c := range N {
		e := Sub(chunk(u, c), MatMul(chunk(w, c), next)) // E [B H C V]
		o = append(o, Add(MatMul(chunk(qg, c), next), MatMul(chunk(qk, c), Transpose(e))))
		update := MatMul(Transpose(e), Transpose(chunk(kg, c))) // [B H V K]
		next = Add(Mul(next, chunk(keep, c)), update)
	}
	return o, next
}

// Gram is the order in which D_ij, x_i and k_j of a decay a channel are
// multiplied. A decay a head stands outside the dot product.
type Gram int

const (
	KeysFirst Gram = iota // (D_ij k_j) x_i
	RowsFirst             // (D_ij x_i) k_j
)

// deltaGrams returns kb_i·k_j D_ij and q_i·k_j D_ij, not yet masked above the
// diagonal, where D is 1.
func deltaGrams(q, k, kb, G graph.Value, order Gram) (kk, qk graph.Value) {
	d := G.Shape()
	if d.Dim(4) == 1 {
		decay := Exp(Tri(Sub(G, Transpose(G)), Lower)) // [B H N C C]
		return Mul(MatMul(kb, k), decay), Mul(MatMul(q, k), decay)
	}
	B, H, N, C, K := d.Dim(0), d.Dim(1), d.Dim(2), d.Dim(3), d.Dim(4)
	rows := func(x graph.Value) graph.Value { return Reshape(x, B*H, N, C, 1, K) }
	cols := func(x graph.Value) graph.Value { return Reshape(x, B*H, N, 1, C, K) }
	diff := Permute(Sub(rows(G), cols(G)), 0, 1, 4, 2, 3)  // [BH N K C C]
	decay := Permute(Exp(Tri(diff, Lower)), 0, 1, 3, 4, 2) // D_ij [BH N C C K]
	gram := func(x graph.Value) graph.Value {
		a, b := cols(k), rows(x)
		if order == RowsFirst {
			a, b = b, a
		}
		return Reshape(SumLast(Mul(Mul(decay, a), b)), B, H, N, C, C)
	}
	return gram(kb), gram(q)
}
