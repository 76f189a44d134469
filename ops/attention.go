package ops

import (
	"math/rand/v2"

	"github.com/deltaloom/deltaloom/graph"
)

// AttentionOp is full attention between its projections, with its cache.
var AttentionOp = coarse("attention",
	`Causal attention of T tokens to the first KV positions of their sequences' slots, query head h reading key head h div (H/G):
k and v are normed (k only), rotated (k only) and written to the pools at rows; y = softmax(q kᵀ·scale + mask) v · sigmoid(gate).
pools [P C G D], rows i32 [B T], slots i32 [B], positions i32 [B T 4] of rope's streams or [B T], q|gate [B T H 2D], k and v [B T G D], norm weights [D];
y [B T H·D] and both pools.`, []int{-1, 0, 1},
	coarseCase{name: "token", in: attentionShapes(f32, 3, 16, 2, 1, 4, 2, 8), formula: attentionCase(12), fill: fillAttention(16)},
	coarseCase{name: "prompt", in: attentionShapes(f32, 2, 8, 1, 5, 2, 2, 16), formula: attentionCase(8), fill: fillAttention(8)},
	coarseCase{name: "token, f16 cache", in: attentionShapes(f16, 3, 16, 2, 1, 4, 2, 16), formula: attentionCase(12), fill: fillAttention(16)},
	coarseCase{name: "prompt, f16 cache", in: attentionShapes(f16, 2, 8, 1, 5, 2, 2, 16), formula: attentionCase(8), fill: fillAttention(8)},
	coarseCase{name: "far token", in: attentionShapes(f32, 2, 300, 2, 1, 6, 2, 72), formula: attentionCase(300), fill: fillAttention(300, 170, 260)},
	coarseCase{name: "far token of 64, f16 cache", in: attentionShapes(f16, 2, 300, 2, 1, 16, 2, 64), formula: attentionCase(300), fill: fillAttention(300, 170, 260)},
	coarseCase{name: "far tokens of 128, f16 cache", in: attentionShapes(f16, 1, 300, 1, 2, 8, 2, 128), formula: attentionCase(290), fill: fillAttention(300, 160)},
	coarseCase{name: "token of 192, f16 cache", in: attentionShapes(f16, 1, 40, 1, 1, 3, 1, 192), formula: attentionCase(40), fill: fillAttention(40, 33)},
	coarseCase{name: "token of 256, f16 cache", in: attentionShapes(f16, 1, 140, 1, 1, 8, 1, 256), formula: attentionCase(140), fill: fillAttention(140, 131)},
	coarseCase{name: "prompt of 64, f16 cache", in: attentionShapes(f16, 2, 64, 2, 17, 8, 2, 64), formula: attentionCase(64), fill: fillAttention(64, 0, 30)},
	coarseCase{name: "far prompt of 64, f16 cache", in: attentionShapes(f16, 1, 160, 1, 40, 2, 1, 64), formula: attentionCase(160), fill: fillAttention(160, 110)},
	coarseCase{name: "prompt of 128, f16 cache", in: attentionShapes(f16, 1, 48, 1, 40, 4, 1, 128), formula: attentionCase(48), fill: fillAttention(48)},
	coarseCase{name: "prompt of 192, f16 cache", in: attentionShapes(f16, 1, 36, 1, 36, 1, 1, 192), formula: attentionCase(36), fill: fillAttention(36)},
	coarseCase{name: "prompt of 256, f16 cache", in: attentionShapes(f16, 1, 48, 1, 17, 2, 1, 256), formula: attentionCase(48), fill: fillAttention(48, 20)},
	coarseCase{name: "prompt of 256", in: attentionShapes(f32, 1, 48, 1, 17, 2, 1, 256), formula: attentionCase(48), fill: fillAttention(48, 20)},
)

func attentionShapes(pool func(dims ...int) graph.Shape, P, C, B, T, H, G, D int) []graph.Shape {
	return shapes(pool(P, C, G, D), pool(P, C, G, D), i32(B, T), i32(B), i32(B, T, 4),
		f32(B, T, H, 2*D), f32(B, T, G, D), f32(B, T, G, D), f32(D), f32(D))
}

func attentionCase(KV int) func([]graph.Value) []graph.Value {
	return func(in []graph.Value) []graph.Value { return Attention(KV, in...) }
}

// fillAttention places sequence b in slot b, its tokens at positions from[b], from[b]
// + 1, …, from 0 on where from has no more.
func fillAttention(C int, from ...int) func(int, graph.Tensor, *rand.Rand) {
	return func(i int, t graph.Tensor, r *rand.Rand) {
		for j := range t.F {
			t.F[j] = float32(r.NormFloat64())
		}
		position := func(token int) int {
			b, position := token/t.Shape.Dim(1), token%t.Shape.Dim(1)
			if b < len(from) {
				position += from[b]
			}
			return position
		}
		switch s := t.Shape; i {
		case 2:
			for j := range t.I {
				t.I[j] = int32(j/s.Dim(1)*C + position(j))
			}
		case 3:
			for j := range t.I {
				t.I[j] = int32(j)
			}
		case 4:
			for j := range t.I {
				if j%4 < 3 {
					t.I[j] = int32(position(j / 4))
				}
			}
		}
	}
}

// Attention is attention in plain ops, reading KV positions.
func Attention(KV int, in ...graph.Value) []graph.Value {
	kPool, vPool, rows, slots, positions := in[0], in[1], in[2], in[3], in[4]
	qg, k, v, qw, kw := in[5], in[6], in[7], in[8], in[9]
	B, T, H, G, D := qg.Shape().Dim(0), qg.Shape().Dim(1), qg.Shape().Dim(2), k.Shape().Dim(2), k.Shape().Dim(3)
	rope, pos := RopeAttrs{Dims: D / 2 * 2, Base: 1e4, Mode: NeoX}, positions
	if positions.Shape().Rank() == 3 {
		rope.Mode, rope.Sections = IMRope, graph.IntsOf(1, 1, 1, 0)
		pos = Reshape(Slice(positions, 2, 0, 1), B, T)
	}
	q := Rope(Mul(RMSNorm(Slice(qg, 3, 0, D), 1e-6), qw), positions, rope)
	k = Rope(Mul(RMSNorm(k, 1e-6), kw), positions, rope)

	P, C := kPool.Shape().Dim(0), kPool.Shape().Dim(1)
	write := func(pool, x graph.Value) graph.Value {
		return Reshape(ScatterRows(Reshape(pool, P*C, G, D), rows, x), P, C, G, D)
	}
	kNext, vNext := write(kPool, k), write(vPool, v)
	read := func(pool graph.Value) graph.Value { // [B G 1 KV D]
		x := Rows(Slice(pool, 1, 0, KV), slots)
		return Permute(Reshape(x, B, KV, G, 1, D), 0, 2, 3, 1, 4)
	}
	q = Permute(Reshape(q, B, T, G, H/G, D), 0, 2, 3, 1, 4)                            // [B G r T D]
	mask := CausalMask(pos, KV)                                                        // [B T KV]
	scores := Add(Scale(MatMul(q, read(kNext)), 0.125), Reshape(mask, B, 1, 1, T, KV)) // [B G r T KV]
	o := MatMul(Softmax(scores), Transpose(read(vNext)))                               // [B G r T D]
	o = Reshape(Permute(o, 0, 3, 1, 2, 4), B, T, H*D)
	gate := Reshape(Slice(qg, 3, D, D), B, T, H*D)
	return []graph.Value{Mul(o, Sigmoid(gate)), kNext, vNext}
}
