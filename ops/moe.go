package ops

import (
	"math"
	"math/rand/v2"

	"github.com/deltaloom/deltaloom/graph"
)

// RouterForm says how a router's scores become weights.
type RouterForm struct {
	Used    int  // experts a token
	Sigmoid bool // of each score, with a bias for the choice alone; else softmax over all
	Scaled  bool // the weights are multiplied by a constant in the end
}

// MinRouterSum is the least that a token's weights are divided by: the smallest
// normal half, as in llama.cpp.
const MinRouterSum = 6.103515625e-5

// RouterOp chooses experts.
var RouterOp = coarse("router",
	`p = softmax or sigmoid of x Rᵀ; the experts of the largest p (+ bias), their p divided by its sum.
x [N D], R [E D], bias [E] with sigmoid; experts i32 [N U] and weights [N U].`, nil,
	coarseCase{name: "softmax", in: shapes(f32(3, 32), f32(8, 32)), formula: routerCase(RouterForm{Used: 3})},
	coarseCase{name: "sigmoid", in: shapes(f32(2, 32), f32(8, 32), f32(8)), formula: routerCase(RouterForm{Used: 2, Sigmoid: true, Scaled: true})},
)

func routerCase(f RouterForm) func([]graph.Value) []graph.Value {
	return func(in []graph.Value) []graph.Value {
		experts, weights := Router(f, in...)
		return []graph.Value{experts, weights}
	}
}

// Router is router in plain ops: x, R and, with sigmoid, the bias.
func Router(f RouterForm, in ...graph.Value) (experts, weights graph.Value) {
	logits := MatMul(in[0], in[1])
	p := Softmax(logits)
	score := p
	if f.Sigmoid {
		p = Sigmoid(logits)
		score = Add(p, in[2])
	}
	experts = TopK(score, f.Used)
	chosen := GatherLast(p, experts)
	weights = Div(chosen, Clamp(SumLast(chosen), MinRouterSum, float32(math.Inf(1))))
	if f.Scaled {
		weights = Scale(weights, 2)
	}
	return experts, weights
}

// NormRouterOp is router of a normalised value, with the gate of the shared
// expert where there is one.
var NormRouterOp = coarse("norm_router",
	`router of h = rms_norm(x)·w, and sigmoid(h Sᵀ). x [N D], w [D], router's operands, S [1 D] or none.`, nil,
	coarseCase{name: "softmax", in: shapes(f32(3, 32), f32(32), f32(8, 32), f32(1, 32)), formula: normRouterCase(RouterForm{Used: 3}, true)},
	coarseCase{name: "sigmoid", in: shapes(f32(2, 32), f32(32), f32(8, 32), f32(8)), formula: normRouterCase(RouterForm{Used: 2, Sigmoid: true}, false)},
)

func normRouterCase(f RouterForm, shared bool) func([]graph.Value) []graph.Value {
	return func(in []graph.Value) []graph.Value {
		return NormRouter(f, shared, Mul(RMSNorm(in[0], 1e-6), in[1]), in[2:]...)
	}
}

// NormRouter is norm_router over router: the normalised value, router's other
// operands and, if shared, S.
func NormRouter(f RouterForm, shared bool, h graph.Value, in ...graph.Value) []graph.Value {
	n := len(in)
	if shared {
		n--
	}
	out := Wrap(RouterOp, routerCase(f), append([]graph.Value{h}, in[:n]...)...)
	if shared {
		out = append(out, Sigmoid(MatMul(h, in[n])))
	}
	return out
}

// ExpertsUpOp is the hidden layers of the chosen experts and of the shared one.
var ExpertsUpOp = coarse("experts_up",
	`swiglu of h = rms_norm(x)·w in each chosen expert and in the shared expert.
x [N D], w [D], experts i32 [N U], G and U [E F D], shared G and U [S D]; [N U F] and [N S].`, nil,
	coarseCase{name: "token", in: expertsUpShapes(1, 2, 4, 16, 24, 20), formula: expertsUp, fill: fillExperts(2, 4)},
	coarseCase{name: "prompt", in: expertsUpShapes(3, 2, 4, 32, 16, 8), formula: expertsUp, fill: fillExperts(2, 4)},
)

