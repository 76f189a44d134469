package ggml

import (
	"errors"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

func unary(f func(graph.Value) graph.Value) kind {
	return kind{1, 1, func(c *call) graph.Value { return f(c.in(0)) }}
}

// binary is f of two sources, of which the second repeats to the extents of the
// first.
func binary(f func(a, b graph.Value) graph.Value) kind {
	return kind{2, 2, func(c *call) graph.Value {
		a, b := c.in(0), c.in(1)
		return f(a, c.tiled(b, a.Shape().Dims()))
	}}
}

// tiled repeats x to these extents along every axis that does not broadcast:
// index mod extent.
func (c *call) tiled(x graph.Value, dims []int) graph.Value {
	for i := range x.Shape().Rank() {
		have, want := x.Shape().Dim(-1-i), 1
		if i < len(dims) {
			want = dims[len(dims)-1-i]
		}
		switch {
		case have == want || have == 1:
		case want%have == 0:
			x = ops.Repeat(x, -1-i, want/have, ops.RepeatTiled)
		default:
			c.fail("%v does not repeat to %v", x.Shape(), dims)
			return graph.Value{}
		}
	}
	return x
}

// repeated is tiled, and broadcasts too.
func (c *call) repeated(x graph.Value, dims []int) graph.Value {
	if x = c.tiled(x, dims); c.err != nil {
		return x
	}
	return ops.Broadcast(x, dims...)
}

// glu is f(a)·b, a and b being two sources or the halves of one.
func glu(f func(graph.Value) graph.Value) kind {
	return kind{1, 2, func(c *call) graph.Value {
		a := c.in(0)
		if len(c.t.src) == 2 {
			return ops.Mul(f(a), c.in(1))
		}
		n := a.Shape().Dim(-1) / 2
		if n == 0 {
			c.fail("rows of one element have no halves")
			return graph.Value{}
		}
		first, second := ops.Slice(a, -1, 0, n), ops.Slice(a, -1, n, n)
		if c.t.params[1] != 0 {
			first, second = second, first
		}
		return ops.Mul(f(first), second)
	}}
}

func geluQuick(x graph.Value) graph.Value { return ops.Mul(x, ops.Sigmoid(ops.Scale(x, 1.702))) }

func hardSigmoid(x graph.Value) graph.Value {
	return ops.Clamp(ops.Scale(ops.AddScalar(x, 3), 1.0/6), 0, 1)
}

func scale(c *call) graph.Value {
	x := ops.Scale(c.in(0), c.t.f32(0))
	if bias := c.t.f32(1); bias != 0 {
		x = ops.AddScalar(x, bias)
	}
	return x
}

func sum(c *call) graph.Value {
	x := c.in(0)
	return ops.SumLast(reshape(x, []int{1, x.Shape().Len()}))
}

func layerNorm(c *call) graph.Value {
	x := c.in(0)
	return ops.RMSNorm(ops.Sub(x, ops.MeanLast(x)), c.t.f32(0))
}

// softMax normalises scale·x + mask; a mask may have more rows than x, which
// nobody reads.
func softMax(c *call) graph.Value {
	x, t := c.in(0), c.t
	if bias := t.f32(1); bias != 0 {
		c.fail("a position bias of slope %v: %w", bias, errors.ErrUnsupported)
	}
	if len(t.src) > 2 {
		c.fail("attention sinks: %w", errors.ErrUnsupported)
	}
	if s := t.f32(0); s != 1 {
		x = ops.Scale(x, s)
	}
	if len(t.src) > 1 {
		mask := c.get(t.src[1], 2)
		if rows := t.ne[1]; t.src[1].ne[1] > rows {
			mask = ops.Slice(mask, -2, 0, rows)
		}
		x = ops.Add(x, c.tiled(mask, x.Shape().Dims()))
	}
	return ops.Softmax(x)
}
