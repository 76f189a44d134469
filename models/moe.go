package models

import (
	"math"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// router says how the experts of a token are chosen and weighted.
type router struct {
	probs func(logits graph.Value) graph.Value // of all experts, [N E] to [N E]
	bias  string                               // weight added to them for the choice alone; "" for none
}

// minWeights is the least that the weights of a token's experts are divided by.
const minWeights = 6.103515625e-5 // 2^-14, the smallest normal half

// route chooses the experts of each of N tokens x [N width], the likeliest first:
// their numbers and their weights, both [N used].
func (l layer) route(x graph.Value, r router) (chosen, weights graph.Value) {
	m := l.c.MoE
	probs := r.probs(l.linear(x, "ffn_gate_inp.weight")) // [N E]
	score := probs
	if r.bias != "" {
		score = ops.Add(probs, l.weight(r.bias))
	}
	chosen = ops.TopK(score, m.Used)
	weights = ops.GatherLast(probs, chosen)
	if m.Normalise {
		sum := ops.SumLast(weights)
		weights = ops.Div(weights, ops.Clamp(sum, minWeights, float32(math.Inf(1))))
	}
	if m.Scale != 0 && m.Scale != 1 {
		weights = ops.Scale(weights, m.Scale)
	}
	return chosen, weights
}

// experts is the weighted sum of the feed-forwards of the chosen experts, for N
// tokens x [N width], chosen and weights [N U]: [N width].
func (l layer) experts(x, chosen, weights graph.Value) graph.Value {
	N, width, U := x.Shape().Dim(0), x.Shape().Dim(1), l.c.MoE.Used
	x = ops.Reshape(x, N, 1, width)
	each := func(x graph.Value, weight string) graph.Value {
		return ops.ExpertMatMul(x, l.weight(weight), chosen)
	}
	var gate, up graph.Value // [N U hidden]
	if l.has(gateUpExperts) {
		both := split(each(x, gateUpExperts), l.c.MoE.Hidden, l.c.MoE.Hidden)
		gate, up = both[0], both[1]
	} else {
		gate, up = each(x, "ffn_gate_exps.weight"), each(x, "ffn_up_exps.weight")
	}
	y := each(ops.Mul(ops.Silu(gate), up), "ffn_down_exps.weight") // [N U width]
	y = ops.Mul(y, ops.Reshape(weights, N, U, 1))
	return ops.Reshape(ops.Sum(y, 1), N, width)
}

const (
	gateUpExperts = "ffn_gate_up_exps.weight" // gate above up, in place of the two
	sharedGate    = "ffn_gate_inp_shexp.weight"
)

// moe is the feed-forward of a layer with experts, for x [B T width]: those that
// the router chooses and the one that all tokens share.
func (l layer) moe(x graph.Value, r router) graph.Value {
	s := x.Shape()
	x = ops.Reshape(x, s.Dim(0)*s.Dim(1), s.Dim(2))
	chosen, weights := l.route(x, r)
	y := ops.Add(l.experts(x, chosen, weights), l.sharedExpert(x))
	return ops.Reshape(y, s.Dims()...)
}

// sharedExpert is the expert that all tokens x [N width] use, times its gate
// where the model has one.
func (l layer) sharedExpert(x graph.Value) graph.Value {
	y := l.swiGLUOf(x, "_shexp")
	if !l.has(sharedGate) {
		return y
	}
	w := ops.Reshape(l.weight(sharedGate), 1, l.c.Width)
	return ops.Mul(y, ops.Sigmoid(ops.Linear(x, w)))
}

func (l *weightList) moe(width int, m MoE) {
	l.add(Router, "ffn_gate_inp.weight", m.Experts, width)
	if l.has(gateUpExperts) {
		l.add(Matrix, gateUpExperts, m.Experts, 2*m.Hidden, width)
	} else {
		l.add(Matrix, "ffn_gate_exps.weight", m.Experts, m.Hidden, width)
		l.add(Matrix, "ffn_up_exps.weight", m.Experts, m.Hidden, width)
	}
	l.add(Matrix, "ffn_down_exps.weight", m.Experts, width, m.Hidden)
	l.swiGLU(width, m.Shared, "_shexp")
}
