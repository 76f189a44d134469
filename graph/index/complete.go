package index

import (
	"slices"
	"sort"
)

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
