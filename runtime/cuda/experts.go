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

// acts is how kernels hold activations in shared memory beside weights of a type.
type acts struct {
	kind  string // the end of a kernel's name
	elems int    // of an item
	bytes int    // of an item
}

// actsFor returns the acts for rows of these lengths.
func actsFor(dt graph.DType, rows ...int) (acts, error) {
	block, _ := dt.Block()
	switch {
	case dt == graph.I32:
		return acts{}, unsupported("weights of %v", dt)
	case block > 1:
		return acts{dt.String(), 32, 40}, nil
	}
	for _, n := range rows {
		if n%8 != 0 {
			return acts{dt.String() + "_any", 1, 4}, nil
		}
	}
	return acts{dt.String(), 8, 32}, nil
}

// mostShared is how much shared memory a block may have on every card from sm_80 on.
const mostShared = 99 << 10

// shared is the bytes for so many elements.
func (a acts) shared(elements int) (int, error) {
	bytes := elements / a.elems * a.bytes
	if bytes > mostShared {
		return 0, unsupported("%d activations in shared memory", elements)
	}
	return bytes, nil
}

const (
	expertThreads = 256
	upRows        = 16 // of weights, a block
	downRows      = 8
)

type expertParams struct {
	E, K, F, S, U, Each uint32
	Eps                 float32
}

// few refuses more tokens or experts than a grid has room for.
func few(tokens, experts int) error {
	if tokens > 65535 || experts > 65534 {
		return unsupported("%d experts for each of %d tokens", experts, tokens)
	}
	return nil
}

func expertMatMul(n *graph.Node, p *plan) error {
	x, w, idx := n.In(0).Shape(), n.In(1).Shape(), n.In(2).Shape()
	N, U, E, F, K := idx.Dim(0), idx.Dim(1), w.Dim(0), w.Dim(1), w.Dim(2)
	a, err := actsFor(w.DType, K)
	if err != nil {
		return err
	}
	shared, err := a.shared(K)
	if err != nil {
		return err
	}
	if err := few(N, U); err != nil {
		return err
	}
	if N > fewTokens {
		rows := p.prepare(p.in(0), null, 0, N*x.Dim(1), K, w.DType)
		p.sortByExpert(2, E).multiply(p, rows, U/x.Dim(1), p.in(1), null, p.out(0), w.DType, K, F)
		return nil
	}
	params := expertParams{E: uint32(E), K: uint32(K), F: uint32(F), U: uint32(U)}
	if x.Dim(1) == U {
		params.Each = 1
	}
	p.launchShared(shared, "expert_matmul_"+a.kind, dim{lower.Ceil(F, upRows), U, N}, line(expertThreads), params,
		p.in(0), p.in(2), p.in(1), p.out(0))
	return nil
}

// expertsUp is one launch where the shared expert's weights have the type of the
// others', and two where they have another.
func expertsUp(n *graph.Node, p *plan) error {
	eps, err := lower.ExpertsUp(n)
	if err != nil {
		return err
	}
	idx, w, s := n.In(2).Shape(), n.In(3).Shape(), n.In(5).Shape()
	N, U, E, F, K, S := idx.Dim(0), idx.Dim(1), w.Dim(0), w.Dim(1), w.Dim(2), s.Dim(0)
	for i := 3; i < 7; i += 2 {
		if g, u := n.In(i).Shape().DType, n.In(i+1).Shape().DType; g != u {
			return unsupported("gate of %v beside up of %v", g, u)
		}
	}
	if err := few(N, U); err != nil {
		return err
	}
	if N > fewTokens {
		x := p.prepare(p.in(0), p.in(1), eps, N, K, w.DType)
		p.sortByExpert(2, E).multiply(p, x, U, p.in(3), p.in(4), p.out(0), w.DType, K, F)
		if s.DType != w.DType {
			x = p.prepare(p.in(0), p.in(1), eps, N, K, s.DType)
		}
		alone(N).multiply(p, x, 1, p.in(5), p.in(6), p.out(1), s.DType, K, S)
		return nil
	}
	launch := func(dt graph.DType, rows, uses, experts int) error {
		a, err := actsFor(dt, K)
		if err != nil {
			return err
		}
		shared, err := a.shared(K)
		if err != nil {
			return err
		}
		p.launchShared(shared, "experts_up_"+a.kind, dim{lower.Ceil(rows, upRows), uses, N}, line(expertThreads),
			expertParams{E: uint32(E), K: uint32(K), F: uint32(F), S: uint32(S), U: uint32(experts), Eps: eps},
			p.in(0), p.in(1), p.in(2), p.in(3), p.in(4), p.in(5), p.in(6), p.out(0), p.out(1))
		return nil
	}
	if w.DType == s.DType {
		return launch(w.DType, max(F, S), U+1, U)
	}
	if err := launch(w.DType, F, U, U); err != nil {
		return err
	}
	return launch(s.DType, S, 1, 0)
}

type downParams struct{ E, U, F, H, M uint32 }

// expertsDown is one launch or two, as expertsUp.
func expertsDown(n *graph.Node, p *plan) error {
	gated, err := lower.ExpertsDown(n)
	if err != nil {
		return err
	}
	x, w, s := n.In(0).Shape(), n.In(3).Shape(), n.In(5).Shape()
	N, U, F, E, M, H := x.Dim(0), x.Dim(1), x.Dim(2), w.Dim(0), w.Dim(1), s.Dim(1)
	if err := few(N, U); err != nil {
		return err
	}
	gate := null
	if gated {
		gate = p.in(7)
	}
	if N > fewTokens {
		z, zs := p.scratch(4*int64(N*U)*int64(M)), p.scratch(4*int64(N)*int64(M))
		p.sortByExpert(1, E).multiply(p, p.prepare(p.in(0), null, 0, N*U, F, w.DType), 1, p.in(3), null, z, w.DType, F, M)
		alone(N).multiply(p, p.prepare(p.in(4), null, 0, N, H, s.DType), 1, p.in(5), null, zs, s.DType, H, M)
		p.launch("experts_combine", dim{N, lower.Ceil(M, 256), 1}, line(256), weighParams{uint32(E), uint32(U), uint32(M)},
			p.in(1), p.in(2), z, zs, gate, p.in(6), p.out(0))
		return nil
	}
	launch := func(dt graph.DType, uses, shared int, weights, residual buffer) error {
		a, err := actsFor(dt, F, H)
		if err != nil {
			return err
		}
		bytes, err := a.shared(uses*F + shared)
		if err != nil {
			return err
		}
		p.launchShared(bytes, "experts_down_"+a.kind, dim{lower.Ceil(M, downRows), N, 1}, line(expertThreads),
			downParams{uint32(E), uint32(uses), uint32(F), uint32(H), uint32(M)},
			p.in(0), p.in(1), p.in(2), p.in(3), p.in(4), weights, gate, residual, p.out(0))
		return nil
	}
	if w.DType == s.DType {
		return launch(w.DType, U, H, p.in(5), p.in(6))
	}
	if err := launch(w.DType, U, 0, null, p.in(6)); err != nil {
		return err
	}
	return launch(s.DType, 0, H, p.in(5), p.out(0))
}
