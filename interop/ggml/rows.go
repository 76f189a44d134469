package ggml

import (
	"errors"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// getRows looks up rows of x [C R b2 b3] by idx [n b2 b3]: [C n b2 b3].
func getRows(c *call) graph.Value {
	x, idx := c.t.src[0], c.t.src[1]
	if x.ne[2] != idx.ne[1] || x.ne[3] != idx.ne[2] || idx.ne[3] != 1 {
		c.fail("rows %v of %v", idx.ne, x.ne)
		return graph.Value{}
	}
	if x.ne[2] == 1 && x.ne[3] == 1 {
		return ops.Rows(c.get(x, 2), c.get(idx, 1))
	}
	// Rows of their own for each index of the outer axes: a lookup along the
	// rows' axis, for every column.
	n := idx.ne[0]
	v := ops.Transpose(c.get(x, 4)) // [b3 b2 C R]
	at := reshape(c.get(idx, 3), []int{x.ne[3], x.ne[2], 1, n})
	return ops.Transpose(ops.GatherLast(v, at)) // [b3 b2 n C]
}

// setRows replaces rows of the destination, whose memory it lies in, by number.
func setRows(c *call) graph.Value {
	x, idx, dst := c.t.src[0], c.t.src[1], c.t.src[2]
	if c.t.base != dst.base || !c.t.isView() {
		c.fail("the result does not lie in its destination, tensor %d", dst.id)
		return graph.Value{}
	}
	v, at, old := c.as(0, 2), c.as(1, 1), c.as(2, 2)
	if c.err != nil {
		return graph.Value{}
	}
	if x.typ != dst.typ {
		c.fail("writes %s as %s: %w", x.typ.name, dst.typ.name, errors.ErrUnsupported)
		return graph.Value{}
	}
	if idx.base.leaf {
		if had, ok := c.rows[idx.base]; ok && had != dst.ne[1] {
			c.rows[idx.base] = -1
		} else {
			c.rows[idx.base] = dst.ne[1]
		}
	}
	return ops.ScatterRows(old, at, v)
}

// argSort orders each row; param 0 is the order, 0 for ascending.
func argSort(c *call) graph.Value {
	x := c.in(0)
	if c.t.params[0] == 0 {
		x = ops.Neg(x)
	}
	return ops.ArgSort(x)
}

// pad adds zeros: params are pairs of how many before and after, fastest axis
// first.
func pad(c *call) graph.Value {
	if c.t.params[8] != 0 {
		c.fail("circular padding: %w", errors.ErrUnsupported)
		return graph.Value{}
	}
	s := c.t.src[0]
	x := c.get(s, len(c.t.shape()))
	for i, n := range c.t.ne {
		before, after := int(c.t.params[2*i]), int(c.t.params[2*i+1])
		if before < 0 || after < 0 || before+s.ne[i]+after != n {
			c.fail("axis %d is %d, from %d with %d before and %d after", i, n, s.ne[i], before, after)
			return graph.Value{}
		}
		if before > 0 {
			dims := x.Shape().Dims()
			dims[len(dims)-1-i] = before
			x = ops.Concat(-1-i, ops.Fill(c.b, 0, dims...), x)
		}
		if after > 0 {
			x = ops.Pad(x, -1-i, after)
		}
	}
	return x
}

// concat joins two sources along axis param 0, counted from the fastest.
func concat(c *call) graph.Value {
	axis := int(c.t.params[0])
	if axis < 0 || axis > 3 {
		c.fail("axis %d", axis)
		return graph.Value{}
	}
	rank := max(axis+1, len(c.t.src[0].dims(2)), len(c.t.src[1].dims(2)))
	var all []graph.Value
	for _, s := range c.t.src {
		if !s.empty() {
			all = append(all, c.get(s, rank))
		}
	}
	return ops.Concat(-1-axis, all...)
}

// copied is a dense copy, which may have other extents.
func copied(c *call) graph.Value { return c.extents(ops.Cont(c.in(0))) }

// extents gives x, with as many elements, the extents of the result.
func (c *call) extents(x graph.Value) graph.Value {
	if have, want := x.Shape().Len(), c.t.len(); have != want && x.Shape().Valid() {
		c.fail("%d elements of %d", have, want)
		return graph.Value{}
	}
	return reshape(x, c.t.shape())
}

// cpy is the values of source 0 in the place of source 1.
func cpy(c *call) graph.Value {
	x, dst := c.t.src[0], c.t.src[1]
	if x.typ != dst.typ {
		c.fail("converts %s to %s: %w", x.typ.name, dst.typ.name, errors.ErrUnsupported)
		return graph.Value{}
	}
	if dst.base != c.t.base {
		c.fail("the result does not lie in its destination, tensor %d", dst.id)
		return graph.Value{}
	}
	return c.extents(c.in(0))
}

// set puts f(what is there, source 1) into a window of source 0, in place or in
// a copy: params are the window's strides nb1 to nb3 and its offset, in bytes.
func set(c *call, f func(old, x graph.Value) graph.Value) graph.Value {
	t, whole, x := c.t, c.t.src[0], c.t.src[1]
	switch {
	case !t.isView():
		t.mem = newMemory(reshape(c.in(0), t.shape()), t.shape())
	case whole.base != t.base || whole.off != t.off:
		c.fail("the result does not lie in source 0")
	}
	if c.stored = true; c.err != nil || x.empty() {
		return graph.Value{}
	}
	p := [4]int{}
	for i := range p {
		if p[i] = int(t.params[i]); p[i] < 0 {
			c.fail("strides and offset %v", t.params[:4])
			return graph.Value{}
		}
	}
	w := &tensor{base: t.base, typ: t.typ, ne: x.ne, nb: [4]int{t.typ.bytes, p[0], p[1], p[2]}, off: t.off + p[3]}
	if x.typ != t.typ || whole.ne != t.ne || !whole.dense() {
		c.fail("source 0 is %s%v with strides %v, source 1 %s", whole.typ.name, whole.ne, whole.nb, x.typ.name)
		return graph.Value{}
	}
	if err := w.check(); err != nil {
		c.fail("the window: %w", err)
		return graph.Value{}
	}
	r := w.region(x.shape())
	old, err := t.base.mem.read(r)
	if err == nil {
		err = t.base.mem.write(r, f(old, c.in(1)))
	}
	if err != nil {
		c.fail("the window: %w", err)
	}
	return graph.Value{}
}
