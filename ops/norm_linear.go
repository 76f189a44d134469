package ops

import "github.com/deltaloom/deltaloom/graph"

// NormLinearOp is a weighted RMS norm and the projections that read it, which
// each block of a kernel can normalise for itself.
var NormLinearOp = coarse("norm_linear",
	`y_i = (rms_norm(x) · w) W_iᵀ for every i. x [B T N], w [N], W_i [M_i N], y_i [B T M_i].`, nil,
	coarseCase{name: "one", in: shapes(f32(1, 1, 32), f32(32), f32(48, 32)), formula: normLinear},
	coarseCase{name: "three", in: shapes(f32(2, 3, 64), f32(64), f32(16, 64), f32(128, 64), f32(1, 64)), formula: normLinear},
	coarseCase{name: "mixed", in: shapes(f32(1, 1, 512), f32(512), graph.ShapeOf(graph.Q8_0, 40, 512), graph.ShapeOf(graph.Q4_K, 33, 512),
		f32(3, 512), graph.ShapeOf(graph.F16, 16, 512)), formula: normLinear, nmse: 2e-4},
	coarseCase{name: "mixed, tokens", in: shapes(f32(3, 3, 512), f32(512), graph.ShapeOf(graph.Q6_K, 40, 512), graph.ShapeOf(graph.Q2_K, 70, 512),
		f32(3, 512), graph.ShapeOf(graph.BF16, 16, 512)), formula: normLinear, nmse: 2e-4},
	coarseCase{name: "large", in: shapes(f32(1, 4, 8192), f32(8192), graph.ShapeOf(graph.Q4_K, 3, 8192), f32(2, 8192)), formula: normLinear, nmse: 2e-4},
)

func normLinear(in []graph.Value) []graph.Value { return NormLinear(in[0], in[1], in[2:]...) }

// NormLinear is norm_linear in plain ops.
func NormLinear(x, w graph.Value, ws ...graph.Value) []graph.Value {
	return Linears(Mul(RMSNorm(x, 1e-6), w), ws...)
}

// LinearsOp is several projections of one value.
var LinearsOp = coarse("linears", `y_i = x W_iᵀ for every i. x [B T N], W_i [M_i N], y_i [B T M_i].`, nil,
	coarseCase{name: "two", in: shapes(f32(2, 1, 32), f32(48, 32), f32(16, 32)),
		formula: func(in []graph.Value) []graph.Value { return Linears(in[0], in[1:]...) }},
)

// Linears is linears in plain ops.
func Linears(x graph.Value, ws ...graph.Value) []graph.Value {
	ys := make([]graph.Value, len(ws))
	for i, w := range ws {
		ys[i] = MatMul(x, w)
	}
	return ys
}

// LinearAddOp is a projection added to the residual stream.
var LinearAddOp = coarse("linear_add", `y = r + x Wᵀ. x [B T N], W [M N], r and y [B T M].`, []int{2},
	coarseCase{name: "token", in: shapes(f32(1, 1, 32), f32(48, 32), f32(1, 1, 48)), formula: linearAdd},
	coarseCase{name: "prompt", in: shapes(f32(2, 5, 64), f32(16, 64), f32(2, 5, 16)), formula: linearAdd},
)

func linearAdd(in []graph.Value) []graph.Value { return []graph.Value{LinearAdd(in[0], in[1], in[2])} }

// LinearAdd is linear_add in plain ops.
func LinearAdd(x, w, r graph.Value) graph.Value { return Add(r, MatMul(x, w)) }

// LinearPairOp is two projections of two values.
var LinearPairOp = coarse("linear_pair", `y_1 = x_1 W_1ᵀ and y_2 = x_2 W_2ᵀ. x_i [B T N_i], W_i [M_i N_i], y_i [B T M_i].`, nil,
	coarseCase{name: "two", in: shapes(f32(2, 3, 16), f32(8, 16), f32(2, 3, 32), f32(24, 32)), formula: LinearPair},
	coarseCase{name: "two types", in: shapes(f32(1, 1, 128), graph.ShapeOf(graph.Q8_0, 40, 128), f32(1, 1, 256), graph.ShapeOf(graph.F16, 3, 256)),
		formula: LinearPair, nmse: 2e-4},
	coarseCase{name: "prompt", in: shapes(f32(1, 9, 128), graph.ShapeOf(graph.Q8_0, 40, 128), f32(1, 9, 16), f32(3, 16)),
		formula: LinearPair, nmse: 2e-4},
)

// LinearPair is linear_pair in plain ops, for x_1, W_1, x_2, W_2.
func LinearPair(in []graph.Value) []graph.Value {
	return []graph.Value{MatMul(in[0], in[1]), MatMul(in[2], in[3])}
}
