package ggml

import (
	"errors"
	"fmt"
	"math"

	"github.com/deltaloom/deltaloom/graph"
)

// tensor is one line of the text.
type tensor struct {
	line   int
	id     int
	op     string
	name   string
	typ    dtype
	leaf   bool
	ne     [4]int  // extents, fastest first
	nb     [4]int  // bytes from one index of an axis to the next
	base   *tensor // owns the memory; the tensor itself where it is no view
	off    int     // bytes from the start of base
	src    []*tensor
	params [16]int32

	mem *memory // what the tensor's own memory holds now; nil for a view
}

// isView reports a tensor that lies in the memory of another one.
func (t *tensor) isView() bool { return t.base != t }

// empty reports a tensor without elements. The text has them where nothing is to
// be done.
func (t *tensor) empty() bool { return t.ne[0] == 0 || t.ne[1] == 0 || t.ne[2] == 0 || t.ne[3] == 0 }

// len returns the number of elements.
func (t *tensor) len() int { return t.ne[0] * t.ne[1] * t.ne[2] * t.ne[3] }

// size returns the bytes of the tensor where it is dense.
func (t *tensor) size() int { return t.len() / t.typ.block * t.typ.bytes }

// dims returns the extents outermost first, without the leading ones beyond
// this rank.
func (t *tensor) dims(rank int) []int {
	n := 4
	for n > rank && t.ne[n-1] == 1 {
		n--
	}
	d := make([]int, n)
	for i := range d {
		d[i] = t.ne[n-1-i]
	}
	return d
}

// rank is the least rank of the value that stands for the tensor: rows and
// columns, while an input or a weight is of as few axes as its file has them.
func (t *tensor) rank() int {
	if t.leaf && !isCache(t.name) {
		return 1
	}
	return 2
}

// shape is the extents of the value that stands for the tensor.
func (t *tensor) shape() []int { return t.dims(t.rank()) }

// region is where the tensor's elements lie in the memory of its base, seen
// through these extents, which are t.dims of some rank.
func (t *tensor) region(dims []int) region {
	r := region{dims: dims, step: make([]int, len(dims)), total: t.base.len(), off: t.off / t.typ.bytes}
	for i := range dims {
		if axis := len(dims) - 1 - i; axis < 4 {
			r.step[i] = t.nb[axis] / t.typ.bytes
		}
	}
	return r
}

// f32 returns a parameter that holds the bits of a float.
func (t *tensor) f32(i int) float32 { return math.Float32frombits(uint32(t.params[i])) }

// dense reports strides without gaps, in order.
func (t *tensor) dense() bool {
	want := t.typ.bytes
	for i, n := range t.ne {
		if n > 1 && t.nb[i] != want {
			return false
		}
		if want *= n; i == 0 {
			want = want / t.typ.block
		}
	}
	return true
}

// check says what is wrong with the extents and with the place in memory.
func (t *tensor) check() error {
	if t.empty() {
		return nil
	}
	if err := graph.CheckDims(t.ne[:]); err != nil {
		return err
	}
	if t.ne[0]%t.typ.block != 0 {
		return fmt.Errorf("rows of %d are not whole blocks of %d", t.ne[0], t.typ.block)
	}
	if !t.isView() {
		if !t.dense() {
			return fmt.Errorf("strides %v of a tensor that is no view leave gaps", t.nb)
		}
		return nil
	}
	if t.base.empty() {
		return fmt.Errorf("a view of tensor %d %q, which has no elements", t.base.id, t.base.name)
	}
	if t.typ != t.base.typ {
		return fmt.Errorf("a view as %s of tensor %d %q, which is %s", t.typ.name, t.base.id, t.base.name, t.base.typ.name)
	}
	if t.typ.block > 1 && !(t.off == 0 && t.dense() && t.len() == t.base.len()) {
		return fmt.Errorf("a part of the %s blocks of tensor %d %q: %w", t.typ.name, t.base.id, t.base.name, errors.ErrUnsupported)
	}
	for i, n := range t.ne {
		if n > 1 && t.nb[i]%t.typ.bytes != 0 || t.off%t.typ.bytes != 0 {
			return fmt.Errorf("strides %v, offset %d are not whole elements of %d bytes", t.nb, t.off, t.typ.bytes)
		}
	}
	// The last element must lie within: counted down, so that nothing overflows.
	rest := t.base.size() - t.off - t.typ.bytes
	for i, n := range t.ne {
		if i == 0 {
			n /= t.typ.block
		}
		if n > 1 && t.nb[i] > 0 {
			if rest < 0 || n-1 > rest/t.nb[i] {
				rest = -1
				break
			}
			rest -= (n - 1) * t.nb[i]
		}
	}
	if rest < 0 {
		return fmt.Errorf("reaches beyond the %d bytes of tensor %d %q", t.base.size(), t.base.id, t.base.name)
	}
	return nil
}
