package cpu

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

func init() {
	register(causalConv, ops.CausalConvOp)
	register(causalConvSilu, ops.CausalConvSiluOp)
	register(convSlots, ops.ConvSlotsOp)
}

// channelGroup is how many channels of a convolution are one unit.
const channelGroup = 64

// convolution is causal_conv of x behind a state of W-1 rows.
type convolution struct {
	B, T, C, W int
	x, w       int // operands: [B T C], [C W]
	silu       bool
	y          func(f *frame) []float32 // [B T C]
	// state returns the rows before the first token and where the last ones go,
	// which may be the same memory, and nil where the slot is wrong.
	state func(f *frame, b int) (before, after []float32)
}

func (p *plan) conv(c convolution) {
	G := ceil(c.C, channelGroup)
	taps := p.own(4 * c.W * channelGroup)
	p.step(c.B*G, float64(c.T*channelGroup*(c.W+4)), func(f *frame, lo, hi int) {
		x, w, y, taps := f.in(c.x), f.in(c.w), c.y(f), f.ownFloats(taps)
		for u := lo; u < hi; u++ {
			b, from := u/G, u%G*channelGroup
			n := min(channelGroup, c.C-from)
			before, after := c.state(f, b)
			if before == nil {
				return
			}
			for i := range n {
				for t := range c.W {
					taps[t*n+i] = w[(from+i)*c.W+t]
				}
			}
			// row is the input at token t, which may be before the first one.
			row := func(t int) []float32 {
				if t < 0 {
					return before[(t+c.W-1)*c.C+from:][:n]
				}
				return x[(b*c.T+t)*c.C+from:][:n]
			}
			for t := range c.T {
				to := y[(b*c.T+t)*c.C+from:][:n]
				f.vec.Mul(to, row(t-c.W+1), taps[:n])
				for i := 1; i < c.W; i++ {
					x := row(t - c.W + 1 + i)
					for j, w := range taps[i*n : (i+1)*n] {
						to[j] += w * x[j]
					}
				}
				if c.silu {
					f.vec.Silu(to, to)
				}
			}
			for i := range c.W - 1 {
				copy(after[i*c.C+from:][:n], row(c.T-c.W+1+i))
			}
		}
	})
}

// slotRows gives the rows of a pool in result, by the slots in an operand.
func slotRows(result, slots, P, size int) func(f *frame, b int) (before, after []float32) {
	return func(f *frame, b int) (before, after []float32) {
		slot, ok := f.index(f.ints(slots), b, P)
		if !ok {
			return nil, nil
		}
		row := f.out(result)[slot*size : (slot+1)*size]
		return row, row
	}
}

func convFormula(in []graph.Value) []graph.Value {
	y, next := ops.CausalConvSilu(in[0], in[1], in[2])
	return []graph.Value{y, next}
}

func causalConvSilu(n *graph.Node, p *plan) error {
	if (formula{write: convFormula}).match(n) == nil {
		return unsupported("another body")
	}
	x, W := n.In(1).Shape(), n.In(2).Shape().Dim(1)
	size := (W - 1) * x.Dim(2)
	p.conv(convolution{B: x.Dim(0), T: x.Dim(1), C: x.Dim(2), W: W, x: 1, w: 2, silu: true,
		y: func(f *frame) []float32 { return f.out(0) },
		state: func(f *frame, b int) (before, after []float32) {
			return f.in(0)[b*size : (b+1)*size], f.out(1)[b*size : (b+1)*size]
		}})
	return nil
}

func convSlots(n *graph.Node, p *plan) error {
	write := func(in []graph.Value) []graph.Value {
		y, pool := ops.ConvSlots(in[0], in[1], in[2], in[3])
		return []graph.Value{y, pool}
	}
	if (formula{write: write}).match(n) == nil {
		return unsupported("another body")
	}
	x, W := n.In(2).Shape(), n.In(3).Shape().Dim(1)
	p.copyTo(1, 0, n)
	p.conv(convolution{B: x.Dim(0), T: x.Dim(1), C: x.Dim(2), W: W, x: 2, w: 3, silu: true,
		y:     func(f *frame) []float32 { return f.out(0) },
		state: slotRows(1, 1, n.In(0).Shape().Dim(0), (W-1)*x.Dim(2))})
	return nil
}

// causalConv has the rows before the first token in front of the others.
func causalConv(n *graph.Node, p *plan) error {
	y, W := n.Out(0).Shape(), n.In(1).Shape().Dim(1)
	T, C := y.Dim(1), y.Dim(2)
	p.step(y.Dim(0)*T, float64(W*C), func(f *frame, lo, hi int) {
		x, w, y := f.in(0), f.in(1), f.out(0)
		for u := lo; u < hi; u++ {
			window := x[(u/T*(T+W-1)+u%T)*C:]
			row := y[u*C : (u+1)*C]
			for c := range row {
				s := float32(0)
				for t := range W {
					s += w[c*W+t] * window[t*C+c]
				}
				row[c] = s
			}
		}
	})
	return nil
}
