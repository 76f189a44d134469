// Package index is the algebra of views. A Map says which element of one array
// corresponds to which element of another, as both run over common loop
// variables (digits); reshapes, permutations, slices, broadcasts and repeats
// only rewrite the forms in it. So a matcher can ask whether two spellings
// address the same elements without ever normalising the views themselves.
package index

import (
	"slices"
	"sort"
)

// Side selects one of the two arrays of a Map.
type Side int

const (
	From Side = iota // the array whose elements are named
	To               // the array they are found in
)

// Term is one summand of a form: Coef times a digit.
type Term struct{ Digit, Coef int }

// Form is the index along one axis: Off + Σ Coef·digit.
type Form struct {
	Off   int
	Terms []Term
}

// Map relates two arrays by one form an axis over digits 0..Size-1. Methods that
// change a map replace its slices and leave their elements alone: a map may be
// copied by assignment, and maps share what they have in common.
type Map struct {
	Size  []int
	Dims  [2][]int
	Forms [2][]Form
}

// Identity relates an array of these extents to itself. It is solved.
func Identity(dims []int) *Map {
	n := len(dims)
	ints, forms, terms := make([]int, 2*n), make([]Form, n), make([]Term, n)
	copy(ints, dims)
	m := &Map{Size: ints[n:n]}
	for i, d := range dims {
		if d > 1 {
			terms[i] = Term{len(m.Size), 1}
			forms[i].Terms = terms[i : i+1 : i+1]
			m.Size = append(m.Size, d)
		}
	}
	dims = ints[:n:n]
	m.Dims, m.Forms = [2][]int{dims, dims}, [2][]Form{forms, forms}
	return m
}

// Fresh adds a digit of this extent and returns the form that is the digit.
func (m *Map) Fresh(size int) Form {
	if size == 1 {
		return Form{}
	}
	m.Size = append(slices.Clip(m.Size), size)
	return Form{Terms: []Term{{len(m.Size) - 1, 1}}}
}

// Clone returns a copy whose forms can be changed in place.
func (m *Map) Clone() *Map {
	c := &Map{Size: slices.Clone(m.Size), Dims: m.Dims}
	for s := range m.Forms {
		c.Forms[s] = slices.Clone(m.Forms[s])
		for a := range c.Forms[s] {
			c.Forms[s][a].Terms = slices.Clone(c.Forms[s][a].Terms)
		}
	}
	return c
}

// Equal reports the same form, term by term.
func (f Form) Equal(g Form) bool {
	if f.Off != g.Off || len(f.Terms) != len(g.Terms) {
		return false
	}
	for _, t := range f.Terms { // as often in the one as in the other
		n := 0
		for i := range f.Terms {
			if f.Terms[i] == t {
				n++
			}
			if g.Terms[i] == t {
				n--
			}
		}
		if n != 0 {
			return false
		}
	}
	return true
}

// Set replaces one side by an array of other extents and forms.
func (m *Map) Set(s Side, dims []int, forms []Form) {
	m.Dims[s], m.Forms[s] = dims, forms
}

// Permute goes from the result of a permutation, whose axis i is operand axis
// perm[i], to the operand.
func (m *Map) Permute(s Side, perm []int) {
	dims, forms := make([]int, len(perm)), make([]Form, len(perm))
	for i, p := range perm {
		dims[p], forms[p] = m.Dims[s][i], m.Forms[s][i]
	}
	m.Set(s, dims, forms)
}

// Slice goes from a window of an axis, beginning at start, to the axis of
// extent dim.
func (m *Map) Slice(s Side, axis, start, dim int) {
	m.Forms[s] = slices.Clone(m.Forms[s])
	m.Forms[s][axis].Off += start
	m.Dims[s] = slices.Clone(m.Dims[s])
	m.Dims[s][axis] = dim
}

// Broadcast goes from a broadcast result to an operand of extents dims, whose
// axes align with the last ones and have extent 1 where they were repeated.
func (m *Map) Broadcast(s Side, dims []int) {
	skip := len(m.Dims[s]) - len(dims)
	forms := make([]Form, len(dims))
	for i, d := range dims {
		if d == m.Dims[s][skip+i] {
			forms[i] = m.Forms[s][skip+i]
		}
	}
	m.Set(s, slices.Clone(dims), forms)
}

