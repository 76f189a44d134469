package cuda

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

type convParams struct{ T, C, W, Lead, Run, Silu, P uint32 }

// convBlock is the channels of a block, convRun its tokens, or more where a
// filter is longer.
const (
	convBlock = 128
	convRun   = 64
)

// conv filters x, behind lead rows of its own or those of a state.
func (p *plan) conv(c lower.Conv, lead, P int, silu bool, x, w, slots, state, y buffer) {
	run := max(convRun, c.W-1)
	p.launch("causal_conv", dim{lower.Ceil(c.C, convBlock), lower.Ceil(c.T, run), c.B}, line(convBlock),
		convParams{uint32(c.T), uint32(c.C), uint32(c.W), uint32(lead), uint32(run), flag(silu), uint32(P)}, x, w, slots, state, y)
}

func convFits(c lower.Conv) error { return small(c.B * (c.T + c.W) * c.C) }

func causalConv(n *graph.Node, p *plan) error {
	y, W := n.Out(0).Shape(), n.In(1).Shape().Dim(1)
	c := lower.Conv{B: y.Dim(0), T: y.Dim(1), C: y.Dim(2), W: W}
	if err := convFits(c); err != nil {
		return err
	}
	p.conv(c, W-1, 0, false, p.in(0), p.in(1), null, null, p.out(0))
	return nil
}

func causalConvSilu(n *graph.Node, p *plan) error {
	c, err := lower.CausalConvSilu(n)
	if err != nil {
		return err
	}
	if err := convFits(c); err != nil {
		return err
	}
	p.copyTo(1, 0)
	p.conv(c, 0, c.B, true, p.in(1), p.in(2), null, p.out(1), p.out(0))
	return nil
}

func convSlots(n *graph.Node, p *plan) error {
	c, err := lower.ConvSlots(n)
	if err != nil {
		return err
	}
	if err := convFits(c); err != nil {
		return err
	}
	p.copyTo(1, 0)
	p.conv(c, 0, n.In(0).Shape().Dim(0), true, p.in(2), p.in(3), p.in(1), p.out(1), p.out(0))
	return nil
}
