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
	E, U             uint32
	Low, High, Scale float32
}

// mostExperts is how many experts, and mostUsed how many of them for a token, the
// lanes of a warp have room for.
const (
	mostExperts = 512
	mostUsed    = 32
)

// items is the end of the name of router_scores for rows of n weights.
func items(dt graph.DType, n int) string {
	if (weight{dt: dt}).plain() && n%8 != 0 {
		return dt.String() + "_any"
	}
	return dt.String()
}

// route scores the experts by weight w, and the shared expert's gate with them if its
// weight has the same type. The last blocks of a token's scores choose.
func (p *plan) route(r lower.Router, norm buffer, w int) error {
	if r.E > mostExperts || r.Form.Used > mostUsed {
		return unsupported("%d of %d experts", r.Form.Used, r.E)
	}
	if err := small(r.N * (r.E + 1)); err != nil {
		return err
	}
	scores := p.scratch(4 * int64(r.N) * int64(r.E+1))
	gate, bias, tickets := null, null, p.tickets(r.N)
	if r.Form.Sigmoid {
		bias = p.in(w + 1)
	}
	score := func(operand int, tail buffer, at int, tickets buffer) {
		s := p.node.In(operand).Shape()
		rows, kernel, each, tokens := s.Dim(0), "router_scores_"+items(s.DType, r.D), 1, 1
		if tail != null {
			rows++
		}
		if (weight{dt: s.DType}).plain() && r.D%8 == 0 && r.N > vecTokens {
			kernel, each, tokens = kernel+"_many", 4, 4
		}
		p.launch(kernel, dim{lower.Ceil(rows, 4*each), lower.Ceil(r.N, tokens), 1}, line(128), struct {
			scoreParams
			chooseParams
		}{
			scoreParams{uint32(r.N), uint32(s.Dim(0)), uint32(r.D), uint32(r.E + 1), uint32(at), r.Eps},
			chooseParams{uint32(r.E), uint32(r.Form.Used), r.Low, r.High, r.Scale},
		}, p.in(0), norm, p.in(operand), tail, scores, bias, p.out(0), p.out(1), gate, tickets)
	}
	switch {
	case r.Shared == 0:
		score(w, null, 0, tickets)
	case p.node.In(r.Shared).Shape().DType == p.node.In(w).Shape().DType:
		gate = p.out(2)
		score(w, p.in(r.Shared), 0, tickets)
	default:
		gate = p.out(2)
		score(w, null, 0, null)
		score(r.Shared, null, r.E, tickets)
	}
	return nil
}