// Reshape goes from a reshaped result to an operand of extents dims. It reports
// false where an index of the operand is not a form over digits; the map is of
// no use then.
func (m *Map) Reshape(s Side, dims []int) bool {
	was, forms := m.Dims[s], m.Forms[s]
	first, last := 0, 0 // axes before and behind those that change
	for first < min(len(was), len(dims)) && was[first] == dims[first] {
		first++
	}
	for last < min(len(was), len(dims))-first && was[len(was)-1-last] == dims[len(dims)-1-last] {
		last++
	}
	end := len(was) - last
	n := 0
	for _, f := range forms[first:end] {
		n += len(f.Terms)
	}
	lin := Form{Terms: make([]Term, 0, n)}
	stride := 1
	for i := end - 1; i >= first; i-- {
		f := forms[i]
		lin.Off += f.Off * stride
		for _, t := range f.Terms {
			lin.Terms = append(lin.Terms, Term{t.Digit, t.Coef * stride})
		}
		stride *= was[i]
	}
	// The linear form stands in the place of the axes while it is taken apart, with
	// what is taken off it right behind: where splits reach them.
	next := append(make([]Form, 0, len(dims)+1), forms[:first]...)
	m.Forms[s] = append(append(next, lin), forms[end:]...)
	for i := len(dims) - last - 1; i >= first; i-- {
		lo, ok := m.cut(s, first, dims[i])
		if !ok {
			return false
		}
		m.Forms[s] = slices.Insert(m.Forms[s], first+1, lo)
	}
	if rest := m.Forms[s][first]; rest.Off != 0 || len(rest.Terms) != 0 {
		return false
	}
	m.Set(s, slices.Clone(dims), slices.Delete(m.Forms[s], first, first+1))
	return true
}

// cut takes the form of index mod n off form a of side s and leaves index div n
// there, splitting digits that straddle n. The forms of that side are the caller's
// own.
func (m *Map) cut(s Side, a, n int) (Form, bool) {
	if n == 1 {
		return Form{}, true
	}
	for i := 0; i < len(m.Forms[s][a].Terms); i++ {
		t := m.Forms[s][a].Terms[i]
		if t.Coef%n == 0 || t.Coef*(m.Size[t.Digit]-1) < n {
			continue
		}
		if n%t.Coef != 0 || !m.split(t.Digit, n/t.Coef) {
			return Form{}, false
		}
	}
	f := m.Forms[s][a]
	// The low part stands at the front of a new list, the high part behind it.
	terms := make([]Term, len(f.Terms))
	lo, hi := 0, 0
	top := f.Off % n
	for _, t := range f.Terms {
		if t.Coef%n != 0 {
			terms[lo] = t
			lo++
			top += t.Coef * (m.Size[t.Digit] - 1)
		}
	}
	for _, t := range f.Terms {
		if t.Coef%n == 0 {
			terms[lo+hi] = Term{t.Digit, t.Coef / n}
			hi++
		}
	}
	m.Forms[s][a] = Form{f.Off / n, terms[lo:]}
	return Form{f.Off % n, terms[:lo:lo]}, top < n
}

// split replaces digit d by lo + n·hi, the high part keeping the number d.
func (m *Map) split(d, n int) bool {
	if n <= 1 || m.Size[d]%n != 0 {
		return false
	}
	m.Size = append(slices.Clip(m.Size), n)
	m.Size[d] /= n
	lo := len(m.Size) - 1
	for s := range m.Forms {
		forms := slices.Clone(m.Forms[s])
		for i, f := range forms {
			for j, t := range f.Terms {
				if t.Digit == d {
					terms := append(slices.Clip(f.Terms), Term{lo, t.Coef})
					terms[j].Coef = t.Coef * n
					f.Terms = terms
				}
			}
			forms[i] = f
		}
		m.Forms[s] = forms
	}
	return true
}

