package cpu

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/cpu/delta"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() {
	register(gatedDeltaNet, ops.GatedDeltaNetOp)
	register(deltaNet, ops.DeltaNetOp)
	register(deltaSlots, ops.DeltaSlotsOp)
	register(gatedNorm, ops.GatedNormOp)
	register(deltaBlock, ops.DeltaBlockOp)
}

// rowGroup is how many rows of a state are one unit.
const rowGroup = 16

// deltaRule adds the step of the recurrence. bind sets the memory of a net,
// states included, and reports whether it could.
func (p *plan) deltaRule(d lower.Net, bind func(f *frame, n *delta.Net) bool) {
	scratch := p.own(4 * delta.ScratchLen(d.Dk, d.Dg))
	kernels := delta.For(p.set)
	unbound := delta.Net{B: d.B, T: d.T, Hk: d.Hk, Hv: d.Hv, Dk: d.Dk, Dv: d.Dv, Dg: d.Dg, Attrs: d.Attrs}
	nets := make([]delta.Net, p.threads)
	for i := range nets {
		nets[i] = unbound
		nets[i].State = make([][]float32, d.B)
	}
	rows := d.B * d.Hv * d.Dv
	p.step(lower.Ceil(rows, rowGroup), float64(rowGroup*d.Dk*d.T), func(f *frame, lo, hi int) {
		n := &nets[f.Worker]
		defer func() { // a plan that is kept must not keep a session's memory
			states := n.State
			clear(states)
			*n = unbound
			n.State = states
		}()
		if !bind(f, n) {
			return
		}
		if err := n.Check(); err != nil {
			f.fail(err)
			return
		}
		kernels.Run(n, f.ownFloats(scratch), lo*rowGroup, min(hi*rowGroup, rows))
	})
}

// dense returns x as [B T H D].
func dense(x []float32, T, H, D int) delta.Tensor {
	return delta.Tensor{F: x, B: T * H * D, T: H * D, H: D}
}

// copyTo adds the step that makes result hold what operand holds, for ops that
// then write to some of it; none where both lie in one place.
func (p *plan) copyTo(result, operand int, n *graph.Node) {
	if p.inPlace(result, operand) {
		return
	}
	s := n.In(operand).Shape()
	rows := s.Dim(0)
	size := int(s.Bytes()) / rows
	p.step(rows, 1, func(f *frame, lo, hi int) {
		copy(f.outBytes(result)[lo*size:hi*size], f.bytes(operand)[lo*size:])
	})
}

// states sets the states of n to those of all sequences in result.
func denseStates(result int) func(f *frame, n *delta.Net) bool {
	return func(f *frame, n *delta.Net) bool {
		size := n.Hv * n.Dv * n.Dk
		for b := range n.State {
			n.State[b] = f.out(result)[b*size : (b+1)*size]
		}
		return true
	}
}

// slotStates sets them to rows of the pool in result, by the slots in an operand.
func slotStates(result, slots, P int) func(f *frame, n *delta.Net) bool {
	return func(f *frame, n *delta.Net) bool {
		size := n.Hv * n.Dv * n.Dk
		for b := range n.State {
			slot, ok := f.index(f.ints(slots), b, P)
			if !ok {
				return false
			}
			n.State[b] = f.out(result)[slot*size : (slot+1)*size]
		}
		return true
	}
}

func gatedDeltaNet(n *graph.Node, p *plan) error {
	d := lower.GatedDeltaNet(n)
	p.copyTo(1, 5, n)
	states := denseStates(1)
	p.deltaRule(d, func(f *frame, n *delta.Net) bool {
		n.Q, n.K, n.V = dense(f.in(0), d.T, d.Hk, d.Dk), dense(f.in(1), d.T, d.Hk, d.Dk), dense(f.in(2), d.T, d.Hv, d.Dv)
		n.G, n.Beta, n.O = dense(f.in(3), d.T, d.Hv, d.Dg), dense(f.in(4), d.T, d.Hv, 1), dense(f.out(0), d.T, d.Hv, d.Dv)
		return states(f, n)
	})
	return nil
}

// gates are the decay and beta of a delta net, computed into memory of the node.
type gates struct{ g, beta region }

// gates adds the step g = softplus(a + dt)·A, beta = sigmoid(b); the arguments
// are operands. A unit is a token, or one of its heads where their channels have
// decays of their own.
func (p *plan) gates(d lower.Net, a, dt, A, b int) gates {
	G := gates{p.share(4 * d.B * d.T * d.Hv * d.Dg), p.share(4 * d.B * d.T * d.Hv)}
	n, parts := d.Hv, 1
	if d.Dg > 1 {
		n, parts = d.Dg, d.Hv
	}
	p.step(d.B*d.T*parts, float64(3*n), func(f *frame, lo, hi int) {
		g, beta, av, dtv, Av, bv := f.sharedFloats(G.g), f.sharedFloats(G.beta), f.in(a), f.in(dt), f.in(A), f.in(b)
		for u := lo; u < hi; u++ {
			token, part := u/parts, u%parts
			row := g[u*n : (u+1)*n]
			f.vec.Add(row, av[u*n:(u+1)*n], dtv[part*n:])
			f.vec.Softplus(row, row)
			if d.Dg > 1 {
				f.vec.Scale(row, Av[part], row)
			} else {
				f.vec.Mul(row, row, Av)
			}
			if part == 0 {
				f.vec.Sigmoid(beta[token*d.Hv:(token+1)*d.Hv], bv[token*d.Hv:])
			}
		}
	})
	return G
}

