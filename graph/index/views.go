package index

import "slices"

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
