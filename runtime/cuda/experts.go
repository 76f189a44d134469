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

type upParams struct {
	E, U, K, Mode, Each  uint32
	Eps                  float32
	Type, Rows, RowBytes [2]uint32
}

// eachToken launches the products of few tokens with the weights of their experts, and
// with those of the shared expert where there are some, as mode says.
func (p *plan) eachToken(x activations, experts buffer, N, U, E int, ws, shared []weight, mode int, ys ...buffer) {
	params := upParams{E: uint32(E), U: uint32(U), K: uint32(x.k), Mode: uint32(mode), Eps: x.eps}
	if x.tokens == N*U {
		params.Each = 1
	}
	buffers := []buffer{x.at, x.norm, experts, null, null, null, null, null, null}
	bytes, jobs, uses := 0, 0, U
	for kind, ws := range [][]weight{ws, shared} {
		if len(ws) == 0 {
			continue
		}
		w := ws[0]
		params.Type[kind], params.Rows[kind], params.RowBytes[kind] = uint32(w.dt), uint32(w.rows), uint32(w.rowBytes())
		for i, w := range ws {
			buffers[3+2*kind+i] = w.at
		}
		buffers[7+kind] = ys[kind]
		bytes, jobs, uses = max(bytes, vecMemory(1, w)), max(jobs, w.rows), U+kind
	}
	blocks := min(lower.Ceil(jobs, vecWarps), 1+vecBlocks/(uses*N))
	p.launchShared(bytes, "experts_up", dim{blocks, uses, N}, line(32*vecWarps), params, buffers...)
}

// alike says that weights have one type and size.
func alike(ws []weight) bool { return ws[0].dt == ws[1].dt && ws[0].rows == ws[1].rows }

func expertMatMul(n *graph.Node, p *plan) error {
	x, idx, ws := p.acts(0), n.In(2).Shape(), p.weights(1, 2)
	N, U, E := idx.Dim(0), idx.Dim(1), n.In(1).Shape().Dim(0)
	if err := small(N * U); err != nil {
		return err
	}
	if fewTokens(N, ws[0]) {
		p.eachToken(x, p.in(2), N, U, E, ws, nil, storeProducts, p.out(0))
	} else {
		p.sortByExpert(x, 2, E).multiply(p, p.prepare(x, ws[0]), ws[0], null, p.out(0))
	}
	return nil
}

// expertsUp is one launch for few tokens where a gate and its up have one type.
func expertsUp(n *graph.Node, p *plan) error {
	eps, err := lower.ExpertsUp(n)
	if err != nil {
		return err
	}
	ws, shared := p.weights(3, 5), p.weights(5, 7)
	x, idx, E := p.normed(eps), n.In(2).Shape(), n.In(3).Shape().Dim(0)
	N, U := idx.Dim(0), idx.Dim(1)
	if err := small(N * U); err != nil {
		return err
	}
	few := fewTokens(N, ws[0]) && alike(ws)
	if few && fewTokens(N, shared[0]) && alike(shared) {
		p.eachToken(x, p.in(2), N, U, E, ws, shared, gateProducts, p.out(0), p.out(1))
		return nil
	}
	if few {
		p.eachToken(x, p.in(2), N, U, E, ws, nil, gateProducts, p.out(0))
	} else {
		p.sortByExpert(x, 2, E).hidden(p, ws, p.out(0))
	}
	return p.linear(x, shared, gateProducts, null, p.out(1))
}

type downParams struct {
	E, U, F, H, M, Rows uint32
	Type, RowBytes      [2]uint32
}

// rowsAtOnce is rows_at_once of runtime/kernels/experts.cu, or 1 for rows without blocks.
func rowsAtOnce(w weight) int {
	switch {
	case w.plain() || w.k > 512:
		return 1
	case w.k > 256:
		return 2
	}
	return 4
}

// downMemory is the shared memory of a block that sums rows of w for U experts and one
// of shared; ok says that it can.
func downMemory(U int, w, shared weight) (bytes int, ok bool) {
	ring := 0
	for _, s := range []weight{{dt: w.dt, k: U * w.k}, shared} {
		if s.plain() {
			bytes += 16 * lower.Ceil(s.k, 4)
		} else {
			bytes, ring = bytes+tokenBytes(s.k), vecWarps*vecRing
		}
	}
	bytes += ring
	return bytes, bytes <= vecShared
}

// expertsDown is one launch for few tokens.
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
	if err := small(N * U); err != nil {
		return err
	}
	rows := max(rowsAtOnce(w), rowsAtOnce(shared))
	params := downParams{uint32(E), uint32(U), uint32(w.k), uint32(shared.k), uint32(w.rows), uint32(rows),
		[2]uint32{uint32(w.dt), uint32(shared.dt)}, [2]uint32{uint32(w.rowBytes()), uint32(shared.rowBytes())}}
	if bytes, ok := downMemory(U, w, shared); ok && N <= vecTokens {
		p.launchShared(bytes, "experts_down", dim{lower.Ceil(w.rows, vecWarps*rows), N, 1}, line(32*vecWarps), params,
			a.at, p.in(1), p.in(2), w.at, s.at, shared.at, gate, p.in(6), p.out(0))
		return nil
	}
	z, zs := p.scratch(4*int64(N*U)*int64(w.rows)), p.scratch(4*int64(N)*int64(w.rows))
	p.sortByExpert(a, 1, E).multiply(p, p.prepare(a, w), w, null, z)
	if err := p.linear(s, []weight{shared}, storeProducts, null, zs); err != nil {
		return err
	}
	p.launch("experts_combine", dim{N, lower.Ceil(w.rows, threads), 1}, line(threads), combinedParams{uint32(E), uint32(U), uint32(w.rows)},
		p.in(1), p.in(2), z, zs, gate, p.in(6), p.out(0))
	return nil
}

type combinedParams struct{ E, U, M uint32 }
