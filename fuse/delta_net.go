package fuse

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// CausalConvSilu makes the short convolution, its activation and the shift of
// its state one node.
var CausalConvSilu = register(Rule{
	Name: "causal-conv-silu",
	Doc:  "w = concat(s, x); silu(causal_conv(w)), the last columns of w → causal_conv_silu(s, x)",
	Sizes: func(v At, yield func(Dims) bool) {
		conv := through(v.Node().In(0)).Node()
		if conv.Op() != ops.CausalConvOp {
			return
		}
		T, C := conv.Out(0).Shape().Dim(1), conv.Out(0).Shape().Dim(2)
		yield(Dims{B: conv.Out(0).Shape().Dim(0), T: T, C: C, N: conv.In(1).Shape().Dim(1)})
	},
	Pattern: func(p *P, d Dims) Rewrite {
		s, x, w := p.Var("s", d.B, d.N-1, d.C), p.Var("x", d.B, d.T, d.C), p.Var("w", d.C, d.N)
		y, next := ops.CausalConvSilu(s, x, w)
		return p.Coarse(ops.CausalConvSiluOp, []graph.Value{s, x, w}, y, next)
	},
	Examples: []Dims{{B: 2, T: 1, C: 5, N: 4}, {B: 1, T: 6, C: 4, N: 4}, {B: 2, T: 2, C: 3, N: 3}},
})

// DeltaGates moves the maths of decay and step into the node.
var DeltaGates = register(Rule{
	Name:  "delta-net/gates",
	Doc:   "gated_delta_net(q, k, v, softplus(a + dt)·A, sigmoid(b), s) → delta_net(s, q, k, v, a, dt, A, b)",
	Sizes: netSizes,
	Pattern: func(p *P, d Dims) Rewrite {
		n := netVars(p, d, d.Hk)
		a, dt, A, b := p.Var("a", d.B, d.T, d.H, d.G), p.Var("dt", d.H, d.G), p.Var("A", d.H, 1), p.Var("b", d.B, d.T, d.H, 1)
		o, next := ops.DeltaNet(n.s, n.q, n.k, n.v, a, dt, A, b, ops.GatedDeltaNetAttrs{})
		p.AnyAttrs(o, headsOf(d, ops.GatedDeltaNetAttrs{Norm: ops.NormSum, Eps: 1e-6, Scale: 0.5}))
		return p.Coarse(ops.DeltaNetOp, []graph.Value{n.s, n.q, n.k, n.v, a, dt, A, b}, o, next)
	},
	Examples: []Dims{
		{B: 2, T: 1, Hk: 2, H: 2, V: 3, K: 4, G: 1}, {B: 1, T: 3, Hk: 2, H: 4, V: 4, K: 4, G: 1}, {B: 2, T: 2, Hk: 3, H: 3, V: 4, K: 5, G: 5},
	},
})

// headsOf makes attributes fit the head counts of d.
func headsOf(d Dims, a ops.GatedDeltaNetAttrs) ops.GatedDeltaNetAttrs {
	if d.Hk != d.H {
		a.Heads = ops.Tiled
	}
	return a
}

