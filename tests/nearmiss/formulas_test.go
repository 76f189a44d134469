package nearmiss

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// formulas are one token of what could be taken for the delta rule, each with one
// mistake that takes more than one node.
var formulas = []struct {
	name string
	step func(inputs) (o, next graph.Value)
}{
	{"decay after the update", func(in inputs) (o, next graph.Value) {
		next = ops.Mul(ops.Add(in.s, in.write(in.err(in.s))), ops.Exp(in.g))
		return read(next, in.q), next
	}},
	{"recalled before the decay", func(in inputs) (o, next graph.Value) {
		next = ops.Add(in.decayed(), in.write(in.err(in.s)))
		return read(next, in.q), next
	}},
	{"decayed for the recall alone", func(in inputs) (o, next graph.Value) {
		next = ops.Add(in.s, in.write(in.err(in.decayed())))
		return read(next, in.q), next
	}},
	{"decay along the values", func(in inputs) (o, next graph.Value) {
		decayed := ops.Mul(in.s, ops.Exp(ops.Transpose(ops.Broadcast(in.g, 1, heads, 1, size))))
		next = ops.Add(decayed, in.write(in.err(decayed)))
		return read(next, ops.Mul(in.q, ops.Exp(in.g))), next
	}},
	{"decay of 1 - exp(g)", func(in inputs) (o, next graph.Value) {
		decayed := ops.Sub(in.s, in.decayed())
		next = ops.Add(decayed, in.write(in.err(decayed)))
		return read(next, in.q), next
	}},
	{"beta on v alone", func(in inputs) (o, next graph.Value) {
		d := in.decayed()
		next = ops.Add(d, ops.Mul(in.k, ops.Sub(ops.Mul(in.v, in.beta), read(d, in.k))))
		return read(next, in.q), next
	}},
	{"beta on the recall alone", func(in inputs) (o, next graph.Value) {
		d := in.decayed()
		next = ops.Add(d, ops.Mul(in.k, ops.Sub(in.v, ops.Mul(read(d, in.k), in.beta))))
		return read(next, in.q), next
	}},
	{"beta on the state", func(in inputs) (o, next graph.Value) {
		d := ops.Mul(in.decayed(), in.beta)
		next = ops.Add(d, in.write(in.err(d)))
		return read(next, in.q), next
	}},
	{"outer product transposed", func(in inputs) (o, next graph.Value) {
		d := in.decayed()
		next = ops.Add(d, ops.Transpose(in.write(in.err(d))))
		return read(next, in.q), next
	}},
	{"recalled along the values", func(in inputs) (o, next graph.Value) {
		d := in.decayed()
		next = ops.Add(d, in.write(in.err(ops.Transpose(d))))
		return read(next, in.q), next
	}},
	{"read along the values", func(in inputs) (o, next graph.Value) {
		d := in.decayed()
		next = ops.Add(d, in.write(in.err(d)))
		return read(ops.Transpose(next), in.q), next
	}},
	{"read before the write", func(in inputs) (o, next graph.Value) {
		d := in.decayed()
		return read(d, in.q), ops.Add(d, in.write(in.err(d)))
	}},
	{"read before the decay", func(in inputs) (o, next graph.Value) {
		d := in.decayed()
		return read(in.s, in.q), ops.Add(d, in.write(in.err(d)))
	}},
	{"read of the write alone", func(in inputs) (o, next graph.Value) {
		d := in.decayed()
		w := in.write(in.err(d))
		return read(w, in.q), ops.Add(d, w)
	}},
	{"nothing recalled", func(in inputs) (o, next graph.Value) {
		next = ops.Add(in.decayed(), in.write(in.v))
		return read(next, in.q), next
	}},
	{"recalled twice", func(in inputs) (o, next graph.Value) {
		d := in.decayed()
		next = ops.Add(d, in.write(ops.Sub(in.err(d), read(d, in.k))))
		return read(next, in.q), next
	}},
	{"written at q, read at k", func(in inputs) (o, next graph.Value) {
		d := in.decayed()
		next = ops.Add(d, ops.Mul(in.q, ops.Mul(in.err(d), in.beta)))
		return read(next, in.k), next
	}},
	{"heads in another order for k", func(in inputs) (o, next graph.Value) {
		d := in.decayed()
		other := ops.Concat(1, ops.Slice(in.k, 1, 1, 1), ops.Slice(in.k, 1, 0, 1))
		next = ops.Add(d, ops.Mul(other, ops.Mul(in.err(d), in.beta)))
		return read(next, in.q), next
	}},
}

func (in inputs) decayed() graph.Value              { return ops.Mul(in.s, ops.Exp(in.g)) }
func read(s, k graph.Value) graph.Value             { return ops.SumLast(ops.Mul(s, k)) }
func (in inputs) err(s graph.Value) graph.Value     { return ops.Sub(in.v, read(s, in.k)) }
func (in inputs) write(err graph.Value) graph.Value { return ops.Mul(in.k, ops.Mul(err, in.beta)) }

// pairs are mistakes of two nodes of a chunked form, by the name of the node that
// they change.
var pairs = []struct {
	form, name, node string
	edit             edit
}{
	{"chunks2/channel", "summed along the channels", "cumsum0", func(_ *graph.Builder, in []graph.Value, _ func(graph.Value) graph.Value) graph.Value {
		return ops.Transpose(ops.CumSum(ops.Transpose(in[0])))
	}},
	{"chunks1/channel", "summed along the channels", "cumsum0", func(_ *graph.Builder, in []graph.Value, _ func(graph.Value) graph.Value) graph.Value {
		return ops.Transpose(ops.CumSum(ops.Transpose(in[0])))
	}},
	{"chunks2/head", "summed along the chunks", "cumsum0", func(_ *graph.Builder, in []graph.Value, _ func(graph.Value) graph.Value) graph.Value {
		swap := func(x graph.Value) graph.Value { return ops.Permute(x, 0, 1, 4, 3, 2) }
		return swap(ops.CumSum(swap(in[0])))
	}},
	{"chunks2/head", "summed twice", "cumsum0", func(_ *graph.Builder, in []graph.Value, _ func(graph.Value) graph.Value) graph.Value {
		return ops.CumSum(ops.CumSum(in[0]))
	}},
	{"chunks2/head", "summed without the token itself", "cumsum0", func(_ *graph.Builder, in []graph.Value, _ func(graph.Value) graph.Value) graph.Value {
		return ops.Sub(ops.CumSum(in[0]), in[0])
	}},
	{"layer/interleaved", "one key head for all", "repeat0", func(_ *graph.Builder, in []graph.Value, _ func(graph.Value) graph.Value) graph.Value {
		return ops.Repeat(ops.Slice(in[0], 2, 0, 1), 2, 4, ops.RepeatTiled)
	}},
	{"layer/tiled", "one key head for all", "repeat1", func(_ *graph.Builder, in []graph.Value, _ func(graph.Value) graph.Value) graph.Value {
		return ops.Repeat(ops.Slice(in[0], 2, 1, 1), 2, 4, ops.RepeatTiled)
	}},
	{"layer/chunked", "solved without the identity", "add1", func(_ *graph.Builder, in []graph.Value, _ func(graph.Value) graph.Value) graph.Value {
		return in[0]
	}},
}
