package nearmiss

import (
	"fmt"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// An operator proposes edits of one node, each with a name.
type operator func(w *walk, n *graph.Node, yield func(name string, e edit))

var operators = []operator{swapOperand, drop, otherOp, turned, twice, negated, scaled, otherAttrs, transposed}

func short(v graph.Value) []int { return v.Shape().Dims() }

func sameDims(a, b graph.Value) bool { return slices.Equal(short(a), short(b)) }

// again is node n over other operands.
func again(b *graph.Builder, n *graph.Node, in []graph.Value) graph.Value {
	return b.Clone(n, in...).Out(0)
}

// maxSwaps bounds how many computed values take the place of one operand; every
// leaf of the same shape does.
const maxSwaps = 3

// swapOperand reads another value of the same shape: the wrong operand, the state
// before the write, G of another chunk.
func swapOperand(w *walk, n *graph.Node, yield func(string, edit)) {
	for i := range n.NumIn() {
		old, computed := n.In(i), 0
		for _, m := range w.g.Nodes() {
			if m == n { // what comes after it may depend on it
				break
			}
			v := m.Out(0)
			if v == old || !sameDims(v, old) || m.Fixed() {
				continue
			}
			if !m.IsLeaf() {
				if computed++; computed > maxSwaps {
					continue
				}
			}
			yield(fmt.Sprintf("operand %d is %s, not %s", i, w.of(v), w.of(old)), func(b *graph.Builder, in []graph.Value, now func(graph.Value) graph.Value) graph.Value {
				in[i] = now(v)
				return again(b, n, in)
			})
		}
	}
}

// drop leaves a node out: no decay, no beta, no mask, no norm.
func drop(w *walk, n *graph.Node, yield func(string, edit)) {
	for i := range n.NumIn() {
		if sameDims(n.In(i), n.Out(0)) && n.NumOut() == 1 {
			yield(fmt.Sprintf("left out for %s", w.of(n.In(i))), func(_ *graph.Builder, in []graph.Value, _ func(graph.Value) graph.Value) graph.Value {
				return in[i]
			})
		}
	}
}

var unaries = map[*graph.Op][]*graph.Op{
	ops.ExpOp:      {ops.SigmoidOp, ops.SoftplusOp},
	ops.SigmoidOp:  {ops.ExpOp, ops.SiluOp},
	ops.SoftplusOp: {ops.ReluOp, ops.ExpOp},
	ops.AddOp:      {ops.SubOp, ops.MulOp},
	ops.SubOp:      {ops.AddOp, ops.MulOp},
	ops.MulOp:      {ops.AddOp, ops.SubOp},
	ops.SumLastOp:  {ops.MeanLastOp},
}

// otherOp is another op of the same operands: signs, sigmoid for exp.
func otherOp(w *walk, n *graph.Node, yield func(string, edit)) {
	for _, op := range unaries[n.Op()] {
		yield("is "+op.Name, func(b *graph.Builder, in []graph.Value, _ func(graph.Value) graph.Value) graph.Value {
			return b.Apply(op, nil, in...).Out(0)
		})
	}
}

// turned swaps the two operands where that matters.
func turned(w *walk, n *graph.Node, yield func(string, edit)) {
	if n.NumIn() == 2 && !n.Op().Commutative && n.Op() != ops.ConcatOp {
		yield("with its operands turned round", func(b *graph.Builder, in []graph.Value, _ func(graph.Value) graph.Value) graph.Value {
			return b.Clone(n, in[1], in[0]).Out(0)
		})
	}
	if n.Op() == ops.ConcatOp {
		yield("in the other order", func(b *graph.Builder, in []graph.Value, _ func(graph.Value) graph.Value) graph.Value {
			slices.Reverse(in)
			return again(b, n, in)
		})
	}
}

// twice multiplies by a factor once more: beta squared, decayed twice.
func twice(w *walk, n *graph.Node, yield func(string, edit)) {
	if n.Op() != ops.MulOp {
		return
	}
	for i := range 2 {
		yield("twice by "+w.of(n.In(i)), func(b *graph.Builder, in []graph.Value, _ func(graph.Value) graph.Value) graph.Value {
			return ops.Mul(again(b, n, in), in[i])
		})
	}
}

// negated turns a sign.
func negated(w *walk, n *graph.Node, yield func(string, edit)) {
	if n.IsCompute() {
		yield("negated", func(b *graph.Builder, in []graph.Value, _ func(graph.Value) graph.Value) graph.Value {
			return ops.Neg(again(b, n, in))
		})
	}
}

// scaled multiplies one operand by a number, for this reader alone.
func scaled(w *walk, n *graph.Node, yield func(string, edit)) {
	for i := range n.NumIn() {
		if n.IsCompute() {
			yield("reads half of "+w.of(n.In(i)), func(b *graph.Builder, in []graph.Value, _ func(graph.Value) graph.Value) graph.Value {
				in[i] = ops.Scale(in[i], 0.5)
				return again(b, n, in)
			})
		}
	}
}

// otherAttrs are other masks, slices, norms, repeats and numbers.
func otherAttrs(w *walk, n *graph.Node, yield func(string, edit)) {
	var all []graph.Attrs
	switch a := n.Attrs().(type) {
	case ops.TriAttrs:
		for k := ops.Lower; k <= ops.StrictUpper; k++ {
			all = append(all, ops.TriAttrs{Kind: k})
		}
	case ops.SliceAttrs:
		last := n.In(0).Shape().Dim(a.Axis) - a.N
		for _, start := range []int{0, a.Start - 1, a.Start + 1, last} {
			if start >= 0 && start <= last {
				all = append(all, ops.SliceAttrs{Axis: a.Axis, Start: start, N: a.N})
			}
		}
	case ops.L2NormAttrs:
		all = []graph.Attrs{ops.L2NormAttrs{Mode: ops.L2Max, Eps: a.Eps}, ops.L2NormAttrs{Mode: ops.L2Sum, Eps: 4 * a.Eps}, ops.L2NormAttrs{Mode: ops.L2Max, Eps: 0.9}}
	case ops.RepeatAttrs:
		for m := ops.RepeatTiled; m <= ops.RepeatInterleaved; m++ {
			all = append(all, ops.RepeatAttrs{Axis: a.Axis, N: a.N, Mode: m})
		}
	case ops.ScalarAttrs:
		all = []graph.Attrs{ops.ScalarAttrs{S: 2 * a.S}, ops.ScalarAttrs{S: -a.S}}
	case ops.PermuteAttrs:
		for i, d := range short(n.Out(0)) {
			for j, e := range short(n.Out(0))[:i] {
				if d > 1 && e > 1 { // an axis of extent 1 may stand anywhere
					p := a.Perm.Slice()
					p[i], p[j] = p[j], p[i]
					all = append(all, ops.PermuteAttrs{Perm: graph.IntsOf(p...)})
				}
			}
		}
	}
	for _, a := range all {
		if a != n.Attrs() {
			yield(fmt.Sprintf("with %+v", a), func(b *graph.Builder, in []graph.Value, _ func(graph.Value) graph.Value) graph.Value {
				return b.Apply(n.Op(), a, in...).Out(0)
			})
		}
	}
}

// transposed reads a square operand the other way.
func transposed(w *walk, n *graph.Node, yield func(string, edit)) {
	for i := range n.NumIn() {
		if s := n.In(i).Shape(); n.IsCompute() && s.Rank() > 1 && s.Dim(-1) == s.Dim(-2) && s.Dim(-1) > 1 {
			yield("reads "+w.of(n.In(i))+" transposed", func(b *graph.Builder, in []graph.Value, _ func(graph.Value) graph.Value) graph.Value {
				in[i] = ops.Transpose(in[i])
				return again(b, n, in)
			})
		}
	}
}

// exposures are the graphs in which something else reads a value inside.
func exposures(w *walk, yield func(name string, g *graph.Graph)) {
	shown := map[graph.Value]bool{}
	for _, o := range w.g.Outputs() {
		shown[o.Value] = true
	}
	for _, s := range w.g.States() {
		shown[s.Next] = true
	}
	for _, n := range w.g.Nodes() {
		v := n.Out(0)
		if shown[v] || !n.IsCompute() {
			continue
		}
		for _, how := range []struct {
			name string
			read func(graph.Value) graph.Value
		}{{"a result too", func(v graph.Value) graph.Value { return v }}, {"read by another node", ops.Tanh}} {
			outs := append(slices.Clone(w.g.Outputs()), graph.Output{Name: "exposed", Value: how.read(v)})
			g, err := w.g.Builder().With(outs, w.g.States())
			if err == nil {
				yield(w.name[n]+": "+how.name, g)
			}
		}
	}
}
