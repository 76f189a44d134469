package index

import "slices"

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
