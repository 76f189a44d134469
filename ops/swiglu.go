package ops

import "github.com/deltaloom/deltaloom/graph"

// SwiGLUOp is the gated hidden layer of a feed-forward block.
var SwiGLUOp = coarse("swiglu", `y = silu(x Gᵀ) · (x Uᵀ). x [B T N], G and U [M N], y [B T M].`, nil,
	coarseCase{name: "token", in: shapes(f32(1, 1, 32), f32(48, 32), f32(48, 32)), formula: swiglu},
	coarseCase{name: "prompt", in: shapes(f32(2, 5, 64), f32(96, 64), f32(96, 64)), formula: swiglu},
	coarseCase{name: "blocks", in: shapes(f32(1, 2, 256), graph.ShapeOf(graph.Q5_K, 37, 256), graph.ShapeOf(graph.Q5_K, 37, 256)), formula: swiglu, nmse: twiceRounded},
	coarseCase{name: "two types", in: shapes(f32(1, 2, 256), graph.ShapeOf(graph.Q5_K, 37, 256), graph.ShapeOf(graph.Q6_K, 37, 256)), formula: swiglu, nmse: twiceRounded},
)

func swiglu(in []graph.Value) []graph.Value { return []graph.Value{SwiGLU(in[0], in[1], in[2])} }

// SwiGLU is swiglu in plain ops.
func SwiGLU(x, gate, up graph.Value) graph.Value {
	return Mul(Silu(MatMul(x, gate)), MatMul(x, up))
}

// NormSwiGLUOp is swiglu of a normalised value.
var NormSwiGLUOp = coarse("norm_swiglu", `y = silu(h Gᵀ) · (h Uᵀ) with h = rms_norm(x) · w. x [B T N], w [N], G and U [M N], y [B T M].`, nil,
	coarseCase{name: "token", in: shapes(f32(1, 1, 32), f32(32), f32(48, 32), f32(48, 32)), formula: normSwiGLU},
	coarseCase{name: "prompt", in: shapes(f32(2, 5, 64), f32(64), f32(96, 64), f32(96, 64)), formula: normSwiGLU},
)

func normSwiGLU(in []graph.Value) []graph.Value {
	return []graph.Value{NormSwiGLU(in[0], in[1], in[2], in[3])}
}

// NormSwiGLU is norm_swiglu in plain ops.
func NormSwiGLU(x, w, gate, up graph.Value) graph.Value {
	return SwiGLU(Mul(RMSNorm(x, 1e-6), w), gate, up)
}