// Complete is Solve for a map known only in a window of some axes of the From
// side (a slice): it extends it to the whole axes where the To side leaves just
// one place for that. What it assumes holds in the window; for the rest it is a
// guess, to be verified.
func (m *Map) Complete() (*Map, bool) {
	if r, ok := m.Solve(); ok {
		return r, true
	}
	n := m.Clone()
	if !n.extend() {
		return nil, false
	}
	return n.Solve()
}

// place is where a digit stands in the From side.
type place struct{ digit, axis, coef int }

// Solve brings the map into its one normal form as a function: every index of
// the From side is named exactly once, digits stand in its order, and digits
// that run together are one. It reports false where the To side depends on
// something that the From side does not name, or the From side is not covered.
func (m *Map) Solve() (*Map, bool) {
	var buf [16]place
	order, ok := m.order(buf[:0])
	if !ok {
		return nil, false
	}
	// coef[a·len(order) + i] is how far step i moves in axis a of the To side.
	var small [96]int
	coef := small[:]
	if k := len(order) * len(m.Forms[To]); k > len(small) {
		coef = make([]int, k)
	}
	for a, f := range m.Forms[To] {
		for _, t := range f.Terms {
			i := slices.IndexFunc(order, func(p place) bool { return p.digit == t.Digit })
			if i < 0 {
				return nil, false
			}
			coef[a*len(order)+i] += t.Coef
		}
	}
	from, to := len(m.Dims[From]), len(m.Dims[To])
	// Digits that run together are one: one step of the high digit moves as far
	// as all steps of the low one, in every axis of the To side.
	var lastBuf, sizeBuf [16]int
	last, sizes := lastBuf[:0], sizeBuf[:0] // the lowest digit of each run, and its extent
	for i := 0; i < len(order); i++ {
		size := m.Size[order[i].digit]
		for ; i+1 < len(order) && order[i+1].axis == order[i].axis; i++ {
			next := m.Size[order[i+1].digit]
			together := true
			for a := range to {
				together = together && coef[a*len(order)+i] == coef[a*len(order)+i+1]*next
			}
			if !together {
				break
			}
			size *= next
		}
		sizes = append(sizes, size)
		last = append(last, i)
	}
	if len(last) == len(m.Size) && m.inOrder(order) {
		same := *m
		return &same, true
	}
	r := &Map{Size: slices.Clone(sizes), Dims: m.Dims}
	forms := make([]Form, from+to)
	terms := make([]Term, 0, len(order)*(1+to))
	add := func(f *Form, t Term) { // keeps the terms of all forms in one piece of memory
		if f.Terms == nil {
			f.Terms = terms[len(terms):]
		}
		f.Terms = append(f.Terms, t)
	}
	for a := range from {
		f := &forms[a]
		for d, i := range last {
			if order[i].axis == a {
				add(f, Term{d, order[i].coef})
			}
		}
		terms = terms[:len(terms)+len(f.Terms)]
		f.Terms = f.Terms[:len(f.Terms):len(f.Terms)]
	}
	for a := range to {
		f := &forms[from+a]
		f.Off = m.Forms[To][a].Off
		for d, i := range last {
			if c := coef[a*len(order)+i]; c != 0 {
				add(f, Term{d, c})
			}
		}
		terms = terms[:len(terms)+len(f.Terms)]
		f.Terms = f.Terms[:len(f.Terms):len(f.Terms)]
	}
	r.Forms = [2][]Form{forms[:from:from], forms[from:]}
	return r, true
}

// inOrder reports that digits are numbered in this order, in which every form
// has them.
func (n *Map) inOrder(order []place) bool {
	for i, p := range order {
		if p.digit != i {
			return false
		}
	}
	for _, forms := range n.Forms {
		for _, f := range forms {
			for i, t := range f.Terms {
				if t.Coef == 0 || i > 0 && t.Digit <= f.Terms[i-1].Digit {
					return false
				}
			}
		}
	}
	return true
}

