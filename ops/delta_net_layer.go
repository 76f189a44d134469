package ops

import (
	"math/rand/v2"

	"github.com/deltaloom/deltaloom/graph"
)

// CausalConvSiluOp is the short convolution of a delta net with its state.
var CausalConvSiluOp = coarse("causal_conv_silu",
	`y = silu(causal_conv(concat(s, x), w)), and the last W-1 columns of concat(s, x) as the next state.
s [B W-1 C], x [B T C], w [C W], y [B T C].`, nil,
	coarseCase{name: "token", in: shapes(f32(2, 3, 16), f32(2, 1, 16), f32(16, 4)), formula: causalConvSilu},
	coarseCase{name: "prompt", in: shapes(f32(1, 3, 8), f32(1, 6, 8), f32(8, 4)), formula: causalConvSilu},
	coarseCase{name: "long prompt", in: shapes(f32(2, 3, 160), f32(2, 133, 160), f32(160, 4)), formula: causalConvSilu},
	coarseCase{name: "long filter", in: shapes(f32(1, 70, 5), f32(1, 75, 5), f32(5, 71)), formula: causalConvSilu},
	coarseCase{name: "two taps", in: shapes(f32(1, 1, 5), f32(1, 3, 5), f32(5, 2)), formula: causalConvSilu},
)

func causalConvSilu(in []graph.Value) []graph.Value {
	y, next := CausalConvSilu(in[0], in[1], in[2])
	return []graph.Value{y, next}
}

// CausalConvSilu is causal_conv_silu in plain ops.
func CausalConvSilu(s, x, w graph.Value) (y, next graph.Value) {
	window := Concat(1, s, x)
	T := x.Shape().Dim(1)
	return Silu(CausalConv(window, w)), Slice(window, 1, T, s.Shape().Dim(1))
}

// DeltaNetOp is gated_delta_net with the maths of its gates.
var DeltaNetOp = coarse("delta_net",
	`gated_delta_net(q, k, v, softplus(a + dt)·A, sigmoid(b), s). a [B T H 1|K], dt [H 1|K], A [H 1], b [B T H 1], the others as there.`,
	[]int{-1, 0},
	coarseCase{name: "token", in: deltaNetShapes(2, 1, 2, 4, 8, 16, 1), formula: deltaNetCase},
	coarseCase{name: "channel", in: deltaNetShapes(1, 3, 2, 2, 8, 8, 8), formula: deltaNetCase},
)

// deltaNetShapes lists operands of delta_net.
func deltaNetShapes(B, T, Hk, H, K, V, G int) []graph.Shape {
	return shapes(f32(B, H, V, K), f32(B, T, Hk, K), f32(B, T, Hk, K), f32(B, T, H, V),
		f32(B, T, H, G), f32(H, G), f32(H, 1), f32(B, T, H, 1))
}

func deltaNetCase(in []graph.Value) []graph.Value {
	o, next := DeltaNet(in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7], GatedDeltaNetAttrs{Norm: NormSum, Eps: 1e-6, Scale: 0.3})
	return []graph.Value{o, next}
}

// DeltaNet is delta_net in plain ops and gated_delta_net.
func DeltaNet(s, q, k, v, a, dt, A, b graph.Value, at GatedDeltaNetAttrs) (o, next graph.Value) {
	g := Mul(Softplus(Add(a, dt)), A)
	return GatedDeltaNet(q, k, v, g, Sigmoid(b), s, at)
}

// GatedNormOp is the norm and gate behind a delta net.
var GatedNormOp = coarse("gated_norm", `y = rms_norm(x)·w · gate(z), gate being silu or sigmoid. x, z, y [B T H V], w [V].`, nil,
	coarseCase{name: "silu", in: shapes(f32(2, 3, 2, 8), f32(8), f32(2, 3, 2, 8)), formula: gatedNormCase(Silu)},
	coarseCase{name: "sigmoid", in: shapes(f32(1, 1, 2, 16), f32(16), f32(1, 1, 2, 16)), formula: gatedNormCase(Sigmoid)},
	coarseCase{name: "silu 128", in: shapes(f32(1, 5, 1, 128), f32(128), f32(1, 5, 1, 128)), formula: gatedNormCase(Silu)},
	coarseCase{name: "sigmoid 33", in: shapes(f32(1, 2, 1, 33), f32(33), f32(1, 2, 1, 33)), formula: gatedNormCase(Sigmoid)},
)

