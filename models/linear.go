package models

import (
	"math"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// The parts of a recurrent layer around the delta rule.

// shortConv runs the causal convolution with the taps [C W] over x [B T C],
// continuing from the inputs that the state remembers, then SiLU: [B T C]. The
// last tap multiplies the current token; the state keeps inputs from before
// convolution and SiLU.
func (l layer) shortConv(x graph.Value, kind string, taps graph.Value) graph.Value {
	T, past := l.s.Tokens, l.c.DeltaNet.Conv-1
	state := l.cache(kind, graph.F32, past, x.Shape().Dim(-1))
	window := ops.Concat(1, l.load(state), x) // [B past+T C]
	l.store(state, ops.Slice(window, 1, T, past))
	return ops.Silu(ops.CausalConv(window, taps))
}

// l2Norm is x/sqrt(Σx² + eps) over the last axis, written with the RMS norm as
// these models are: its mean over n numbers takes eps/n, its result 1/sqrt(n).
func l2Norm(x graph.Value, eps float32) graph.Value {
	n := float64(x.Shape().Dim(-1))
	return ops.Scale(ops.RMSNorm(x, float32(float64(eps)/n)), float32(1/math.Sqrt(n)))
}

// perHead gives [B T H] a last axis of one channel.
func perHead(x graph.Value) graph.Value {
	return ops.Reshape(x, append(x.Shape().Dims(), 1)...)
}

// repeatHeads gives each value head the q or k head that it reads, [B T Hk K] to
// [B T Hv K]: value head h reads h mod Hk tiled, h div Hv/Hk interleaved.
func repeatHeads(x graph.Value, Hv int, mode ops.RepeatMode) graph.Value {
	Hk := x.Shape().Dim(2)
	if Hk == Hv {
		return x
	}
	return ops.Repeat(x, 2, Hv/max(Hk, 1), mode)
}

// delta applies the delta rule to the sequences' states: o [B T H V].
func (l layer) delta(q, k, v, g, beta graph.Value) graph.Value {
	d := l.c.DeltaNet
	state := l.cache("s", graph.F32, d.ValueHeads, d.StateSize, d.StateSize)
	o, next := DeltaRule(q, k, v, g, beta, l.load(state))
	l.store(state, next)
	return o
}

// gatedNorm is the RMS norm of each head of o [B T H V] times gate(z), as
// [B T H·V].
func (l layer) gatedNorm(o, z graph.Value, weight string, gate func(graph.Value) graph.Value) graph.Value {
	return flat(ops.Mul(l.norm(o, weight), gate(z)))
}