// order lists the digits of the From side, outermost first, and reports whether
// they name each of its elements once.
func (n *Map) order(order []place) ([]place, bool) {
	for axis, f := range n.Forms[From] {
		first := len(order)
		for _, t := range f.Terms {
			if slices.ContainsFunc(order, func(p place) bool { return p.digit == t.Digit }) {
				return nil, false // two axes name one digit: a diagonal
			}
			order = append(order, place{t.Digit, axis, t.Coef})
		}
		slices.SortFunc(order[first:], func(a, b place) int { return b.coef - a.coef })
		rest := n.Dims[From][axis]
		for _, p := range order[first:] {
			if p.coef*n.Size[p.digit] != rest {
				return nil, false
			}
			rest = p.coef
		}
		if rest != 1 || f.Off != 0 {
			return nil, false
		}
	}
	return order, true
}

// extend widens windows of the From side to the whole axes.
func (m *Map) extend() bool {
	for a := range m.Forms[From] {
		m.joinRuns(a)
		f, size := m.Forms[From][a], m.Dims[From][a]
		switch {
		case size == 1 && f.Off == 0 && len(f.Terms) == 0:
		case len(f.Terms) == 0:
			axis, coef, ok := m.gap(size, f.Off)
			if !ok {
				return false
			}
			d := m.Fresh(size).Terms[0].Digit
			m.Forms[From][a] = Form{Terms: []Term{{d, 1}}}
			g := &m.Forms[To][axis]
			g.Off -= f.Off * coef
			g.Terms = append(g.Terms, Term{d, coef})
		default:
			m.fill(a)
		}
	}
	for a, f := range m.Forms[To] { // the guess may lead out of the array
		top := f.Off
		for _, t := range f.Terms {
			top += t.Coef * (m.Size[t.Digit] - 1)
		}
		if f.Off < 0 || top >= m.Dims[To][a] {
			return false
		}
	}
	return true
}

// joinRuns makes digits of one From axis that run together one digit.
func (m *Map) joinRuns(axis int) {
	ts := m.Forms[From][axis].Terms
	slices.SortFunc(ts, func(a, b Term) int { return b.Coef - a.Coef })
	for i := len(ts) - 1; i > 0; i-- {
		hi, lo := ts[i-1].Digit, ts[i].Digit
		n := m.Size[lo]
		together := true
		for s := range m.Forms {
			for _, f := range m.Forms[s] {
				together = together && coefOf(f, hi) == coefOf(f, lo)*n
			}
		}
		if !together {
			continue
		}
		m.Size[hi] *= n
		for s := range m.Forms {
			for a := range m.Forms[s] {
				f := &m.Forms[s][a]
				f.Terms = slices.DeleteFunc(f.Terms, func(t Term) bool { return t.Digit == lo })
				for j := range f.Terms {
					if f.Terms[j].Digit == hi {
						f.Terms[j].Coef /= n
					}
				}
			}
		}
		ts = m.Forms[From][axis].Terms
	}
}

func coefOf(f Form, digit int) int {
	n := 0
	for _, t := range f.Terms {
		if t.Digit == digit {
			n += t.Coef
		}
	}
	return n
}

// fill widens the digits of a From axis until they leave no index of it out: that
// of the highest step to the end of the axis, every other one to the next step.
func (m *Map) fill(axis int) {
	f, room := &m.Forms[From][axis], m.Dims[From][axis]
	for _, t := range f.Terms { // in descending order, after joinRuns
		if n := room / t.Coef; m.Size[t.Digit] < n {
			m.widen(t.Digit, n, f.Off/t.Coef)
			f.Off %= t.Coef
		}
		room = t.Coef
	}
}

// widen lets a digit that ran over a window from off run over size steps.
func (m *Map) widen(d, size, off int) {
	for a := range m.Forms[To] {
		f := &m.Forms[To][a]
		for _, t := range f.Terms {
			if t.Digit == d {
				f.Off -= off * t.Coef
			}
		}
	}
	m.Size[d] = size
}

// gap finds an axis of the To side that a digit of this extent would fill, with
// off steps of it already in the offset.
func (m *Map) gap(size, off int) (axis, coef int, ok bool) {
	for a, f := range m.Forms[To] {
		ts := slices.Clone(f.Terms)
		sort.Slice(ts, func(i, j int) bool { return ts[i].Coef < ts[j].Coef })
		at := 1
		try := func(next int) bool { return next == at*size && f.Off/at%size == off }
		for _, t := range ts {
			if try(t.Coef) {
				return a, at, true
			}
			at = t.Coef * m.Size[t.Digit]
		}
		if try(m.Dims[To][a]) {
			return a, at, true
		}
	}
	return 0, 0, false
}

