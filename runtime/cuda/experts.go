package cuda

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() {
	register(expertMatMul, ops.ExpertMatMulOp)
	register(expertsUp, ops.ExpertsUpOp)
	register(expertsDown, ops.ExpertsDownOp)
}

// items is the end of the name of a kernel of runtime/kernels/act_dot.h for rows of
// weights of these lengths.
func items(dt graph.DType, rows ...int) string {
	for _, n := range rows {
		if (weight{dt: dt}).plain() && n%8 != 0 {
			return dt.String() + "_any"
		}
	}
	return dt.String()
}

// actBytes is the shared memory that activations take beside weights of a type.
func actBytes(dt graph.DType, activations int) int {
	if (weight{dt: dt}).plain() {
		return 4 * activations
	}
	return tokenBytes(activations)
}

// Sizes of runtime/kernels/experts.cu.
const (
	expertThreads = 256
	upRows        = 16 // of weights, a block
	downRows      = 8
)

// fewPairs says that experts are multiplied token by token, with blocks of that much
// shared memory.
func fewPairs(tokens, shared int) bool { return tokens <= vecTokens && shared <= vecShared }

// fits refuses more tokens or experts than a grid has room for.
func fits(tokens, used, experts int) error {
	if tokens > 65535 || used > 65534 || experts > 65535 {
		return unsupported("%d of %d experts for %d tokens", used, experts, tokens)
	}
	return small(tokens * used)
}

type expertParams struct {
	E, K, F, S, U, Each uint32
	Eps                 float32
}

func expertMatMul(n *graph.Node, p *plan) error {
	x, w, idx := p.acts(0), n.In(1).Shape(), n.In(2).Shape()
	N, U, E, F := idx.Dim(0), idx.Dim(1), w.Dim(0), w.Dim(1)
	if err := fits(N, U, E); err != nil {
		return err
	}
	shared := actBytes(w.DType, x.k)
	if !fewPairs(N, shared) {
		p.sortByExpert(2, E).multiply(p, x, p.weights(1, 2), p.out(0))
		return nil
	}
	params := expertParams{E: uint32(E), K: uint32(x.k), F: uint32(F), U: uint32(U)}
	if x.tokens == N*U {
		params.Each = 1
	}
	p.launchShared(shared, "expert_matmul_"+items(w.DType, x.k), dim{lower.Ceil(F, upRows), U, N}, line(expertThreads), params,
		p.in(0), p.in(2), p.in(1), p.out(0))
	return nil
}

// expertsUp is one launch for few tokens, and one more where the shared expert's
// weights have a type of their own.
func expertsUp(n *graph.Node, p *plan) error {
	eps, err := lower.ExpertsUp(n)
	if err != nil {
		return err
	}
	ws, shared := p.weights(3, 5), p.weights(5, 7)
	x, idx, E := p.normed(eps), n.In(2).Shape(), n.In(3).Shape().Dim(0)
	N, U := idx.Dim(0), idx.Dim(1)
	if err := fits(N, U, E); err != nil {
		return err
	}
	if !fewPairs(N, actBytes(ws[0].dt, x.k)) || ws[0].dt != ws[1].dt {
		p.sortByExpert(2, E).multiply(p, x, ws, p.out(0))
		return p.linear(x, shared, gateProducts, null, p.out(1))
	}
	one := ws[0].dt == shared[0].dt && ws[0].dt == shared[1].dt
	params := expertParams{E: uint32(E), K: uint32(x.k), F: uint32(ws[0].rows), S: uint32(shared[0].rows), U: uint32(U), Eps: eps}
	rows, uses := ws[0].rows, U
	if one {
		rows, uses = max(rows, shared[0].rows), U+1
	}
	p.launchShared(actBytes(ws[0].dt, x.k), "experts_up_"+items(ws[0].dt, x.k), dim{lower.Ceil(rows, upRows), uses, N}, line(expertThreads), params,
		x.at, x.norm, p.in(2), ws[0].at, ws[1].at, shared[0].at, shared[1].at, p.out(0), p.out(1))
	if one {
		return nil
	}
	return p.linear(x, shared, gateProducts, null, p.out(1))
}

type downParams struct{ E, U, F, H, M uint32 }

// expertsDown is one launch or two for few tokens, as expertsUp.
func expertsDown(n *graph.Node, p *plan) error {
	gated, err := lower.ExpertsDown(n)
	if err != nil {
		return err
	}
	gate := null
	if gated {
		gate = p.in(7)
	}
	a, s, w, shared := p.acts(0), p.acts(4), p.weights(3, 4)[0], p.weights(5, 6)[0]
	N, U, E := s.tokens, a.tokens/s.tokens, n.In(3).Shape().Dim(0)
	if err := fits(N, U, E); err != nil {
		return err
	}
	params := downParams{uint32(E), uint32(U), uint32(w.k), uint32(shared.k), uint32(w.rows)}
	if !fewPairs(N, actBytes(w.dt, U*w.k)+actBytes(shared.dt, shared.k)) {
		z, zs := p.scratch(4*int64(N*U)*int64(w.rows)), p.scratch(4*int64(N)*int64(w.rows))
		p.sortByExpert(1, E).multiply(p, a, []weight{w}, z)
		if err := p.linear(s, []weight{shared}, storeProducts, null, zs); err != nil {
			return err
		}
		p.launch("experts_combine", dim{N, lower.Ceil(w.rows, threads), 1}, line(threads), params,
			p.in(1), p.in(2), z, zs, gate, p.in(6), p.out(0))
		return nil
	}
	launch := func(dt graph.DType, bytes int, params downParams, shared, residual buffer) {
		p.launchShared(bytes, "experts_down_"+items(dt, w.k, s.k), dim{lower.Ceil(w.rows, downRows), N, 1}, line(expertThreads), params,
			a.at, p.in(1), p.in(2), w.at, s.at, shared, gate, residual, p.out(0))
	}
	own, others := actBytes(w.dt, U*w.k), actBytes(shared.dt, shared.k)
	if w.dt == shared.dt {
		launch(w.dt, own+others, params, shared.at, p.in(6))
	} else {
		launch(w.dt, own, params, null, p.in(6))
		params.U = 0
		launch(shared.dt, others, params, shared.at, p.out(0))
	}
	return nil
}
