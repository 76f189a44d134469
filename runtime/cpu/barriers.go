package cpu

import "slices"

// setBarriers says after which steps workers wait for each other, and returns how
// often that is: in front of a step that meets memory of one since they did so
// last, where different workers may run the two.
func setBarriers(steps []boundStep) (count int) {
	begin := 0
	for i := range steps {
		for k := begin; k < i; k++ {
			if steps[i].waitsFor(&steps[k]) {
				steps[i-1].meet = true
				count++
				begin = i
				break
			}
		}
	}
	if len(steps) > 0 {
		steps[len(steps)-1].meet = true
		count++
	}
	return count
}

func (s *boundStep) waitsFor(earlier *boundStep) bool {
	if s.alone() && earlier.alone() {
		return false
	}
	if s.shares && earlier.shares {
		return true
	}
	for _, a := range s.calls {
		for _, b := range earlier.calls {
			if a == b || writesTo(a, b) || writesTo(b, a) {
				return true
			}
		}
	}
	return false
}

// writesTo reports that a result of a lies over an operand or a result of b.
func writesTo(a, b *call) bool {
	for _, y := range a.out {
		if slices.ContainsFunc(b.in, y.meets) || slices.ContainsFunc(b.out, y.meets) {
			return true
		}
	}
	return false
}
