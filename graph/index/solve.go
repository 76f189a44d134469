package index

import "slices"

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
