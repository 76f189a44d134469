package ggml

import (
	"errors"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// The modes of ROPE.
const (
	ropeNormal = 0
	ropeNeoX   = 2
	ropeIMRope = 40
)

// rope turns x [D H T B] by the positions [T], or four streams of them, one
// after another, in mode IMROPE: [4T].
func rope(c *call) graph.Value {
	t := c.t
	p := &t.params
	a := ops.RopeAttrs{Dims: int(p[1]), Base: t.f32(5)}
	streams := 1
	switch p[2] {
	case ropeNormal:
		a.Mode = ops.Normal
	case ropeNeoX:
		a.Mode = ops.NeoX
	case ropeIMRope:
		a.Mode, streams = ops.IMRope, 4
		a.Sections = graph.IntsOf(int(p[11]), int(p[12]), int(p[13]), int(p[14]))
	default:
		c.fail("mode %d: %w", p[2], errors.ErrUnsupported)
	}
	if len(t.src) > 2 {
		c.fail("frequency factors: %w", errors.ErrUnsupported)
	}
	if freq, ext, attn := t.f32(6), t.f32(7), t.f32(8); freq != 1 || ext != 0 || attn != 1 {
		c.fail("frequencies scaled by %v, extrapolated by %v, amplitudes by %v: %w", freq, ext, attn, errors.ErrUnsupported)
	}
	x, pos := c.get(t.src[0], 4), c.as(1, 1)
	B, T := x.Shape().Dim(0), x.Shape().Dim(1)
	if c.err == nil && pos.Shape().Len() != streams*T {
		c.fail("%d positions for %d tokens", pos.Shape().Len(), T)
	}
	if c.err != nil {
		return graph.Value{}
	}
	if streams == 1 {
		return ops.Rope(x, ops.Broadcast(reshape(pos, []int{1, T}), B, T), a)
	}
	pos = reshape(ops.Permute(reshape(pos, []int{streams, T}), 1, 0), []int{1, T, streams})
	return ops.Rope(x, ops.Broadcast(pos, B, T, streams), a)
}
