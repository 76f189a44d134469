package ggml

import (
	"errors"
	"slices"
	"sort"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/graph/index"
	"github.com/deltaloom/deltaloom/ops"
)

// region is a set of elements of a memory of total elements: element i of extents
// dims, outermost first, lies at off + Σ step·i.
type region struct {
	dims, step []int
	off, total int
}

// whole reports every element of the memory, in order.
func (r region) whole() bool {
	want := 1
	for i := len(r.dims) - 1; i >= 0; i-- {
		if r.dims[i] > 1 && r.step[i] != want {
			return false
		}
		want *= r.dims[i]
	}
	return r.off == 0 && want == r.total
}

// onto relates the region to the memory as an array of these extents.
func (r region) onto(dims []int) (*index.Map, bool) {
	m := &index.Map{}
	from := make([]index.Form, len(r.dims))
	at := index.Form{Off: r.off}
	for i, d := range r.dims {
		from[i] = m.Fresh(d)
		for _, t := range from[i].Terms {
			if r.step[i] > 0 {
				at.Terms = append(at.Terms, index.Term{Digit: t.Digit, Coef: r.step[i]})
			}
		}
	}
	m.Set(index.From, slices.Clone(r.dims), from)
	m.Set(index.To, []int{r.total}, []index.Form{at})
	return m, m.Reshape(index.To, dims)
}

// factors are the extents that the strides of the region suggest for the memory:
// one axis a stride. They are nil where strides do not divide one another.
func (r region) factors() []int {
	var steps []int
	for i, d := range r.dims {
		if d > 1 {
			steps = append(steps, r.step[i])
		}
	}
	sort.Sort(sort.Reverse(sort.IntSlice(steps)))
	var dims []int
	rest := r.total
	for _, s := range append(steps, 1) {
		if s == 0 || rest%s != 0 {
			return nil
		}
		if rest != s || len(dims) == 0 {
			dims = append(dims, rest/s)
		}
		rest = s
	}
	return dims
}

// layouts are the extents under which a memory can be seen, the likeliest first.
func (r region) layouts(own ...[]int) [][]int {
	var all [][]int
	for _, d := range append(own, r.factors(), []int{r.total}) {
		if len(d) > 0 && len(d) <= graph.MaxRank && !slices.ContainsFunc(all, func(o []int) bool { return slices.Equal(o, d) }) {
			all = append(all, d)
		}
	}
	return all
}

var errNoMap = errors.New("its strides are no composition of reshape, permute, slice and broadcast")

// read writes the region of the memory whose elements are x as views of x, in
// the fewest. own are further extents to try.
func (r region) read(x graph.Value, own []int) (graph.Value, error) {
	if r.whole() {
		return reshape(x, r.dims), nil
	}
	x = unshaped(x)
	var best *index.Map
	var under []int
	fewest := 0
	for i, dims := range r.layouts(x.Shape().Dims(), own) {
		m, ok := r.onto(dims)
		if !ok {
			continue
		}
		if m, ok = m.Solve(); !ok {
			continue
		}
		moves, ok := m.Plan(graph.MaxRank)
		n := len(moves)
		if i > 0 { // a reshape comes first
			n++
		}
		if ok && (best == nil || n < fewest) {
			best, under, fewest = m, dims, n
		}
	}
	if best == nil {
		return graph.Value{}, errNoMap
	}
	return ops.View(reshape(x, under), best)
}

// window is a region as a box in the memory seen under extents dims: along axis
// a it covers n[a] indices from start[a].
type window struct {
	dims, start, n []int
	into           *index.Map // from the box to the region's own extents
}

// window returns the region as a box under these extents, if it is one and
// names each of its elements once.
func (r region) window(dims []int) (window, bool) {
	m, ok := r.onto(dims)
	if !ok {
		return window{}, false
	}
	w := window{dims: dims}
	forms := m.Forms[index.To]
	for a := range forms {
		ts := slices.Clone(forms[a].Terms)
		sort.Slice(ts, func(i, j int) bool { return ts[i].Coef < ts[j].Coef })
		n := 1
		for _, t := range ts {
			if t.Coef != n {
				return window{}, false
			}
			n *= m.Size[t.Digit]
		}
		w.start, w.n = append(w.start, forms[a].Off), append(w.n, n)
		forms[a].Off = 0
	}
	m.Set(index.To, slices.Clone(w.n), forms)
	if m, ok = m.Solve(); ok {
		w.into, ok = m.Inverse()
	}
	return w, ok
}

// cut returns the axes along which the box does not reach over all.
func (w window) cut() []int {
	var axes []int
	for a, n := range w.n {
		if n != w.dims[a] {
			axes = append(axes, a)
		}
	}
	return axes
}

// reshape gives x other extents, in place of those a reshape gave it before.
func reshape(x graph.Value, dims []int) graph.Value {
	if slices.Equal(x.Shape().Dims(), dims) {
		return x
	}
	return ops.Reshape(unshaped(x), dims...)
}

// unshaped returns the value with the same elements in the same order that was
// there before any reshape.
func unshaped(x graph.Value) graph.Value {
	for x.Node() != nil && x.Node().Op() == ops.ReshapeOp {
		x = x.Node().In(0)
	}
	return x
}