// GatedNorm makes the norm and the gate behind a delta net one node.
var GatedNorm = register(Rule{
	Name: "gated-norm",
	Doc:  "rms_norm(x)·w · gate(z) → gated_norm(x, w, z), gate being silu or sigmoid",
	Sizes: func(v At, yield func(Dims) bool) {
		if n := firstBelow(v.Value, ops.RMSNormOp, 3); n != nil && n.Out(0).Shape().Rank() >= 2 {
			d := Dims{X: graph.IntsOf(n.Out(0).Shape().Dims()...)}
			if yield(d) {
				d.Variant = 1
				yield(d)
			}
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		gate := [...]func(graph.Value) graph.Value{ops.Silu, ops.Sigmoid}[d.Variant]
		x, w, z := p.Var("x", d.X.Slice()...), p.Var("w", d.X.At(d.X.Len()-1)), p.Var("z", d.X.Slice()...)
		r := p.AnyAttrs(ops.RMSNorm(x, 1e-6), ops.RMSNormAttrs{Eps: 1e-3})
		return p.Coarse(ops.GatedNormOp, []graph.Value{x, w, z}, ops.Mul(ops.Mul(r, w), gate(z)))
	},
	Examples: []Dims{{X: graph.IntsOf(2, 3, 2, 8)}, {X: graph.IntsOf(1, 1, 3, 4), Variant: 1}},
})

// ConvSlots lets the convolution work on the pool of states in place.
var ConvSlots = register(Rule{
	Name: "causal-conv-silu/slots",
	Doc:  "causal_conv_silu(rows(pool, slots), …), scatter_rows(pool, slots, next) → conv_slots(pool, slots, …): no copy of the state",
	Sizes: func(v At, yield func(Dims) bool) {
		if P := poolOf(v.Node().In(0)); P > 0 {
			x, w := v.Node().In(1).Shape(), v.Node().In(2).Shape()
			yield(Dims{B: x.Dim(0), T: x.Dim(1), C: x.Dim(2), N: w.Dim(1), Axis: P})
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		pool, slots := p.Var("pool", d.Axis, d.N-1, d.C), p.Slots(d.B)
		x, w := p.Var("x", d.B, d.T, d.C), p.Var("w", d.C, d.N)
		y, next := ops.ConvSlots(pool, slots, x, w)
		p.AnyAttrsOf(ops.CausalConvSiluOp)
		return p.Coarse(ops.ConvSlotsOp, []graph.Value{pool, slots, x, w}, y, next)
	},
	Examples: []Dims{{B: 2, T: 1, C: 5, N: 4, Axis: 3}, {B: 1, T: 6, C: 4, N: 4, Axis: 1}},
})

// poolOf returns the slots of the pool that v gathers from, 0 if it does not.
func poolOf(v graph.Value) int {
	if n := through(v).Node(); n.Op() == ops.RowsOp {
		return n.In(0).Shape().Dim(0)
	}
	return 0
}

// DeltaSlots lets the delta net work on the pool of states in place.
var DeltaSlots = register(Rule{
	Name: "delta-net/slots",
	Doc:  "delta_net(rows(pool, slots), …), scatter_rows(pool, slots, next) → delta_slots(pool, slots, …): the state is read and written where it lies",
	Sizes: func(v At, yield func(Dims) bool) {
		if P := poolOf(v.Node().In(0)); P > 0 {
			deltaNetSizes(v.Node(), 0, func(d Dims) bool { d.Axis = P; return yield(d) })
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		in := append([]graph.Value{p.Var("pool", d.Axis, d.H, d.V, d.K), p.Slots(d.B)}, deltaNetVars(p, d)...)
		out := ops.DeltaSlots(deltaNet(d), in...)
		p.AnyAttrsOf(ops.DeltaNetOp)
		return p.Coarse(ops.DeltaSlotsOp, in, out...)
	},
	Examples: []Dims{
		{B: 2, T: 1, Hk: 2, H: 2, V: 3, K: 4, G: 1, Axis: 3}, {B: 1, T: 3, Hk: 2, H: 4, V: 4, K: 4, G: 1, Axis: 1}, {B: 2, T: 2, Hk: 3, H: 3, V: 4, K: 5, G: 5, Axis: 2},
	},
})

// deltaNetSizes reads sizes off the operands of delta_net or of a node with the
// same ones behind skip others and a first one.
func deltaNetSizes(n *graph.Node, skip int, yield func(Dims) bool) {
	q, v, a := n.In(skip+1).Shape(), n.In(skip+3).Shape(), n.In(skip+4).Shape()
	yield(Dims{B: q.Dim(0), T: q.Dim(1), Hk: q.Dim(2), K: q.Dim(3), H: v.Dim(2), V: v.Dim(3), G: a.Dim(3)})
}

// deltaNetVars declares the operands of delta_net but the state.
func deltaNetVars(p *P, d Dims) []graph.Value {
	n := netVars(p, d, d.Hk)
	return append([]graph.Value{n.q, n.k, n.v}, gateVars(p, d)...)
}

func gateVars(p *P, d Dims) []graph.Value {
	return []graph.Value{p.Var("a", d.B, d.T, d.H, d.G), p.Var("dt", d.H, d.G), p.Var("A", d.H, 1), p.Var("b", d.B, d.T, d.H, 1)}
}

// deltaNet is delta_net's formula at sizes d.
func deltaNet(d Dims) func(in []graph.Value) []graph.Value {
	return func(in []graph.Value) []graph.Value {
		o, next := ops.DeltaNet(in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7], headsOf(d, ops.GatedDeltaNetAttrs{}))
		return []graph.Value{o, next}
	}
}

func gatedNorm(gate func(graph.Value) graph.Value) func(in []graph.Value) []graph.Value {
	return func(in []graph.Value) []graph.Value {
		return []graph.Value{ops.GatedNorm(in[0], in[1], in[2], gate)}
	}
}

// DeltaBlock makes all of a delta net between its projections one node.
var DeltaBlock = register(Rule{
	Name:  "delta-block",
	Doc:   "conv_slots, delta_slots on the q, k, v in its channels, gated_norm → delta_block: a head's work from convolution to gated norm is one node",
	Stage: Block,
	Roots: nil,
	Sizes: func(v At, yield func(Dims) bool) {
		net := through(v.Node().In(0)).Node()
		if net.Op() != ops.DeltaSlotsOp {
			return
		}
		conv := through(net.In(2)).Node()
		if conv.Op() != ops.ConvSlotsOp {
			return
		}
		deltaNetSizes(net, 1, func(d Dims) bool {
			d.Axis, d.N = net.In(0).Shape().Dim(0), conv.In(3).Shape().Dim(1)
			d.C = conv.In(3).Shape().Dim(0)
			return d.C != 2*d.Hk*d.K+d.H*d.V || yield(d)
		})
	},
	Pattern: func(p *P, d Dims) Rewrite {
		in := []graph.Value{
			p.Var("conv", d.Axis, d.N-1, d.C), p.Var("pool", d.Axis, d.H, d.V, d.K), p.Slots(d.B),
			p.Var("x", d.B, d.T, d.C), p.Var("w", d.C, d.N),
		}
		in = append(append(in, gateVars(p, d)...), p.Var("norm", d.V), p.Var("z", d.B, d.T, d.H, d.V))
		out := ops.DeltaBlock(d.Hk, deltaNet(d), gatedNorm(ops.Silu), in...)
		for _, op := range []*graph.Op{ops.ConvSlotsOp, ops.DeltaSlotsOp, ops.GatedNormOp} {
			p.AnyAttrsOf(op)
		}
		return p.Coarse(ops.DeltaBlockOp, in, out...)
	},
	Examples: []Dims{
		{B: 2, T: 1, Hk: 2, H: 4, V: 4, K: 4, G: 1, N: 4, C: 32, Axis: 3}, {B: 1, T: 3, Hk: 2, H: 2, V: 3, K: 4, G: 1, N: 4, C: 22, Axis: 1},
	},
})
