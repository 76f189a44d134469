package ggml

import (
	"errors"
	"math"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// gatedDeltaNet is the op that is fused in the text already: q, k [S Hk T Bq],
// v [S Hv T B], g [1 or S Hv T B], beta [1 Hv T B], state [S S Hv B] with the key
// channel fastest. The result is one memory [S·Hv, T·B + S·B]: the outputs and
// then the states. q is scaled by 1/√S, value head h reads key head h mod Hk and
// sequence b those of b div (B/Bq).
func gatedDeltaNet(c *call) graph.Value {
	if c.t.params[0] > 1 {
		c.fail("%d snapshots of the state: %w", c.t.params[0], errors.ErrUnsupported)
	}
	var in [6]graph.Value
	for i := range in {
		in[i] = c.get(c.t.src[i], 4)
	}
	if c.err != nil {
		return graph.Value{}
	}
	q, v := in[0].Shape(), in[2].Shape()
	B, T, H, S := v.Dim(0), v.Dim(1), v.Dim(2), v.Dim(3)
	for i := range 2 {
		if n := in[i].Shape().Dim(0); n != B && B%n == 0 {
			in[i] = ops.Repeat(in[i], 0, B/n, ops.RepeatInterleaved)
		}
	}
	a := ops.GatedDeltaNetAttrs{Scale: float32(1 / math.Sqrt(float64(S)))}
	if q.Dim(2) != H {
		a.Heads = ops.Tiled
	}
	o, next := ops.GatedDeltaNet(in[0], in[1], in[2], in[3], in[4], in[5], a)
	if c.b.Err() != nil {
		return graph.Value{}
	}
	width, rows := S*H, T*B+S*B
	if !sameExtents(c.t.dims(2), []int{rows, width}) || c.t.isView() {
		c.fail("a result %v, want rows of %d, %d of them", c.t.ne, width, rows)
		return graph.Value{}
	}
	m := newMemory(graph.Value{}, c.t.shape())
	m.dims, m.parts = []int{rows, width}, []part{
		{0, T * B, ops.Reshape(o, T*B, width), 0},
		{T * B, S * B, ops.Reshape(next, S*B, width), 0},
	}
	c.t.mem, c.stored = m, true
	return graph.Value{}
}