// netFrom adds the steps of delta_net with q as operand q and the others behind.
func (p *plan) netFrom(d lower.Net, q int, states func(f *frame, n *delta.Net) bool) {
	g := p.gates(d, q+3, q+4, q+5, q+6)
	p.deltaRule(d, func(f *frame, n *delta.Net) bool {
		n.Q, n.K, n.V = dense(f.in(q), d.T, d.Hk, d.Dk), dense(f.in(q+1), d.T, d.Hk, d.Dk), dense(f.in(q+2), d.T, d.Hv, d.Dv)
		n.G, n.Beta, n.O = dense(f.sharedFloats(g.g), d.T, d.Hv, d.Dg), dense(f.sharedFloats(g.beta), d.T, d.Hv, 1), dense(f.out(0), d.T, d.Hv, d.Dv)
		return states(f, n)
	})
}

func deltaNet(n *graph.Node, p *plan) error {
	d, err := lower.DeltaNet(n)
	if err != nil {
		return err
	}
	p.copyTo(1, 0, n)
	p.netFrom(d, 1, denseStates(1))
	return nil
}

func deltaSlots(n *graph.Node, p *plan) error {
	d, err := lower.DeltaSlots(n)
	if err != nil {
		return err
	}
	p.copyTo(1, 0, n)
	p.netFrom(d, 2, slotStates(1, 1, n.In(0).Shape().Dim(0)))
	return nil
}

// gateFuncs set y to x·gate(z), by the gate.
var gateFuncs = map[*graph.Op]func(v *vec.Funcs, y, x, z []float32){
	ops.SiluOp:    (*vec.Funcs).MulSilu,
	ops.SigmoidOp: (*vec.Funcs).MulSigmoid,
}

// gatedRows adds the step y = rms_norm(x)·w · gate(z) over rows; y and z are dense.
func (p *plan) gatedRows(rows int, norm lower.Norm, x func(f *frame) []float32, w, z, y int) {
	V, mul := norm.V, gateFuncs[norm.Gate]
	p.step(rows, float64(V), func(f *frame, lo, hi int) {
		x, w, z, y := x(f), f.in(w), f.in(z), f.out(y)
		for r := lo; r < hi; r++ {
			row := y[r*V : (r+1)*V]
			f.vec.RMSNorm(row, x[r*V:(r+1)*V], w, norm.Eps)
			mul(f.vec, row, row, z[r*V:(r+1)*V])
		}
	})
}

func gatedNorm(n *graph.Node, p *plan) error {
	norm, err := lower.GatedNorm(n)
	if err != nil {
		return err
	}
	p.gatedRows(n.In(0).Shape().Len()/norm.V, norm, func(f *frame) []float32 { return f.in(0) }, 1, 2, 0)
	return nil
}

// deltaBlock leaves the result of the convolution and that of the recurrence in
// memory of the node.
func deltaBlock(n *graph.Node, p *plan) error {
	d, err := lower.DeltaBlock(n)
	if err != nil {
		return err
	}
	p.copyTo(1, 0, n)
	p.copyTo(2, 1, n)
	B, T, H, K, V := d.B, d.T, d.Hv, d.Dk, d.Dv
	c := p.share(4 * B * T * d.C)
	p.conv(convolution{Conv: lower.Conv{B: B, T: T, C: d.C, W: d.W}, x: 3, w: 4,
		y:     func(f *frame) []float32 { return f.sharedFloats(c) },
		state: slotRows(1, 2, d.P, (d.W-1)*d.C)})
	g := p.gates(d.Net, 5, 6, 7, 8)
	o := p.share(4 * B * T * H * V)
	states := slotStates(2, 2, d.P)
	p.deltaRule(d.Net, func(f *frame, n *delta.Net) bool {
		y := f.sharedFloats(c)
		channels := func(from, D int) delta.Tensor { return delta.Tensor{F: y[from:], B: T * d.C, T: d.C, H: D} }
		n.Q, n.K, n.V = channels(0, K), channels(d.Hk*K, K), channels(2*d.Hk*K, V)
		n.G, n.Beta = dense(f.sharedFloats(g.g), T, H, d.Dg), dense(f.sharedFloats(g.beta), T, H, 1)
		n.O = dense(f.sharedFloats(o), T, H, V)
		return states(f, n)
	})
	p.gatedRows(B*T*H, d.Norm, func(f *frame) []float32 { return f.sharedFloats(o) }, 9, 10, 0)
	return nil
}
