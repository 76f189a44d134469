package ops

import (
	"math/rand/v2"

	"github.com/deltaloom/deltaloom/graph"
)

// LatentAttentionOp is attention to a latent that all heads share, with its
// cache, between the products that take queries to the latent and back.
var LatentAttentionOp = coarse("latent_attention",
	`Causal attention of H heads to the first KV rows [norm(c) | p] of their slots, the values being norm(c):
pool [P C 1 R+S], rows i32 [B T], slots i32 [B], pos i32 [B T], queries [B H T R] and [B T H S], c|p [B T R+S], norm weight [R];
y [B T H R] and the pool.`, []int{-1, 0},
	coarseCase{name: "token", in: latentShapes(f32, 3, 16, 2, 1, 4, 8, 4), formula: latentCase(12), fill: fillLatent(16)},
	coarseCase{name: "prompt", in: latentShapes(f32, 1, 8, 1, 5, 2, 16, 6), formula: latentCase(8), fill: fillLatent(8)},
	coarseCase{name: "token, f16 cache", in: latentShapes(f16, 3, 16, 2, 1, 4, 32, 16), formula: latentCase(12), fill: fillLatent(16)},
	coarseCase{name: "prompt, f16 cache", in: latentShapes(f16, 1, 8, 1, 5, 2, 16, 16), formula: latentCase(8), fill: fillLatent(8)},
	coarseCase{name: "far token", in: latentShapes(f32, 1, 150, 1, 1, 5, 40, 6), formula: latentCase(150), fill: fillLatent(150, 140)},
	coarseCase{name: "far token of 512 + 64, f16 cache", in: latentShapes(f16, 2, 150, 2, 1, 12, 512, 64), formula: latentCase(150), fill: fillLatent(150, 140, 20)},
	coarseCase{name: "prompt of 512 + 64, f16 cache", in: latentShapes(f16, 1, 40, 1, 17, 4, 512, 64), formula: latentCase(40), fill: fillLatent(40, 20)},
	coarseCase{name: "prompt of 512 + 64", in: latentShapes(f32, 1, 40, 1, 3, 4, 512, 64), formula: latentCase(40), fill: fillLatent(40, 20)},
)

func latentShapes(pool func(dims ...int) graph.Shape, P, C, B, T, H, R, S int) []graph.Shape {
	return shapes(pool(P, C, 1, R+S), i32(B, T), i32(B), i32(B, T), f32(B, H, T, R), f32(B, T, H, S), f32(B, T, R+S), f32(R))
}

func latentCase(KV int) func([]graph.Value) []graph.Value {
	return func(in []graph.Value) []graph.Value { return LatentAttention(KV, in...) }
}

// LatentAttention is latent_attention in plain ops, reading KV positions.
func LatentAttention(KV int, in ...graph.Value) []graph.Value {
	pool, rows, slots, pos, q, qp, kv, norm := in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7]
	B, T, R := q.Shape().Dim(0), q.Shape().Dim(2), q.Shape().Dim(3)
	P, C, D := pool.Shape().Dim(0), pool.Shape().Dim(1), pool.Shape().Dim(3)
	key := Concat(2, Mul(RMSNorm(Slice(kv, 2, 0, R), 1e-6), norm), Slice(kv, 2, R, D-R)) // [B T D]
	next := Reshape(ScatterRows(Reshape(pool, P*C, 1, D), rows, Reshape(key, B, T, 1, D)), P, C, 1, D)
	keys := Reshape(Rows(Slice(next, 1, 0, KV), slots), B, 1, KV, D)                            // [B 1 KV D]
	query := Permute(Concat(3, Permute(q, 0, 2, 1, 3), qp), 0, 2, 1, 3)                         // [B H T D]
	scores := Add(Scale(MatMul(query, keys), 0.125), Reshape(CausalMask(pos, KV), B, 1, T, KV)) // [B H T KV]
	o := MatMul(Softmax(scores), Transpose(Slice(keys, 3, 0, R)))                               // [B H T R]
	return []graph.Value{Permute(o, 0, 2, 1, 3), next}
}

// fillLatent places sequence b in slot b, its tokens at positions from[b], from[b] + 1,
// …, from 0 on where from has no more.
func fillLatent(C int, from ...int) func(int, graph.Tensor, *rand.Rand) {
	attention := fillAttention(C, from...)
	return func(i int, t graph.Tensor, r *rand.Rand) {
		switch i {
		case 1, 2:
			attention(i+1, t, r)
		case 3:
			attention(2, t, r)
			for j := range t.I {
				t.I[j] %= int32(C)
			}
		default:
			attention(5, t, r)
		}
	}
}
