package ggml

import (
	"errors"
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
)

// call translates one tensor. The first error sticks; what is computed after it
// is harmless and of no use.
type call struct {
	*reader
	t      *tensor
	stored bool // the op has written its result itself
	err    error
}

// kind is what the translation of an op needs to know of it.
type kind struct {
	min, max int // sources
	f        func(*call) graph.Value
}

// viewOps give other extents to elements that lie somewhere already.
var viewOps = map[string]bool{"VIEW": true, "RESHAPE": true, "PERMUTE": true, "TRANSPOSE": true}

// translate computes the tensor and writes it into the memory it lies in. A view
// computes nothing: it is read where an op reads it.
func (c *call) translate() {
	t := c.t
	if viewOps[t.op] {
		c.checkView()
		return
	}
	k, ok := kinds[t.op]
	switch {
	case !ok:
		c.fail("%w", errors.ErrUnsupported)
	case t.typ.name != "f32" && t.typ.name != "i32":
		c.fail("a result of type %s: %w", t.typ.name, errors.ErrUnsupported)
	case len(t.src) < k.min || len(t.src) > k.max:
		c.fail("%d sources, want %d to %d", len(t.src), k.min, k.max)
	}
	if c.err != nil || c.continued && t.clears() {
		return
	}
	v := k.f(c)
	if c.err != nil || c.b.Err() != nil || c.stored {
		return
	}
	if s := v.Shape(); s.DType != t.typ.ours || !sameExtents(s.Dims(), t.dims(1)) {
		c.fail("gives %v, the text says %s%v", s, t.typ.name, t.dims(1))
		return
	}
	c.store(v)
}

// clears reports the op that empties a state in place.
func (t *tensor) clears() bool {
	return t.op == "SCALE" && t.isView() && isCache(t.base.name) && t.f32(0) == 0 && t.f32(1) == 0
}

// checkView checks a view against its source: where it lies is known already.
func (c *call) checkView() {
	t := c.t
	switch {
	case !t.isView():
		c.fail("a %s without view_src", t.op)
	case len(t.src) != 1:
		c.fail("%d sources, want 1", len(t.src))
	case t.src[0].base != t.base:
		c.fail("view_src is tensor %d, but its source lies in tensor %d", t.base.id, t.src[0].base.id)
	case t.op == "RESHAPE" && !t.empty() && !t.src[0].dense():
		c.fail("source %d has gaps: strides %v", t.src[0].id, t.src[0].nb)
	}
}

// store writes v, with t's elements in order, where t lies.
func (c *call) store(v graph.Value) {
	t := c.t
	v = reshape(v, t.shape())
	if !t.isView() {
		t.mem = newMemory(v, t.shape())
		return
	}
	if t.base.leaf && isWeight(t.base) {
		c.fail("writes into weight %q", t.base.name)
		return
	}
	if err := t.base.mem.write(t.region(t.shape()), v); err != nil {
		c.fail("writes into tensor %d %q: %w", t.base.id, t.base.name, err)
	}
}

// get reads tensor s as it is now, with at least rank axes.
func (c *call) get(s *tensor, rank int) graph.Value {
	switch {
	case c.err != nil:
		return graph.Value{}
	case s.empty():
		c.fail("tensor %d %q has no elements", s.id, s.name)
		return graph.Value{}
	case s.base.mem == nil:
		c.fail("tensor %d %q has no value", s.id, s.name)
		return graph.Value{}
	}
	v, err := s.base.mem.read(s.region(s.dims(rank)))
	if err != nil {
		c.fail("reads tensor %d %q: %w", s.id, s.name, err)
	}
	return v
}

// in reads source i.
func (c *call) in(i int) graph.Value { return c.get(c.t.src[i], c.t.src[i].rank()) }

// as reads source i, with rank axes: an error if it has more.
func (c *call) as(i, rank int) graph.Value {
	s := c.t.src[i]
	if len(s.dims(rank)) > rank {
		c.fail("source %d has extents %v, want %d of them", i, s.ne, rank)
		return graph.Value{}
	}
	return c.get(s, rank)
}

// fail keeps the first error.
func (c *call) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// sameExtents compares extents without leading ones.
func sameExtents(a, b []int) bool {
	for len(a) > 0 && a[0] == 1 {
		a = a[1:]
	}
	for len(b) > 0 && b[0] == 1 {
		b = b[1:]
	}
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
