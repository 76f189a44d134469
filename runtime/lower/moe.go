package lower

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// Router is how experts are chosen: N tokens of D elements, E experts of which
// each token uses Form.Used; weights are divided by their sum, at least Low and at
// most High, and multiplied with Scale.
type Router struct {
	Form             ops.RouterForm
	N, D, E          int
	Low, High, Scale float32
	// Of norm_router: the norm, and the operand that gates the shared expert, or 0.
	Eps    float32
	Shared int
}

var routerForms = []ops.RouterForm{{}, {Scaled: true}, {Sigmoid: true}, {Sigmoid: true, Scaled: true}}

var openRouter = []*graph.Op{ops.RMSNormOp, ops.ClampOp, ops.ScaleOp}

func newRouter(n *graph.Node, R int, form ops.RouterForm, found params) Router {
	w := n.In(R).Shape()
	clamp := found[ops.ClampOp][0].(ops.ClampAttrs)
	r := Router{Form: form, N: n.In(0).Shape().Dim(0), D: w.Dim(1), E: w.Dim(0), Low: clamp.Lo, High: clamp.Hi, Scale: 1}
	if form.Scaled {
		r.Scale = found[ops.ScaleOp][0].(ops.ScalarAttrs).S
	}
	return r
}

// RouterOf describes a node of router: x, R and, with sigmoid, the bias.
func RouterOf(n *graph.Node) (Router, error) {
	for _, form := range routerForms {
		form.Used = n.Out(0).Shape().Dim(1)
		if form.Sigmoid != (n.NumIn() == 3) {
			continue
		}
		found := formula{func(in []graph.Value) []graph.Value {
			experts, weights := ops.Router(form, in...)
			return []graph.Value{experts, weights}
		}, openRouter}.match(n)
		if found != nil {
			return newRouter(n, 1, form, found), nil
		}
	}
	return Router{}, errAnother
}

// NormRouter describes a node of norm_router: x, norm weight, then router's other
// operands and the shared gate's weight.
func NormRouter(n *graph.Node) (Router, error) {
	for _, form := range routerForms {
		form.Used = n.Out(0).Shape().Dim(1)
		shared, operands := n.NumOut() == 3, 3
		if form.Sigmoid {
			operands++
		}
		if shared {
			operands++
		}
		if n.NumIn() != operands {
			continue
		}
		found := formula{func(in []graph.Value) []graph.Value {
			return ops.NormRouter(form, shared, ops.Mul(ops.RMSNorm(in[0], 1e-6), in[1]), in[2:]...)
		}, openRouter}.match(n)
		if found == nil {
			continue
		}
		r := newRouter(n, 2, form, found)
		r.Eps = normEps(found)
		if shared {
			r.Shared = operands - 1
		}
		return r, nil
	}
	return Router{}, errAnother
}

// ExpertsUp returns the norm's eps of a node of experts_up: x, norm weight,
// experts, gate, up, shared gate, shared up.
func ExpertsUp(n *graph.Node) (eps float32, err error) {
	return checkNormed(n, func(in []graph.Value) []graph.Value {
		return ops.ExpertsUp(ops.Mul(ops.RMSNorm(in[0], 1e-6), in[1]), in[2], in[3], in[4], in[5], in[6])
	})
}

// ExpertsDown reports whether the shared expert of a node of experts_down is
// gated, by operand 7: a, experts, weights, down, s, shared, residual, gate.
func ExpertsDown(n *graph.Node) (gated bool, err error) {
	gated = n.NumIn() == 8
	return gated, check(n, func(in []graph.Value) []graph.Value {
		gate := graph.Value{}
		if gated {
			gate = in[7]
		}
		return []graph.Value{ops.ExpertsDown(in[0], in[1], in[2], in[3], in[4], in[5], in[6], gate)}
	})
}