// through returns where the solved map m finds the elements that the forms on
// one side of o name, as forms over o's digits. It may split these.
func (m *Map) through(o *Map, side Side) ([]Form, bool) {
	// Take each form apart into the digits of m. What is found is kept behind
	// the other side's forms, where later splits reach it.
	n := len(o.Forms[1-side])
	digit := make([]int, len(m.Size))
	if len(o.Forms[side]) != len(m.Forms[From]) {
		return nil, false
	}
	o.Forms[side] = slices.Clone(o.Forms[side])
	o.Forms[1-side] = append(make([]Form, 0, n+len(m.Size)), o.Forms[1-side]...)
	for a, f := range m.Forms[From] {
		for i := len(f.Terms) - 1; i >= 0; i-- { // innermost first
			d := f.Terms[i].Digit
			lo, ok := o.cut(side, a, m.Size[d])
			if !ok {
				return nil, false
			}
			digit[d] = len(o.Forms[1-side])
			o.Forms[1-side] = append(o.Forms[1-side], lo)
		}
	}
	found := make([]Form, len(m.Forms[To]))
	for a, f := range m.Forms[To] {
		found[a].Off = f.Off
		for _, t := range f.Terms {
			part := o.Forms[1-side][digit[t.Digit]]
			found[a].Off += t.Coef * part.Off
			for _, p := range part.Terms {
				found[a].Terms = append(found[a].Terms, Term{p.Digit, t.Coef * p.Coef})
			}
		}
	}
	o.Forms[1-side] = o.Forms[1-side][:n]
	return found, true
}

// Agrees reports whether other, which may name only a part of the From side,
// finds its elements where the solved map m finds them.
func (m *Map) Agrees(other *Map) bool {
	if m.IsIdentity() && other.IsIdentity() && slices.Equal(m.Dims[From], other.Dims[From]) {
		return true
	}
	o := *other
	found, ok := m.through(&o, From)
	if !ok || len(found) != len(o.Forms[To]) {
		return false
	}
	for a := range found {
		if !found[a].Equal(o.Forms[To][a]) {
			return false
		}
	}
	return true
}

// Then follows a map to an array by the solved map m from that array on.
func (m *Map) Then(first *Map) (*Map, bool) {
	if slices.Equal(first.Dims[To], m.Dims[From]) {
		var buf [16]place
		if m.IsIdentity() {
			return first.Solve()
		} else if _, whole := first.order(buf[:0]); whole && first.IsIdentity() {
			same := *m
			return &same, true
		}
	}
	o := *first
	found, ok := m.through(&o, To)
	if !ok {
		return nil, false
	}
	o.Set(To, slices.Clone(m.Dims[To]), found)
	return o.Solve()
}

// Inverse returns the solved map the other way round, where there is one.
func (m *Map) Inverse() (*Map, bool) {
	n := &Map{Size: m.Size, Dims: [2][]int{m.Dims[To], m.Dims[From]}, Forms: [2][]Form{m.Forms[To], m.Forms[From]}}
	for _, f := range n.Forms[To] {
		if f.Off != 0 {
			return nil, false
		}
	}
	return n.Solve()
}

// IsIdentity reports that both arrays have the same extents and that each element
// named is found at its own place.
func (m *Map) IsIdentity() bool {
	if !slices.Equal(m.Dims[From], m.Dims[To]) {
		return false
	}
	for a := range m.Forms[From] {
		if !m.Forms[From][a].Equal(m.Forms[To][a]) {
			return false
		}
	}
	return true
}

// Same reports that two solved maps are one function.
func (m *Map) Same(o *Map) bool {
	if !slices.Equal(m.Size, o.Size) {
		return false
	}
	for s := range m.Forms {
		if !slices.Equal(m.Dims[s], o.Dims[s]) {
			return false
		}
		for a := range m.Forms[s] {
			if !m.Forms[s][a].Equal(o.Forms[s][a]) {
				return false
			}
		}
	}
	return true
}
