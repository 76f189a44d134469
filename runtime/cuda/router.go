package cuda

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() {
	register(router, ops.RouterOp)
	register(normRouter, ops.NormRouterOp)
}

func router(n *graph.Node, p *plan) error {
	r, err := lower.RouterOf(n)
	if err != nil {
		return err
	}
	return p.route(r, null, 1)
}

func normRouter(n *graph.Node, p *plan) error {
	r, err := lower.NormRouter(n)
	if err != nil {
		return err
	}
	return p.route(r, p.in(1), 2)
}

type scoreParams struct {
	N, E, K, Stride, At uint32
	Eps                 float32
}

type chooseParams struct {
	E, U, Stride     uint32
	Low, High, Scale float32
}

// mostExperts is how many experts, and mostUsed how many of them for a token, the
// lanes of a warp have room for.
const (
	mostExperts = 512
	mostUsed    = 32
)

// route scores the experts by weight w, and the shared expert's gate with them if its
// weight has the same type, then chooses.
func (p *plan) route(r lower.Router, norm buffer, w int) error {
	if r.E > mostExperts || r.Form.Used > mostUsed {
		return unsupported("%d of %d experts", r.Form.Used, r.E)
	}
	if err := small(r.N * max(r.D, r.E+1)); err != nil {
		return err
	}
	stride := r.E + 1
	scores := p.scratch(4 * int64(r.N) * int64(stride))
	score := func(operand int, tail buffer, at, rows int) error {
		dt := p.node.In(operand).Shape().DType
		a, err := actsFor(dt, r.D)
		if err != nil {
			return err
		}
		kernel, each, tokens := "router_scores_"+a.kind, 1, 1
		if a.elems == 8 && r.N > 8 {
			kernel, each, tokens = kernel+"_many", 4, 4
		}
		grid := dim{lower.Ceil(rows, 4*each), lower.Ceil(r.N, tokens), 1}
		if grid[1] > 65535 {
			return unsupported("%d tokens", r.N)
		}
		p.launch(kernel, grid, line(128), scoreParams{uint32(r.N), uint32(p.node.In(operand).Shape().Dim(0)), uint32(r.D), uint32(stride), uint32(at), r.Eps},
			p.in(0), norm, p.in(operand), tail, scores)
		return nil
	}
	gate, tail, apart, rows := null, null, false, r.E
	if r.Shared > 0 {
		gate = p.out(2)
		if p.node.In(r.Shared).Shape().DType == p.node.In(w).Shape().DType {
			tail, rows = p.in(r.Shared), r.E+1
		} else {
			apart = true
		}
	}
	if err := score(w, tail, 0, rows); err != nil {
		return err
	}
	if apart {
		if err := score(r.Shared, null, r.E, 1); err != nil {
			return err
		}
	}
	bias := null
	if r.Form.Sigmoid {
		bias = p.in(w + 1)
	}
	p.launch("router_choose", line(r.N), line(32), chooseParams{uint32(r.E), uint32(r.Form.Used), uint32(stride), r.Low, r.High, r.Scale},
		scores, bias, p.out(0), p.out(1), gate)
	return nil
}
