package models

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// swiGLU is the dense feed-forward: down(silu(gate x) · up x).
func (l layer) swiGLU(x graph.Value) graph.Value { return l.swiGLUOf(x, "") }

// swiGLUOf is the feed-forward whose weights have the suffix.
func (l layer) swiGLUOf(x graph.Value, suffix string) graph.Value {
	weight := func(name string) string { return "ffn_" + name + suffix + ".weight" }
	gate := ops.Silu(l.linear(x, weight("gate")))
	return l.linear(ops.Mul(gate, l.linear(x, weight("up"))), weight("down"))
}

func (l *weightList) swiGLU(width, hidden int, suffix string) {
	l.add(Matrix, "ffn_gate"+suffix+".weight", hidden, width)
	l.add(Matrix, "ffn_up"+suffix+".weight", hidden, width)
	l.add(Matrix, "ffn_down"+suffix+".weight", width, hidden)
}