func gatedNormCase(gate func(graph.Value) graph.Value) func([]graph.Value) []graph.Value {
	return func(in []graph.Value) []graph.Value { return []graph.Value{GatedNorm(in[0], in[1], in[2], gate)} }
}

// GatedNorm is gated_norm in plain ops.
func GatedNorm(x, w, z graph.Value, gate func(graph.Value) graph.Value) graph.Value {
	return Mul(Mul(RMSNorm(x, 1e-6), w), gate(z))
}

// ConvSlotsOp is causal_conv_silu on the states of sequences in a pool.
var ConvSlotsOp = coarse("conv_slots",
	`causal_conv_silu whose state is the rows of a pool at slots, and the pool with its next rows.
pool [P W-1 C], slots i32 [B], x [B T C], w [C W]; y [B T C] and the pool.`, []int{-1, 0},
	coarseCase{name: "token", in: shapes(f32(3, 3, 8), i32(2), f32(2, 1, 8), f32(8, 4)), formula: convSlotsCase, fill: fillSlots(1)},
	coarseCase{name: "prompt", in: shapes(f32(4, 3, 16), i32(1), f32(1, 5, 16), f32(16, 4)), formula: convSlotsCase, fill: fillSlots(1)},
)

func convSlotsCase(in []graph.Value) []graph.Value {
	y, pool := ConvSlots(in[0], in[1], in[2], in[3])
	return []graph.Value{y, pool}
}

// fillSlots gives the operand with that number the slots 0, 1, …
func fillSlots(operand int) func(int, graph.Tensor, *rand.Rand) {
	return func(i int, t graph.Tensor, r *rand.Rand) {
		for j := range t.F {
			t.F[j] = float32(r.NormFloat64()) / 2
		}
		if i == operand {
			for j := range t.I {
				t.I[j] = int32(j)
			}
		}
	}
}

// ConvSlots is conv_slots over causal_conv_silu.
func ConvSlots(pool, slots, x, w graph.Value) (y, next graph.Value) {
	out := Wrap(CausalConvSiluOp, causalConvSilu, Rows(pool, slots), x, w)
	if len(out) < 2 {
		return graph.Value{}, graph.Value{}
	}
	return out[0], ScatterRows(pool, slots, out[1])
}

// DeltaSlotsOp is delta_net on the states of sequences in a pool.
var DeltaSlotsOp = coarse("delta_slots",
	`delta_net whose state is the rows of a pool at slots, and the pool with its next rows.
pool [P H V K], slots i32 [B], then delta_net's operands; o [B T H V] and the pool.`, []int{-1, 0},
	coarseCase{name: "token", in: deltaSlotsShapes(3, deltaNetShapes(2, 1, 2, 4, 8, 16, 1)), formula: deltaSlotsCase, fill: fillSlots(1)},
	coarseCase{name: "channel", in: deltaSlotsShapes(2, deltaNetShapes(1, 3, 2, 2, 8, 8, 8)), formula: deltaSlotsCase, fill: fillSlots(1)},
)

func deltaSlotsShapes(slots int, in []graph.Shape) []graph.Shape {
	s := in[0]
	return append(shapes(f32(slots, s.Dim(1), s.Dim(2), s.Dim(3)), i32(s.Dim(0))), in[1:]...)
}

func deltaSlotsCase(in []graph.Value) []graph.Value { return DeltaSlots(deltaNetCase, in...) }

// DeltaSlots is delta_slots over delta_net, the formula given.
func DeltaSlots(net func(in []graph.Value) []graph.Value, in ...graph.Value) []graph.Value {
	pool, slots := in[0], in[1]
	out := Wrap(DeltaNetOp, net, append([]graph.Value{Rows(pool, slots)}, in[2:]...)...)
	if len(out) < 2 {
		return []graph.Value{{}, {}}
	}
	return []graph.Value{out[0], ScatterRows(pool, slots, out[1])}
}