func expertsUpShapes(N, U, E, D, F, S int) []graph.Shape {
	return shapes(f32(N, D), f32(D), i32(N, U), f32(E, F, D), f32(E, F, D), f32(S, D), f32(S, D))
}

// fillExperts draws experts below E for that operand.
func fillExperts(operand, E int) func(int, graph.Tensor, *rand.Rand) {
	return func(i int, t graph.Tensor, r *rand.Rand) {
		for j := range t.F {
			t.F[j] = float32(r.NormFloat64()) / 2
		}
		for j := range t.I {
			t.I[j] = int32(r.IntN(E))
		}
	}
}

func expertsUp(in []graph.Value) []graph.Value {
	return ExpertsUp(Mul(RMSNorm(in[0], 1e-6), in[1]), in[2], in[3], in[4], in[5], in[6])
}

// ExpertsUp is experts_up over swiglu, from the normalised value on.
func ExpertsUp(h, experts, gate, up, sharedGate, sharedUp graph.Value) []graph.Value {
	return []graph.Value{ExpertSwiGLU(h, experts, gate, up), Wrap(SwiGLUOp, swiglu, h, sharedGate, sharedUp)[0]}
}

// ExpertSwiGLU is the hidden layers of the chosen experts in plain ops: h [N D],
// experts [N U], gate and up [E F D] to [N U F].
func ExpertSwiGLU(h, experts, gate, up graph.Value) graph.Value {
	x := Reshape(h, h.Shape().Dim(0), 1, h.Shape().Dim(1))
	return Mul(Silu(ExpertMatMul(x, gate, experts)), ExpertMatMul(x, up, experts))
}

// ExpertsDownOp sums what the experts give into the residual stream.
var ExpertsDownOp = coarse("experts_down",
	`y = r + Σ_u weight_u·(a_u D_uᵀ) + (s Sᵀ)·gate.
a [N U F], experts i32 [N U], weights [N U], D [E M F], s [N H], S [M H], gate [N 1] or none, r and y [N M].`, nil,
	coarseCase{name: "gated", in: expertsDownShapes(2, 3, 4, 16, 24, 20, true), formula: expertsDownCase(true), fill: fillExperts(1, 4)},
	coarseCase{name: "plain", in: expertsDownShapes(1, 2, 4, 16, 8, 8, false), formula: expertsDownCase(false), fill: fillExperts(1, 4)},
)

func expertsDownShapes(N, U, E, M, F, H int, gated bool) []graph.Shape {
	s := shapes(f32(N, U, F), i32(N, U), f32(N, U), f32(E, M, F), f32(N, H), f32(M, H), f32(N, M))
	if gated {
		s = append(s, f32(N, 1))
	}
	return s
}

func expertsDownCase(gated bool) func([]graph.Value) []graph.Value {
	return func(in []graph.Value) []graph.Value {
		gate := graph.Value{}
		if gated {
			gate = in[7]
		}
		return []graph.Value{ExpertsDown(in[0], in[1], in[2], in[3], in[4], in[5], in[6], gate)}
	}
}

// ExpertsDown is experts_down in plain ops; the zero gate stands for none.
func ExpertsDown(a, experts, weights, down, s, shared, r, gate graph.Value) graph.Value {
	N, U := a.Shape().Dim(0), a.Shape().Dim(1)
	y := ExpertMatMul(a, down, experts)                                            // [N U M]
	y = Reshape(Sum(Mul(y, Reshape(weights, N, U, 1)), 1), N, down.Shape().Dim(1)) // [N M]
	z := MatMul(s, shared)
	if gate.Node() != nil {
		z = Mul(z, gate)
	}
	return Add(r, Add(y, z))
}
