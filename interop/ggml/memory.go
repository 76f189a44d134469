package ggml

import (
	"errors"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// memory is the current value of a tensor that owns its elements: one value, or
// parts along an axis that were written by themselves. A read that lies within
// one part does not depend on the others.
type memory struct {
	own     []int // the tensor's extents
	total   int   // elements
	written bool  // since it was made

	v graph.Value // any extents with these elements; zero while parts are not joined

	dims  []int // of the memory where it has parts
	axis  int
	parts []part
}

// part is indices start to start+n of the axis: those from off on of v.
type part struct {
	start, n int
	v        graph.Value
	off      int
}

// maxParts bounds what a read between two writes has to list.
const maxParts = 16

func newMemory(v graph.Value, own []int) *memory {
	m := &memory{own: own, total: 1, v: v}
	for _, d := range own {
		m.total *= d
	}
	return m
}

// value returns the whole memory as one value.
func (m *memory) value() graph.Value {
	if m.v.Node() == nil {
		all := make([]graph.Value, len(m.parts))
		for i, p := range m.parts {
			all[i] = ops.Slice(p.v, m.axis, p.off, p.n)
		}
		m.v = all[0]
		if len(all) > 1 {
			m.v = ops.Concat(m.axis, all...)
		}
		if len(all) > maxParts {
			m.parts = nil
		}
	}
	return m.v
}

// read returns the elements of a region as views of what was written last.
func (m *memory) read(r region) (graph.Value, error) {
	if v, ok := m.readPart(r); ok {
		return v, nil
	}
	return r.read(m.value(), m.own)
}

// readPart reads a region that lies within one part.
func (m *memory) readPart(r region) (graph.Value, bool) {
	if len(m.parts) < 2 {
		return graph.Value{}, false
	}
	at, ok := r.onto(m.dims)
	if !ok {
		return graph.Value{}, false
	}
	form := &at.Forms[1][m.axis]
	lo, hi := form.Off, form.Off
	for _, t := range form.Terms {
		hi += t.Coef * (at.Size[t.Digit] - 1)
	}
	p := m.parts[m.find(lo)]
	if hi >= p.start+p.n {
		return graph.Value{}, false
	}
	form.Off += p.off - p.start
	at.Set(1, p.v.Shape().Dims(), at.Forms[1])
	if at, ok = at.Solve(); !ok {
		return graph.Value{}, false
	}
	v, err := ops.View(p.v, at)
	return v, err == nil
}

// find returns the part that holds an index of the axis.
func (m *memory) find(i int) int {
	k, exact := slices.BinarySearchFunc(m.parts, i, func(p part, i int) int { return p.start - i })
	if !exact {
		k--
	}
	return k
}

var errNoWindow = errors.New("the elements it writes are no box of the memory's axes")

// write puts v, of the region's extents, in the place of its elements.
func (m *memory) write(r region, v graph.Value) error {
	m.written = true
	if r.whole() {
		m.v, m.parts = v, nil
		return nil
	}
	layouts := r.layouts(m.own)
	if len(m.parts) > 0 { // beside what was written before
		layouts = r.layouts(m.dims, m.own)
	}
	var best window
	found := false
	for _, dims := range layouts {
		if w, ok := r.window(dims); ok && (!found || len(w.cut()) < len(best.cut())) {
			best, found = w, true
		}
	}
	if !found {
		return errNoWindow
	}
	box, err := ops.View(v, best.into)
	if err != nil {
		return err
	}
	switch cut := best.cut(); len(cut) {
	case 0:
		m.v, m.parts = box, nil
	case 1:
		m.put(best.dims, cut[0], best.start[cut[0]], box)
	default:
		m.v, m.parts = best.patch(reshape(m.value(), best.dims), box, cut), nil
	}
	return nil
}

// put writes v over the indices of one axis from start.
func (m *memory) put(dims []int, axis, start int, v graph.Value) {
	if len(m.parts) == 0 || axis != m.axis || !slices.Equal(dims, m.dims) {
		old := reshape(m.value(), dims)
		m.dims, m.axis, m.parts = dims, axis, []part{{0, dims[axis], old, 0}}
	}
	end := start + v.Shape().Dim(axis)
	first, last := m.find(start), m.find(end-1)
	var now []part
	if p := m.parts[first]; p.start < start {
		now = append(now, part{p.start, start - p.start, p.v, p.off})
	}
	now = append(now, part{start, end - start, v, 0})
	if p := m.parts[last]; p.start+p.n > end {
		now = append(now, part{end, p.start + p.n - end, p.v, p.off + end - p.start})
	}
	m.parts = slices.Replace(m.parts, first, last+1, now...)
	m.v = graph.Value{}
}

// patch returns x with the box in its place, along one axis after another.
func (w window) patch(x, box graph.Value, cut []int) graph.Value {
	if len(cut) == 0 {
		return box
	}
	a := cut[0]
	start, end, dim := w.start[a], w.start[a]+w.n[a], w.dims[a]
	var all []graph.Value
	if start > 0 {
		all = append(all, ops.Slice(x, a, 0, start))
	}
	all = append(all, w.patch(ops.Slice(x, a, start, end-start), box, cut[1:]))
	if end < dim {
		all = append(all, ops.Slice(x, a, end, dim-end))
	}
	return ops.Concat(a, all...)
}
