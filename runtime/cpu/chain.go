package cpu

// joined makes one step of neighbouring elementwise steps of one size: a block of
// elements goes through all of them while it is in the cache, and threads wait for
// each other once.
func joined(steps []boundStep) []boundStep {
	var out []boundStep
	for len(steps) > 0 {
		n := 1
		for n < len(steps) && steps[n].joins(steps[:n]) {
			n++
		}
		out = append(out, chain(steps[:n]))
		steps = steps[n:]
	}
	return out
}

// joins reports that s may run on some elements when the steps before it have run
// on these and not yet on others. Memory is used again and again, so that is a
// question of where values lie, not only of who reads whom.
func (s *boundStep) joins(before []boundStep) bool {
	if s.size == 0 || s.size != before[0].size {
		return false
	}
	for i := range before {
		b := &before[i]
		if s.mixes(b.calls[0].out[0]) || b.mixes(s.calls[0].out[0]) {
			return false
		}
	}
	return true
}

// mixes reports that s meets memory of y, the result of another elementwise step
// of its size, and may take one element for another.
func (s *boundStep) mixes(y place) bool {
	c := s.calls[0]
	for _, x := range c.in {
		if x.meets(y) && !(s.inOrder && x == y) {
			return true
		}
	}
	return c.out[0].meets(y) && c.out[0] != y
}

// chain runs elementwise steps as one.
func chain(steps []boundStep) boundStep {
	all := steps[0]
	if len(steps) == 1 {
		return all
	}
	all.work, all.calls = 0, nil
	for _, s := range steps {
		all.work += s.work
		all.calls = append(all.calls, s.calls...)
	}
	const few = 1024 // elements: some operands and results fit in the first cache
	all.run = func(f *frame, lo, hi int) {
		end := min(all.size, hi*block)
		for from := lo * block; from < end; from += few {
			for i := range steps {
				f.call = steps[i].calls[0]
				steps[i].each(f, from, min(from+few, end))
			}
		}
	}
	return all
}
