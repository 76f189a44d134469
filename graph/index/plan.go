package index

import (
	"slices"
	"sort"
)

// Kind is the kind of a Move.
type Kind int

const (
	Reshape   Kind = iota // to extents Args
	Permute               // result axis i is operand axis Args[i]
	Slice                 // axis Args[0] from Args[1], Args[2] long
	Broadcast             // to extents Args
)

// Move is one view op of a plan.
type Move struct {
	Kind Kind
	Args []int
}

// Plan writes a solved map as views that, applied to the To array, give the
// From array. It reports false where no such sequence of rank at most maxRank is
// known. Moves that change nothing are left out.
func (m *Map) Plan(maxRank int) ([]Move, bool) {
	if len(m.Size) > maxRank {
		m = m.joined()
	}
	p := planner{dims: slices.Clone(m.Dims[To])}
	where := make([]int, len(m.Size)) // digit -> axis of the factored array
	for i := range where {
		where[i] = -1
	}
	var factors []int
	type window struct{ axis, start, n int }
	var windows []window
	for a, f := range m.Forms[To] {
		fs, ok := p.factor(a, f, m.Size)
		if !ok {
			return nil, false
		}
		for _, x := range fs {
			if x.digit >= 0 {
				if where[x.digit] >= 0 {
					return nil, false
				}
				where[x.digit] = len(factors)
			} else if x.size == 1 {
				continue
			}
			if x.n != x.size {
				windows = append(windows, window{len(factors), x.start, x.n})
			}
			factors = append(factors, x.size)
		}
	}
	if len(factors) > maxRank {
		return nil, false
	}
	p.reshape(factors)
	for _, w := range windows {
		p.slice(w.axis, w.start, w.n)
	}
	// Axes in the order of the From side; then the ones that only repeat.
	var perm, ones, full []int
	for d, size := range m.Size {
		full = append(full, size)
		if where[d] >= 0 {
			perm = append(perm, where[d])
			ones = append(ones, size)
		} else {
			ones = append(ones, 1)
		}
	}
	if len(full) > maxRank {
		return nil, false
	}
	for a, size := range p.dims {
		if !slices.Contains(where, a) {
			if size != 1 {
				return nil, false
			}
			perm = append(perm, a)
		}
	}
	p.permute(perm)
	// A broadcast adds leading axes by itself.
	for len(ones) > 0 && ones[0] == 1 && !slices.Equal(ones, full) {
		ones = ones[1:]
	}
	p.reshape(ones)
	p.broadcast(full)
	p.reshape(m.Dims[From])
	return p.moves, true
}

// joined makes neighbouring digits one where they run together, also if they
// belong to different axes of the From side: a last reshape takes these apart. The
// forms of the From side are left out.
func (m *Map) joined() *Map {
	r := &Map{Size: slices.Clone(m.Size), Dims: m.Dims}
	to := make([]Form, len(m.Forms[To]))
	for a, f := range m.Forms[To] {
		to[a] = f.clone()
	}
	coef := func(a, d int) (c int) {
		for _, t := range to[a].Terms {
			if t.Digit == d {
				c += t.Coef
			}
		}
		return c
	}
	for d := len(r.Size) - 2; d >= 0; d-- {
		together := true
		for a := range to {
			together = together && coef(a, d) == coef(a, d+1)*r.Size[d+1]
		}
		if !together {
			continue
		}
		// The low digit runs over both; the high one goes, and numbers move up.
		r.Size[d+1] *= r.Size[d]
		r.Size = slices.Delete(r.Size, d, d+1)
		for a := range to {
			to[a].Terms = slices.DeleteFunc(to[a].Terms, func(t Term) bool { return t.Digit == d })
			for i := range to[a].Terms {
				if to[a].Terms[i].Digit > d {
					to[a].Terms[i].Digit--
				}
			}
		}
	}
	r.Forms[To] = to
	return r
}

type planner struct {
	dims   []int
	before []int // dims before the last reshape
	moves  []Move
}

func (p *planner) add(k Kind, dims []int, args ...int) {
	p.moves = append(p.moves, Move{k, args})
	p.dims = slices.Clone(dims)
}

func (p *planner) reshape(dims []int) {
	if n := len(p.moves); n > 0 && p.moves[n-1].Kind == Reshape { // two are one
		p.moves, p.dims = p.moves[:n-1], p.before
	}
	if !slices.Equal(p.dims, dims) {
		p.before = p.dims
		p.add(Reshape, dims, dims...)
	}
}

func (p *planner) broadcast(dims []int) {
	if !slices.Equal(p.dims, dims) {
		p.add(Broadcast, dims, dims...)
	}
}

func (p *planner) permute(perm []int) {
	if sort.IntsAreSorted(perm) {
		return
	}
	dims := make([]int, len(perm))
	for i, a := range perm {
		dims[i] = p.dims[a]
	}
	p.add(Permute, dims, perm...)
}

func (p *planner) slice(axis, start, n int) {
	dims := slices.Clone(p.dims)
	dims[axis] = n
	p.add(Slice, dims, axis, start, n)
}

// factor is one piece of an axis: size elements, of which a digit (or -1) runs
// over n from start.
type factor struct{ size, start, n, digit int }

// factor splits axis a so that each digit of f runs over a piece of its own.
func (p *planner) factor(a int, f Form, size []int) ([]factor, bool) {
	ts := slices.Clone(f.Terms)
	sort.Slice(ts, func(i, j int) bool { return ts[i].Coef > ts[j].Coef })
	if dense(ts, size) { // a plain window: no need to reshape around it
		n := size[ts[0].Digit] * ts[0].Coef
		if f.Off+n > p.dims[a] {
			return nil, false
		}
		if n < p.dims[a] {
			p.slice(a, f.Off, n)
		}
		return split(n, 0, ts, size)
	}
	fs, ok := split(p.dims[a], f.Off, ts, size)
	if ok || len(ts) == 0 {
		return fs, ok
	}
	// The axis is no whole number of the largest steps, or the offset reaches
	// over one: cut a window of whole steps out first.
	n := size[ts[0].Digit] * ts[0].Coef
	start := min(f.Off, p.dims[a]-n)
	if start < 0 {
		return nil, false
	}
	if fs, ok = split(n, f.Off-start, ts, size); ok {
		p.slice(a, start, n)
	}
	return fs, ok
}

// split takes an axis of extent dim apart by terms of falling coefficient.
func split(dim, off int, ts []Term, size []int) ([]factor, bool) {
	var fs []factor
	for _, t := range ts {
		if dim%t.Coef != 0 {
			return nil, false
		}
		x := factor{dim / t.Coef, off / t.Coef, size[t.Digit], t.Digit}
		if x.start+x.n > x.size {
			return nil, false
		}
		fs = append(fs, x)
		dim, off = t.Coef, off%t.Coef
	}
	return append(fs, factor{dim, off, 1, -1}), off < dim
}

// dense reports that the digits, outermost first, count every element.
func dense(ts []Term, size []int) bool {
	n := 1
	for i := len(ts) - 1; i >= 0; i-- {
		if ts[i].Coef != n {
			return false
		}
		n *= size[ts[i].Digit]
	}
	return len(ts) > 0
}
