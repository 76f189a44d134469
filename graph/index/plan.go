package index

import "slices"

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
	if len(m.Dims[From]) <= maxRank && m.IsIdentity() {
		return nil, true
	}
	if len(m.Size) > maxRank {
		m = m.joined()
	}
	var room [16]factor // of all axes
	factors := room[:0]
	p := planner{dims: m.Dims[To]}
	for a, f := range m.Forms[To] {
		var ok bool
		if factors, ok = p.factor(a, f, m.Size, factors); !ok {
			return nil, false
		}
	}
	factors = slices.DeleteFunc(factors, func(x factor) bool { return x.digit < 0 && x.size == 1 })
	if len(factors) > maxRank || len(m.Size) > maxRank {
		return nil, false
	}
	var sizes, places [16]int
	dims := sizes[:0]
	where := append(places[:0], m.Size...) // digit -> axis of the factored array, or -1
	for d := range where {
		where[d] = -1
	}
	for axis, x := range factors {
		dims = append(dims, x.size)
		if x.digit >= 0 {
			if where[x.digit] >= 0 {
				return nil, false
			}
			where[x.digit] = axis
		}
	}
	p.reshape(dims)
	for axis, x := range factors {
		if x.n != x.size {
			p.slice(axis, x.start, x.n)
		}
	}
	// Axes in the order of the From side; then the ones that only repeat.
	var order, extents [16]int
	perm, ones := order[:0], extents[:0]
	for d, size := range m.Size {
		if where[d] < 0 {
			size = 1
		} else {
			perm = append(perm, where[d])
		}
		ones = append(ones, size)
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
	for len(ones) > 0 && ones[0] == 1 && !slices.Equal(ones, m.Size) {
		ones = ones[1:]
	}
	p.reshape(ones)
	p.broadcast(m.Size)
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
		to[a] = Form{f.Off, slices.Clone(f.Terms)}
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

// add appends a move that gives an array of extents dims. Both lists are its own.
func (p *planner) add(k Kind, dims, args []int) {
	p.moves = append(p.moves, Move{k, args})
	p.dims = dims
}

func (p *planner) reshape(dims []int) {
	if n := len(p.moves); n > 0 && p.moves[n-1].Kind == Reshape { // two are one
		p.moves, p.dims = p.moves[:n-1], p.before
	}
	if !slices.Equal(p.dims, dims) {
		p.before = p.dims
		dims = slices.Clone(dims)
		p.add(Reshape, dims, dims)
	}
}

func (p *planner) broadcast(dims []int) {
	if !slices.Equal(p.dims, dims) {
		dims = slices.Clone(dims)
		p.add(Broadcast, dims, dims)
	}
}

func (p *planner) permute(perm []int) {
	if slices.IsSorted(perm) {
		return
	}
	dims := make([]int, len(perm))
	for i, a := range perm {
		dims[i] = p.dims[a]
	}
	p.add(Permute, dims, slices.Clone(perm))
}

func (p *planner) slice(axis, start, n int) {
	dims := slices.Clone(p.dims)
	dims[axis] = n
	p.add(Slice, dims, []int{axis, start, n})
}

// factor is one piece of an axis: size elements, of which a digit (or -1) runs
// over n from start.
type factor struct{ size, start, n, digit int }

// factor splits axis a so that each digit of f runs over a piece of its own, and
// appends the pieces to fs.
func (p *planner) factor(a int, f Form, size []int, fs []factor) ([]factor, bool) {
	var room [16]Term
	ts := append(room[:0], f.Terms...)
	slices.SortStableFunc(ts, func(x, y Term) int { return y.Coef - x.Coef })
	if dense(ts, size) { // a plain window: no need to reshape around it
		n := size[ts[0].Digit] * ts[0].Coef
		if f.Off+n > p.dims[a] {
			return nil, false
		}
		if n < p.dims[a] {
			p.slice(a, f.Off, n)
		}
		return split(n, 0, ts, size, fs)
	}
	if all, ok := split(p.dims[a], f.Off, ts, size, fs); ok || len(ts) == 0 {
		return all, ok
	}
	// The axis is no whole number of the largest steps, or the offset reaches
	// over one: cut a window of whole steps out first.
	n := size[ts[0].Digit] * ts[0].Coef
	start := min(f.Off, p.dims[a]-n)
	if start < 0 {
		return nil, false
	}
	fs, ok := split(n, f.Off-start, ts, size, fs)
	if ok {
		p.slice(a, start, n)
	}
	return fs, ok
}

// split takes an axis of extent dim apart by terms of falling coefficient and
// appends the pieces to fs.
func split(dim, off int, ts []Term, size []int, fs []factor) ([]factor, bool) {
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
