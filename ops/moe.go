package ops

import (
	"fmt"
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
	coarseCase{name: "all", in: shapes(f32(3, 33), f32(4, 33)), formula: routerCase(RouterForm{Used: 4})},
	coarseCase{name: "many", in: shapes(f32(9, 64), f32(512, 64)), formula: routerCase(RouterForm{Used: 10, Scaled: true})},
	coarseCase{name: "prompt", in: shapes(f32(40, 32), f32(65, 32), f32(65)), formula: routerCase(RouterForm{Used: 8, Sigmoid: true})},
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
	coarseCase{name: "many", in: shapes(f32(1, 256), f32(256), f32(256, 256), f32(1, 256)), formula: normRouterCase(RouterForm{Used: 8}, true)},
	coarseCase{name: "odd", in: shapes(f32(9, 33), f32(33), f32(70, 33), f32(1, 33)), formula: normRouterCase(RouterForm{Used: 16}, true)},
	coarseCase{name: "prompt", in: shapes(f32(40, 64), f32(64), f32(64, 64), f32(64), f32(1, 64)), formula: normRouterCase(RouterForm{Used: 8, Sigmoid: true, Scaled: true}, true)},
	coarseCase{name: "BF16", in: shapes(f32(3, 64), f32(64), graph.ShapeOf(graph.BF16, 64, 64), f32(1, 64)), formula: normRouterCase(RouterForm{Used: 2}, true)},
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
	expertsUpCases()...,
)

func expertsUpCases() (cases []coarseCase) {
	add := func(name string, N, U, E, D, F, S int, routed, shared graph.DType, nmse float64) {
		w, s := graph.ShapeOf(routed, E, F, D), graph.ShapeOf(shared, S, D)
		cases = append(cases, coarseCase{name, shapes(f32(N, D), f32(D), i32(N, U), w, w, s, s), expertsUp, fillExperts(2, E), nmse})
	}
	add("token", 1, 2, 4, 16, 24, 20, graph.F32, graph.F32, 0)
	add("prompt", 3, 2, 4, 32, 16, 8, graph.F32, graph.F32, 0)
	add("odd", 9, 2, 4, 33, 17, 5, graph.F32, graph.F32, 0)
	add("many experts", 40, 8, 64, 32, 16, 16, graph.F32, graph.F32, 0)
	add("many experts Q8_0", 40, 8, 64, 64, 16, 24, graph.Q8_0, graph.Q8_0, twiceRounded)
	for _, t := range expertTypes {
		for _, N := range []int{1, 3, 9, 40} {
			add(fmt.Sprintf("%v %d", t, N), N, 2, 4, 256, 20, 12, t, t, twiceRounded)
		}
	}
	add("Q4_K beside Q8_0", 3, 2, 4, 256, 16, 24, graph.Q4_K, graph.Q8_0, twiceRounded)
	add("types apart", 3, 2, 4, 64, 16, 24, graph.Q8_0, graph.F32, twiceRounded)
	in := cases[len(cases)-1].in
	in[4], in[6] = graph.ShapeOf(graph.F16, in[4].Dims()...), graph.ShapeOf(graph.Q4_0, in[6].Dims()...)
	return cases
}

// expertTypes are types whose products a backend may compute in ways of their own;
// all of them are in the cases of expert_matmul.
var expertTypes = []graph.DType{graph.F16, graph.BF16, graph.Q8_0, graph.Q4_K, graph.Q6_K}

// twiceRounded is the limit for what two products of rounded activations leave, which
// are multiplied or follow each other.
const twiceRounded = 4e-4

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
	expertsDownCases()...,
)

func expertsDownCases() (cases []coarseCase) {
	add := func(name string, N, U, E, M, F, H int, gated bool, routed, shared graph.DType, nmse float64) {
		s := shapes(f32(N, U, F), i32(N, U), f32(N, U), graph.ShapeOf(routed, E, M, F), f32(N, H), graph.ShapeOf(shared, M, H), f32(N, M))
		if gated {
			s = append(s, f32(N, 1))
		}
		cases = append(cases, coarseCase{name, s, expertsDownCase(gated), fillExperts(1, E), nmse})
	}
	add("gated", 2, 3, 4, 16, 24, 20, true, graph.F32, graph.F32, 0)
	add("plain", 1, 2, 4, 16, 8, 8, false, graph.F32, graph.F32, 0)
	add("odd", 9, 2, 4, 17, 33, 5, true, graph.F32, graph.F32, 0)
	add("many experts", 40, 8, 64, 16, 32, 16, true, graph.F32, graph.F32, 0)
	add("many experts Q8_0", 40, 8, 64, 24, 32, 64, true, graph.Q8_0, graph.Q8_0, twiceRounded)
	for _, t := range expertTypes {
		for _, N := range []int{1, 3, 9, 40} {
			add(fmt.Sprintf("%v %d", t, N), N, 2, 4, 20, 256, 256, N == 1, t, t, twiceRounded)
		}
	}
	add("Q4_K beside Q8_0", 3, 2, 4, 20, 256, 288, true, graph.Q4_K, graph.Q8_0, twiceRounded)
	add("Q6_K of 10", 1, 10, 12, 20, 512, 512, true, graph.Q6_K, graph.Q6_K, twiceRounded)
	add("Q5_0 of 8 beside F32", 2, 8, 9, 20, 288, 40, true, graph.Q5_0, graph.F32, twiceRounded)
	add("odd rows beside longer ones", 2, 3, 4, 19, 512, 1280, true, graph.Q4_K, graph.Q5_0, twiceRounded)
	add("short rows", 2, 3, 4, 20, 64, 32, true, graph.Q8_0, graph.Q8_0, twiceRounded)
	return cases
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
