package reference

import "math"

// Difference says how far numbers are from those that are wanted.
type Difference struct {
	NMSE   float64 // Σ(want-got)²/Σwant²; infinite where a number is NaN or only one is infinite
	MaxAbs float64 // largest |want-got|

	diff, sum float64
}

// Add takes in further numbers; the slices have one length.
func (d *Difference) Add(want, got []float32) {
	for i, w := range want {
		if w == got[i] && !math.IsInf(float64(w), 0) {
			d.sum += float64(w) * float64(w)
			continue
		}
		if w == got[i] {
			continue // both the same infinity
		}
		e := math.Abs(float64(w) - float64(got[i]))
		if math.IsNaN(e) {
			e = math.Inf(1)
		}
		d.diff += e * e
		d.sum += float64(w) * float64(w)
		d.MaxAbs = max(d.MaxAbs, e)
	}
	switch {
	case d.diff == 0:
		d.NMSE = 0
	case d.sum == 0 || math.IsInf(d.diff, 0) || math.IsNaN(d.sum):
		d.NMSE = math.Inf(1)
	default:
		d.NMSE = d.diff / d.sum
	}
}

// Compare measures one slice of numbers.
func Compare(want, got []float32) Difference {
	var d Difference
	d.Add(want, got)
	return d
}

// ArgmaxSame counts the rows of n numbers whose largest stands at the same
// place.
func ArgmaxSame(want, got []float32, n int) int {
	same := 0
	for at := 0; at+n <= len(want); at += n {
		if argmax(want[at:at+n]) == argmax(got[at:at+n]) {
			same++
		}
	}
	return same
}

func argmax(x []float32) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}
