package fuse

import (
	"errors"
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// netSizes reads the sizes of a gated_delta_net off one of its results.
func netSizes(v At, yield func(Dims) bool) {
	n := v.Node()
	q, val, g, s := n.In(0).Shape(), n.In(2).Shape(), n.In(3).Shape(), n.In(5).Shape()
	yield(Dims{B: q.Dim(0), T: q.Dim(1), Hk: q.Dim(2), H: val.Dim(2), V: s.Dim(2), K: s.Dim(3), G: g.Dim(3)})
}

// net is the part that the rules around a gated_delta_net share: the node with
// any attributes, and its operands.
type net struct {
	q, k, v, g, beta, s graph.Value
	o, next             graph.Value
}

// netVars declares the operands of a gated_delta_net of sizes d with Hk heads of
// q and k.
func netVars(p *P, d Dims, Hk int) net {
	return net{
		q: p.Var("q", d.B, d.T, Hk, d.K), k: p.Var("k", d.B, d.T, Hk, d.K), v: p.Var("v", d.B, d.T, d.H, d.V),
		g: p.Var("g", d.B, d.T, d.H, d.G), beta: p.Var("beta", d.B, d.T, d.H, 1), s: p.Var("s", d.B, d.H, d.V, d.K),
	}
}

// node applies gated_delta_net to operands prepared from n's and declares its
// results as the pattern's.
func (n *net) node(p *P, q, k graph.Value, alternatives ...ops.GatedDeltaNetAttrs) {
	at := ops.GatedDeltaNetAttrs{}
	n.o, n.next = ops.GatedDeltaNet(q, k, n.v, n.g, n.beta, n.s, at)
	var alts []graph.Attrs
	for _, a := range alternatives {
		alts = append(alts, a)
	}
	p.AnyAttrs(n.o, alts...)
	p.Out(n.o, n.next)
}

// with is the node again, with operands of the rewritten graph.
func (n *net) with(m *Match, q, k graph.Value, a ops.GatedDeltaNetAttrs) []graph.Value {
	o, next := ops.GatedDeltaNet(q, k, m.Get(n.v), m.Get(n.g), m.Get(n.beta), m.Get(n.s), a)
	return []graph.Value{o, next}
}

var netExamples = []Dims{
	{B: 2, T: 1, Hk: 2, H: 2, V: 3, K: 4, G: 1},
	{B: 1, T: 3, Hk: 2, H: 4, V: 4, K: 4, G: 1},
	{B: 2, T: 2, Hk: 3, H: 3, V: 4, K: 5, G: 5},
}

// GatedDeltaHeads lets the kernel find the key head instead of repeating q and k.
var GatedDeltaHeads = register(Rule{
	Name:  "gated-delta-net/heads",
	Doc:   "gated_delta_net(repeat(q), repeat(k), …) → gated_delta_net(q, k, …) with a head map: h div r (interleaved) or h mod Hk (tiled)",
	Stage: Absorb,
	Sizes: func(v At, yield func(Dims) bool) {
		netSizes(v, func(d Dims) bool {
			if d.Hk != d.H || !repeats(v.Node().In(0)) {
				return true
			}
			for d.Hk = 1; d.Hk <= d.H/2; d.Hk++ { // the fewest heads first: a repeat of a repeat is one
				for d.Variant = range 2 {
					if d.H%d.Hk == 0 && !yield(d) {
						return false
					}
				}
			}
			return true
		})
	},
	Pattern: func(p *P, d Dims) Rewrite {
		heads := [...]ops.HeadMap{ops.Interleaved, ops.Tiled}[d.Variant]
		mode := [...]ops.RepeatMode{ops.RepeatInterleaved, ops.RepeatTiled}[d.Variant]
		n := netVars(p, d, d.Hk)
		n.node(p, ops.Repeat(n.q, 2, d.H/d.Hk, mode), ops.Repeat(n.k, 2, d.H/d.Hk, mode),
			ops.GatedDeltaNetAttrs{Scale: 0.5}, ops.GatedDeltaNetAttrs{Norm: ops.NormSum, Eps: 1e-6})
		return func(m *Match) []graph.Value {
			a := AttrsOf[ops.GatedDeltaNetAttrs](m, n.o)
			a.Heads = heads
			return n.with(m, m.Get(n.q), m.Get(n.k), a)
		}
	},
	Examples: []Dims{
		{B: 2, T: 1, Hk: 2, H: 4, V: 3, K: 4, G: 1}, {B: 1, T: 3, Hk: 2, H: 6, V: 4, K: 4, G: 1, Variant: 1},
		{B: 2, T: 2, Hk: 1, H: 3, V: 4, K: 5, G: 5}, {B: 1, T: 1, Hk: 3, H: 6, V: 2, K: 3, G: 1, Variant: 1},
	},
})

// repeats reports a value that has elements more than once.
func repeats(v graph.Value) bool {
	for ; looksThrough(v); v = v.Node().In(0) {
		if op := v.Node().Op(); op == ops.RepeatOp || op == ops.BroadcastOp {
			return true
		}
	}
	return false
}

// GatedDeltaNorm moves the L2 norm of q and k into the node.
var GatedDeltaNorm = register(Rule{
	Name:  "gated-delta-net/qk-norm",
	Doc:   "gated_delta_net(l2_norm(q), l2_norm(k), …) → gated_delta_net with a norm, of the one mode and eps that both have",
	Stage: Absorb,
	Sizes: netSizes,
	Pattern: func(p *P, d Dims) Rewrite {
		n := netVars(p, d, d.Hk)
		other := ops.L2NormAttrs{Mode: ops.L2Max, Eps: 1e-3}
		q, k := p.AnyAttrs(ops.L2Norm(n.q, ops.L2Sum, 1e-6), other), p.AnyAttrs(ops.L2Norm(n.k, ops.L2Sum, 1e-6), other)
		n.node(p, q, k, ops.GatedDeltaNetAttrs{Scale: 0.5})
		p.Where(func(m *Match) error {
			a, b := AttrsOf[ops.L2NormAttrs](m, q), AttrsOf[ops.L2NormAttrs](m, k)
			switch had := AttrsOf[ops.GatedDeltaNetAttrs](m, n.o); {
			case had.Norm != ops.NormNone:
				return errors.New("q and k are normalised twice")
			case a != b:
				return fmt.Errorf("q is normalised with %v, eps %g, k with %v, eps %g", a.Mode, a.Eps, b.Mode, b.Eps)
			}
			return nil
		})
		return func(m *Match) []graph.Value {
			a, norm := AttrsOf[ops.GatedDeltaNetAttrs](m, n.o), AttrsOf[ops.L2NormAttrs](m, q)
			a.Eps, a.Norm = norm.Eps, ops.NormSum
			if norm.Mode == ops.L2Max {
				a.Norm = ops.NormMax
			}
			return n.with(m, m.Get(n.q), m.Get(n.k), a)
		}
	},
	Examples: netExamples,
})

// GatedDeltaScale moves the factor of q into the node.
var GatedDeltaScale = register(Rule{
	Name:  "gated-delta-net/q-scale",
	Doc:   "gated_delta_net(scale(q), k, …) → gated_delta_net with that scale",
	Stage: Absorb,
	Sizes: netSizes,
	Pattern: func(p *P, d Dims) Rewrite {
		n := netVars(p, d, d.Hk)
		q := p.AnyAttrs(ops.Scale(n.q, 0.5), ops.ScalarAttrs{S: -3})
		n.node(p, q, n.k, ops.GatedDeltaNetAttrs{Scale: 0.25})
		p.Where(func(m *Match) error {
			switch a := AttrsOf[ops.GatedDeltaNetAttrs](m, n.o); {
			case a.Norm != ops.NormNone:
				return errors.New("the scale stands before the norm")
			case AttrsOf[ops.ScalarAttrs](m, q).S == 0:
				return errors.New("the scale is 0")
			}
			return nil
		})
		return func(m *Match) []graph.Value {
			a := AttrsOf[ops.GatedDeltaNetAttrs](m, n.o)
			if a.Scale == 0 {
				a.Scale = 1
			}
			a.Scale *= AttrsOf[ops.ScalarAttrs](m, q).S
			return n.with(m, m.Get(n.q), m.Get(n.k), a)
		}
	},
	Examples: netExamples,
})

// GatedDeltaPad takes off the tokens that only fill the last chunk. Zero beta
// and zero log decay leave the state as it is, and zero q gives zero.
var GatedDeltaPad = register(Rule{
	Name:  "gated-delta-net/padding",
	Doc:   "gated_delta_net(pad(q), pad(k), pad(v), pad(g), pad(beta), s) → pad(gated_delta_net(q, k, v, g, beta, s))",
	Stage: Absorb,
	Sizes: func(v At, yield func(Dims) bool) {
		netSizes(v, func(d Dims) bool {
			if x := through(v.Node().In(0)); x.Node().Op() == ops.PadOp {
				d.N = graph.AttrsOf[ops.PadAttrs](x.Node().Attrs()).After
				d.T -= d.N
				if d.T > 0 {
					return yield(d)
				}
			}
			return true
		})
	},
	Pattern: func(p *P, d Dims) Rewrite {
		n := netVars(p, d, d.Hk)
		pad := func(x graph.Value) graph.Value { return ops.Pad(x, 1, d.N) }
		o, next := ops.GatedDeltaNet(pad(n.q), pad(n.k), pad(n.v), pad(n.g), pad(n.beta), n.s, ops.GatedDeltaNetAttrs{})
		p.AnyAttrs(o, ops.GatedDeltaNetAttrs{Norm: ops.NormSum, Eps: 1e-6, Scale: 0.5})
		p.Out(o, next)
		return func(m *Match) []graph.Value {
			res := n.with(m, m.Get(n.q), m.Get(n.k), AttrsOf[ops.GatedDeltaNetAttrs](m, o))
			res[0] = pad(res[0])
			return res
		}
	},
	Examples: []Dims{
		{B: 1, T: 3, Hk: 2, H: 2, V: 3, K: 4, G: 1, N: 2}, {B: 2, T: 2, Hk: 1, H: 2, V: 4, K: 4, G: 1, N: 1},
		{B: 1, T: 1, Hk: 2, H: 2, V: 3, K: 4, G: 4, N: 3},
	},
})

var _ = register(Rule{
	Name:  "canon/unpad",
	Doc:   "pad(x)[0:n] → x, n the extent of x",
	Stage: Canon,
	Roots: []*graph.Op{ops.SliceOp},
	Sizes: func(v At, yield func(Dims) bool) {
		for x := v.Value; looksThrough(x); {
			x = x.Node().In(0)
			if x.Node().Op() == ops.PadOp && x.Node().In(0).Shape().Len() == v.Shape().Len() {
				a := graph.AttrsOf[ops.PadAttrs](x.Node().Attrs())
				yield(Dims{X: graph.IntsOf(x.Node().In(0).Shape().Dims()...), Axis: a.Axis, N: a.After})
				return
			}
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		x := p.Var("x", d.X.Slice()...)
		p.Out(ops.Slice(ops.Pad(x, d.Axis, d.N), d.Axis, 0, d.X.At(d.Axis)))
		return func(m *Match) []graph.Value { return []graph.Value{m.Get(x)} }
	},
	Examples: []Dims{{X: graph.IntsOf(3, 4), Axis: 0, N: 2}, {X: graph.IntsOf(2, 1, 5), Axis: 2, N: 1}, {X: graph.IntsOf(2, 1, 5), Axis: 1, N: 3}},
})

// GatedDeltaJoin makes tokens that are chained through the state one node. The
// concatenations of what were slices fold afterwards.
var GatedDeltaJoin = register(Rule{
	Name:  "gated-delta-net/join",
	Doc:   "o1, s1 = gated_delta_net(…, s); o2, s2 = gated_delta_net(…, s1) → one gated_delta_net over the tokens of both",
	Stage: Join,
	Sizes: func(v At, yield func(Dims) bool) {
		netSizes(v, func(d Dims) bool {
			if first := through(v.Node().In(5)); first.Node().Op() == ops.GatedDeltaNetOp {
				d.N = d.T
				d.T = first.Node().In(0).Shape().Dim(1)
				return yield(d)
			}
			return true
		})
	},
	Pattern: func(p *P, d Dims) Rewrite {
		a := netVars(p, d, d.Hk)
		b := net{
			q: p.Var("q2", d.B, d.N, d.Hk, d.K), k: p.Var("k2", d.B, d.N, d.Hk, d.K), v: p.Var("v2", d.B, d.N, d.H, d.V),
			g: p.Var("g2", d.B, d.N, d.H, d.G), beta: p.Var("beta2", d.B, d.N, d.H, 1),
		}
		other := ops.GatedDeltaNetAttrs{Norm: ops.NormSum, Eps: 1e-6, Scale: 0.5}
		a.o, a.next = ops.GatedDeltaNet(a.q, a.k, a.v, a.g, a.beta, a.s, ops.GatedDeltaNetAttrs{})
		b.o, b.next = ops.GatedDeltaNet(b.q, b.k, b.v, b.g, b.beta, a.next, ops.GatedDeltaNetAttrs{})
		p.AnyAttrs(a.o, other)
		p.AnyAttrs(b.o, other)
		p.Out(b.o, b.next, a.o)
		p.Where(func(m *Match) error {
			if x, y := AttrsOf[ops.GatedDeltaNetAttrs](m, a.o), AttrsOf[ops.GatedDeltaNetAttrs](m, b.o); x != y {
				return fmt.Errorf("the tokens are computed with %+v and with %+v", x, y)
			}
			return nil
		})
		return func(m *Match) []graph.Value {
			both := func(x, y graph.Value) graph.Value { return ops.Concat(1, m.Get(x), m.Get(y)) }
			o, next := ops.GatedDeltaNet(both(a.q, b.q), both(a.k, b.k), both(a.v, b.v), both(a.g, b.g), both(a.beta, b.beta),
				m.Get(a.s), AttrsOf[ops.GatedDeltaNetAttrs](m, a.o))
			return []graph.Value{ops.Slice(o, 1, d.T, d.N), next, ops.Slice(o, 1, 0, d.T)}
		}
	},
	Examples: []Dims{
		{B: 2, T: 1, N: 1, Hk: 2, H: 2, V: 3, K: 4, G: 1}, {B: 1, T: 3, N: 2, Hk: 2, H: 4, V: 4, K: 4, G: 1},
		{B: 2, T: 1, N: 4, Hk: 3, H: 3, V: 4, K: 5, G: 5},
	},
})
