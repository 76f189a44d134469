package fuse

import (
	"slices"

	"github.com/deltaloom/deltaloom/graph/index"
)

// complete is Map.Complete, which widens a window along one axis of the array that
// is read; where that fails it is widened along axes that are one in memory.
func complete(at *index.Map) (*index.Map, bool) {
	if m, ok := at.Complete(); ok {
		return m, true
	}
	dims, n := at.Dims[index.To], 1
	for _, d := range dims {
		n *= d
	}
	flat := at.Clone()
	if !flat.Reshape(index.To, []int{n}) {
		return nil, false
	}
	for axis := range flat.Forms[index.From] {
		join(flat, axis)
	}
	flat, ok := flat.Complete()
	if !ok || !flat.Reshape(index.To, dims) {
		return nil, false
	}
	return flat.Solve()
}

// join makes digits of an axis of the From side one where they run together on
// the To side, which has one axis.
func join(m *index.Map, axis int) {
	ts := m.Forms[index.From][axis].Terms
	slices.SortFunc(ts, func(a, b index.Term) int { return a.Coef - b.Coef })
	for len(ts) > 1 {
		lo, hi := ts[0], ts[1]
		to := m.Forms[index.To][0].Terms
		i := slices.IndexFunc(to, func(t index.Term) bool { return t.Digit == lo.Digit })
		j := slices.IndexFunc(to, func(t index.Term) bool { return t.Digit == hi.Digit })
		size := m.Size[lo.Digit]
		if i < 0 || j < 0 || hi.Coef != lo.Coef*size || to[j].Coef != to[i].Coef*size {
			return
		}
		m.Size[lo.Digit] *= m.Size[hi.Digit]
		m.Forms[index.To][0].Terms = slices.Delete(to, j, j+1)
		ts = slices.Delete(ts, 1, 2)
		m.Forms[index.From][axis].Terms = ts
	}
}
