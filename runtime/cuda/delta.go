package cuda

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() {
	register(gatedDeltaNet, ops.GatedDeltaNetOp)
	register(deltaNet, ops.DeltaNetOp)
	register(deltaSlots, ops.DeltaSlotsOp)
	register(deltaBlock, ops.DeltaBlockOp)
}

// deltaParams is DeltaParams of runtime/kernels/delta.h.
type deltaParams struct {
	T, Hk, H, K, V uint32
	QK, VStep      uint32
	P              uint32
	Decays         uint32
	Raw            uint32
	Tiled, Norm    uint32
	Eps, Scale     float32
	Tile           uint32
	C              uint32
	NormEps        float32
	Sigmoid        uint32
}

// scanTokens is how many tokens a scan has in shared memory at once.
const scanTokens = 16

// paramsOf is the parameters of a net whose q, k and v lie dense.
func paramsOf(d lower.Net, P int, raw bool) deltaParams {
	scale := d.Attrs.Scale
	if scale == 0 {
		scale = 1
	}
	return deltaParams{
		T: uint32(d.T), Hk: uint32(d.Hk), H: uint32(d.Hv), K: uint32(d.Dk), V: uint32(d.Dv),
		QK: uint32(d.Hk * d.Dk), VStep: uint32(d.Hv * d.Dv), P: uint32(P), Decays: uint32(d.Dg), Raw: flag(raw),
		Tiled: flag(d.Attrs.Heads == ops.Tiled), Norm: uint32(d.Attrs.Norm), Eps: d.Attrs.Eps, Scale: scale,
		Tile: uint32(min(d.T, scanTokens)),
	}
}

// shared is the bytes of the tokens that a block with so many rows has at once.
func (d deltaParams) shared(rows int) int {
	return 4 * int(d.Tile) * (2*int(d.K) + int(d.Decays) + 2*rows + 2)
}

// operands are the memory of a net. Without slots, sequence b has state b.
type operands struct{ q, k, v, a, dt, A, b, slots, state, o buffer }

// lanesOf returns how many lanes hold a row of a state, and the name of their kernels.
func lanesOf(K int) (lanes int, suffix string) {
	switch K {
	case 16, 32, 64, 128, 256:
		return K / 16, fmt.Sprint(K)
	}
	return 32, "any"
}

// mostKeys is the longest row of a state that a warp holds.
const mostKeys = 512

// deltaFits refuses what no kernel of the rule can do.
func deltaFits(d lower.Net) error {
	if d.Dk > mostKeys {
		return unsupported("keys of %d channels", d.Dk)
	}
	return small(max(d.B*d.T*max(d.Hv*max(d.Dv, d.Dg), d.Hk*d.Dk), d.Hv*d.Dv*d.Dk))
}

// net adds the launches of the rule.
func (p *plan) net(d deltaParams, B int, m operands) {
	if d.chunked() && chunkShared <= p.shared {
		p.chunks(d, B, m)
		return
	}
	const threads = 128
	lanes, suffix := lanesOf(int(d.K))
	rows := 2 * threads / lanes
	p.launchShared(d.shared(rows), "delta_scan_"+suffix, dim{lower.Ceil(int(d.V), rows), int(d.H), B}, line(threads), d,
		m.q, m.k, m.v, m.a, m.dt, m.A, m.b, m.slots, m.state, m.o)
}

func gatedDeltaNet(n *graph.Node, p *plan) error {
	d := lower.GatedDeltaNet(n)
	if err := deltaFits(d); err != nil {
		return err
	}
	p.copyTo(1, 5)
	p.net(paramsOf(d, d.B, false), d.B, operands{p.in(0), p.in(1), p.in(2), p.in(3), null, null, p.in(4), null, p.out(1), p.out(0)})
	return nil
}

func deltaNet(n *graph.Node, p *plan) error {
	d, err := lower.DeltaNet(n)
	if err != nil {
		return err
	}
	if err := deltaFits(d); err != nil {
		return err
	}
	p.copyTo(1, 0)
	p.net(paramsOf(d, d.B, true), d.B, operands{p.in(1), p.in(2), p.in(3), p.in(4), p.in(5), p.in(6), p.in(7), null, p.out(1), p.out(0)})
	return nil
}

func deltaSlots(n *graph.Node, p *plan) error {
	d, err := lower.DeltaSlots(n)
	if err != nil {
		return err
	}
	if err := deltaFits(d); err != nil {
		return err
	}
	p.copyTo(1, 0)
	p.net(paramsOf(d, n.In(0).Shape().Dim(0), true), d.B,
		operands{p.in(2), p.in(3), p.in(4), p.in(5), p.in(6), p.in(7), p.in(8), p.in(1), p.out(1), p.out(0)})
	return nil
}

// deltaBlock is one launch. Heads too large for a block's registers, and filters of
// other lengths, take the convolution, the rule and the norm one after another.
func deltaBlock(n *graph.Node, p *plan) error {
	d, err := lower.DeltaBlock(n)
	if err != nil {
		return err
	}
	conv := lower.Conv{B: d.B, T: d.T, C: d.C, W: d.W}
	if err := deltaFits(d.Net); err != nil {
		return err
	}
	if err := convFits(conv); err != nil {
		return err
	}
	p.copyTo(1, 0)
	p.copyTo(2, 1)
	params := paramsOf(d.Net, d.P, true)
	params.QK, params.VStep, params.C = uint32(d.C), uint32(d.C), uint32(d.C)
	params.NormEps, params.Sigmoid = d.Norm.Eps, flag(d.Norm.Gate == ops.SigmoidOp)
	convPool, pool, slots, x, w, a, dt, A, b, norm, z := p.out(1), p.out(2), p.in(2), p.in(3), p.in(4), p.in(5), p.in(6), p.in(7), p.in(8), p.in(9), p.in(10)

	lanes, suffix := lanesOf(d.Dk)
	bytes := params.shared(d.Dv) + 4*d.T*d.Dv
	if threads := (d.Dv + 1) / 2 * lanes; lanes <= 8 && threads <= 512 && d.T <= scanTokens && d.W == 4 && bytes <= p.shared {
		threads = max(128, (threads+31)&^31)
		tickets := null
		if d.Hk < d.Hv {
			tickets = p.tickets(d.B * d.Hk)
		}
		p.launchShared(bytes, "delta_block_"+suffix, dim{d.Hv, d.B, 1}, line(threads), params,
			convPool, pool, slots, x, w, a, dt, A, b, norm, z, p.out(0), tickets)
		return nil
	}
	y, o := p.scratch(4*int64(d.B*d.T*d.C)), p.scratch(4*int64(d.B*d.T*d.Hv*d.Dv))
	p.conv(conv, 0, d.P, true, x, w, slots, convPool, y)
	key, value := int64(4*d.Hk*d.Dk), int64(8*d.Hk*d.Dk)
	p.net(params, d.B, operands{y, y.at(key), y.at(value), a, dt, A, b, slots, pool, o})
	p.gatedRows(d.Norm, d.B*d.T*d.Hv, o, norm, z, p.out(0))
	return nil
}