// DeltaBlockOp is all of a delta net between its projections.
var DeltaBlockOp = coarse("delta_block",
	`conv_slots, delta_slots on the q, k and v in its channels, and gated_norm.
conv pool [P W-1 C], state pool [P H V K], slots i32 [B], x [B T C] with C = 2·Hk·K + H·V, conv weight [C W],
a [B T H 1], dt [H 1], A [H 1], b [B T H 1], norm weight [V], z [B T H V]; y [B T H V] and both pools.`, []int{-1, 0, 1},
	coarseCase{name: "token", in: deltaBlockShapes(3, 2, 1, 2, 4, 8, 16, 1), formula: deltaBlockCase(2), fill: fillSlots(2)},
	coarseCase{name: "prompt", in: deltaBlockShapes(2, 1, 5, 2, 2, 8, 8, 1), formula: deltaBlockCase(2), fill: fillSlots(2)},
	coarseCase{name: "16 wide", in: deltaBlockShapes(1, 1, 16, 1, 1, 16, 1024, 1), formula: deltaBlockCase(1), fill: fillBlock},
	coarseCase{name: "64 token", in: deltaBlockShapes(2, 1, 1, 2, 2, 64, 48, 1), formula: deltaBlockCase(2), fill: fillBlock},
	coarseCase{name: "128 token", in: deltaBlockShapes(3, 2, 1, 1, 2, 128, 128, 1), formula: deltaBlockCase(1), fill: fillBlock},
	coarseCase{name: "128 five tokens", in: deltaBlockShapes(1, 1, 5, 1, 1, 128, 128, 1), formula: deltaBlockCase(1), fill: fillBlock},
	coarseCase{name: "128 16 tokens", in: deltaBlockShapes(2, 1, 16, 1, 2, 128, 128, 1), formula: deltaBlockCase(1), fill: fillBlock},
	coarseCase{name: "128 17 tokens", in: deltaBlockShapes(2, 1, 17, 1, 2, 128, 32, 1), formula: deltaBlockCase(1), fill: fillBlock},
	coarseCase{name: "128 70 tokens", in: deltaBlockShapes(2, 2, 70, 1, 1, 128, 32, 1), formula: deltaBlockCase(1), fill: fillBlock},
	coarseCase{name: "channel 128 tokens", in: deltaBlockShapes(2, 1, 2, 1, 1, 128, 128, 128), formula: deltaBlockCase(1), fill: fillBlock},
	coarseCase{name: "channel 128 33 tokens", in: deltaBlockShapes(2, 1, 33, 2, 2, 128, 32, 128), formula: deltaBlockCase(2), fill: fillBlock},
)

// deltaBlockShapes lists operands of delta_block.
func deltaBlockShapes(P, B, T, Hk, H, K, V, G int) []graph.Shape {
	C := 2*Hk*K + H*V
	return shapes(f32(P, 3, C), f32(P, H, V, K), i32(B), f32(B, T, C), f32(C, 4),
		f32(B, T, H, G), f32(H, G), f32(H, 1), f32(B, T, H, 1), f32(V), f32(B, T, H, V))
}

// fillBlock is fillSlots for delta_block with decays below 1, as models have them.
func fillBlock(i int, t graph.Tensor, r *rand.Rand) {
	fillSlots(2)(i, t, r)
	if i == 7 {
		for j := range t.F {
			t.F[j] = -r.Float32() / 4
		}
	}
}

func deltaBlockCase(Hk int) func([]graph.Value) []graph.Value {
	return func(in []graph.Value) []graph.Value {
		return DeltaBlock(Hk, deltaNetCase, func(in []graph.Value) []graph.Value {
			return []graph.Value{GatedNorm(in[0], in[1], in[2], Silu)}
		}, in...)
	}
}

// DeltaBlock is delta_block over its parts: Hk key heads, the formulas of
// delta_net and of the norm.
func DeltaBlock(Hk int, net, norm func(in []graph.Value) []graph.Value, in ...graph.Value) []graph.Value {
	conv, pool, slots, x, w, a, dt, A, b, scale, z := in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7], in[8], in[9], in[10]
	B, T := x.Shape().Dim(0), x.Shape().Dim(1)
	H, V, K := pool.Shape().Dim(1), pool.Shape().Dim(2), pool.Shape().Dim(3)
	c := Wrap(ConvSlotsOp, convSlotsCase, conv, slots, x, w)
	heads := func(start, H, D int) graph.Value { return Reshape(Slice(c[0], 2, start, H*D), B, T, H, D) }
	q, k, v := heads(0, Hk, K), heads(Hk*K, Hk, K), heads(2*Hk*K, H, V)
	o := Wrap(DeltaSlotsOp, func(in []graph.Value) []graph.Value { return DeltaSlots(net, in...) },
		pool, slots, q, k, v, a, dt, A, b)
	y := Wrap(GatedNormOp, norm, o[0], scale, z)
	if len(c) < 2 || len(o) < 2 {
		return []graph.Value{{}, {}, {}}
	}
	return []graph.Value{y[0], c[1], o[1]}
}
