package cpu

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() {
	register(causalConv, ops.CausalConvOp)
	register(causalConvSilu, ops.CausalConvSiluOp)
	register(convSlots, ops.ConvSlotsOp)
}

const (
	channelGroup   = 64   // channels of a unit of a convolution
	channelsAtOnce = 8192 // whose taps and rows stay in a second-level cache
)

// convolution is causal_conv_silu of x behind a state of W-1 rows.
type convolution struct {
	lower.Conv
	x, w int                      // operands: [B T C], [C W]
	y    func(f *frame) []float32 // [B T C]
	// state returns the rows before the first token and where the last ones go,
	// which may be the same memory, and nil where the slot is wrong.
	state func(f *frame, b int) (before, after []float32)
}

func (p *plan) conv(c convolution) {
	G := lower.Ceil(c.C, channelGroup)
	taps := p.own(4 * c.W * min(c.C, channelsAtOnce))
	p.step(c.B*G, float64(c.T*channelGroup*(c.W+4)/4), func(f *frame, lo, hi int) {
		for u := lo; u < hi; {
			b, from := u/G, u%G*channelGroup
			n := min(channelsAtOnce, (hi-u)*channelGroup, c.C-from)
			before, after := c.state(f, b)
			if before == nil {
				return
			}
			c.channels(f, f.ownFloats(taps)[:c.W*n], b, from, n, before, after)
			u += lower.Ceil(n, channelGroup)
		}
	})
}

// channels computes n channels of sequence b; taps is for them [W n].
func (c *convolution) channels(f *frame, taps []float32, b, from, n int, before, after []float32) {
	x, w, y := f.in(c.x), f.in(c.w)[from*c.W:(from+n)*c.W], c.y(f)
	// row is the input at token t, which may be before the first one.
	row := func(t int) []float32 {
		if t < 0 {
			return before[(t+c.W-1)*c.C+from:][:n]
		}
		return x[(b*c.T+t)*c.C+from:][:n]
	}
	if c.W == 4 {
		f.vec.Transpose4(taps, w)
	} else {
		for i := range n {
			for t := range c.W {
				taps[t*n+i] = w[i*c.W+t]
			}
		}
	}
	for t := range c.T {
		to := y[(b*c.T+t)*c.C+from:][:n]
		if c.W == 4 {
			f.vec.Filter4(to, [4][]float32{row(t - 3), row(t - 2), row(t - 1), row(t)}, taps)
			continue
		}
		f.vec.Mul(to, row(t-c.W+1), taps)
		for i := 1; i < c.W; i++ {
			f.vec.MulAdd(to, row(t-c.W+1+i), taps[i*n:])
		}
		f.vec.Silu(to, to)
	}
	for i := range c.W - 1 {
		copy(after[i*c.C+from:][:n], row(c.T-c.W+1+i))
	}
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

func causalConvSilu(n *graph.Node, p *plan) error {
	c, err := lower.CausalConvSilu(n)
	if err != nil {
		return err
	}
	size := (c.W - 1) * c.C
	p.conv(convolution{Conv: c, x: 1, w: 2,
		y: func(f *frame) []float32 { return f.out(0) },
		state: func(f *frame, b int) (before, after []float32) {
			return f.in(0)[b*size : (b+1)*size], f.out(1)[b*size : (b+1)*size]
		}})
	return nil
}

func convSlots(n *graph.Node, p *plan) error {
	c, err := lower.ConvSlots(n)
	if err != nil {
		return err
	}
	p.copyTo(1, 0, n)
	p.conv(convolution{Conv: c, x: 2, w: 3,
		y:     func(f *frame) []float32 { return f.out(0) },
		state: slotRows(1, 1, n.In(0).Shape().Dim(0), (c.W-1)*c.C)})
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
