package quant

import "math"

// Fits of a few levels to a group of numbers, by least squares: what packing is
// about.

// fitLine returns the scale >= 0 and the low end m for which scale·q + m with
// whole q from 0 to top comes close to x.
func fitLine(x []float32, top int) (scale, m float32) {
	lo, hi := x[0], x[0]
	for _, v := range x {
		lo, hi = min(lo, v), max(hi, v)
	}
	middle := lo + (hi-lo)/2 // the low end of what is left lies below 0
	centred := make([]float32, len(x))
	for i, v := range x {
		centred[i] = v - middle
	}
	scale, low := fitAffine(centred, top)
	return scale, middle - low
}

// fitAffine returns the scale >= 0 and the low >= 0 for which scale·q - low with
// whole q from 0 to top comes close to x. It tries grids somewhat coarser and
// finer than the range of x asks for: a finer one gives up the extremes.
func fitAffine(x []float32, top int) (scale, low float32) {
	lo, hi := float32(0), x[0]
	for _, v := range x {
		lo, hi = min(lo, v), max(hi, v)
	}
	if hi <= lo {
		return 0, -lo
	}
	best := math.Inf(1)
	for step := -8; step <= 8; step += 3 {
		s, l := (hi-lo)/(float32(top)+float32(step)/8), -lo
		for range 2 { // the fit to the levels, and once more to the levels of that fit
			var err float64
			if s, l, err = refitAffine(x, s, l, top); err < best {
				best, scale, low = err, s, l
			}
		}
	}
	return scale, low
}

// refitAffine returns the best scale and low for the levels that x has under the
// ones given, with the sum of the squared errors that they leave.
func refitAffine(x []float32, scale, low float32, top int) (s, l float32, err float64) {
	var sq, sqq, sx, sxq, sxx float64
	inv := inverse(scale)
	for _, v := range x {
		q, f := float64(level(v, low, inv, top)), float64(v)
		sq += q
		sqq += q * q
		sx += f
		sxq += f * q
		sxx += f * f
	}
	n := float64(len(x))
	a, b := 0.0, sx/n // x ~ a·q + b
	if det := n*sqq - sq*sq; det > 0 {
		a = (n*sxq - sq*sx) / det
		b = (sx - a*sq) / n
	}
	if b > 0 {
		a, b = 0, 0
		if sqq > 0 {
			a = sxq / sqq
		}
	}
	a = max(a, 0)
	err = sxx - 2*(a*sxq+b*sx) + a*a*sqq + 2*a*b*sq + n*b*b
	return float32(a), float32(-b), err
}

// bestPair rounds scale and low to multiples of d and dmin, 0 to most times, and
// returns the multiples around them that leave the least error.
func bestPair(x []float32, d, dmin, scale, low float32, top, most int) (sc, mn byte) {
	best := math.Inf(1)
	s0, m0 := multiple(scale, d, most), multiple(low, dmin, most)
	for s := max(s0-1, 0); s <= min(s0+1, most); s++ {
		for m := max(m0-1, 0); m <= min(m0+1, most); m++ {
			scale, low := d*float32(s), dmin*float32(m)
			inv, err := inverse(scale), 0.0
			for _, v := range x {
				e := float64(v) - float64(scale*float32(level(v, low, inv, top))-low)
				err += e * e
			}
			if err < best {
				best, sc, mn = err, byte(s), byte(m)
			}
		}
	}
	return sc, mn
}

// level is the q from 0 to top with q/inv - low nearest to v.
func level(v, low, inv float32, top int) int {
	q := (v+low)*inv + 0.5
	if !(q >= 1) {
		return 0
	}
	return int(min(q, float32(top)))
}

// levels are what a signed scale is multiplied by.
type levels struct {
	near func(v float32) float32 // the level nearest to v
	ends []float32               // where it pays to put the element of largest magnitude
}

// wholeLevels are the whole numbers from -n to n-1.
func wholeLevels(n int) levels {
	low, high := float32(-n), float32(n-1)
	l := levels{near: func(v float32) float32 {
		return max(low, min(high, float32(math.RoundToEven(float64(v)))))
	}}
	for step := float32(-1); step <= 1; step += 0.25 {
		l.ends = append(l.ends, low+step)
	}
	return l
}

// fitScale returns the scale, of either sign, whose products with the levels come
// close to x.
func fitScale(x []float32, l levels) float32 {
	var m float32
	for _, v := range x {
		if math.Abs(float64(v)) > math.Abs(float64(m)) {
			m = v
		}
	}
	if m == 0 {
		return 0
	}
	var scale float32
	best := math.Inf(-1) // of the part of Σx² that the fit explains
	for _, end := range l.ends {
		inv := inverse(m / end)
		var sqq, sxq float64
		for _, v := range x {
			q := float64(l.near(v * inv))
			sqq += q * q
			sxq += float64(v) * q
		}
		if sqq > 0 && sxq*sxq/sqq > best {
			best, scale = sxq*sxq/sqq, float32(sxq/sqq)
		}
	}
	return scale
}

// bestScale returns the multiple of d, -most to most-1 times, around scale that
// leaves the least error.
func bestScale(x []float32, d, scale float32, l levels, most int) int {
	if d == 0 {
		return 0
	}
	best, sc := math.Inf(1), 0
	s0 := int(min(float64(most-1), max(float64(-most), math.Round(float64(scale/d))))) // a d that lost digits may be too small
	for s := max(s0-1, -most); s <= min(s0+1, most-1); s++ {
		scale := d * float32(s)
		inv, err := inverse(scale), 0.0
		for _, v := range x {
			e := float64(v) - float64(scale*l.near(v*inv))
			err += e * e
		}
		if err < best {
			best, sc = err, s
		}
	}
	return sc
}

// multiple is how often unit goes into x, to nearest, and most times at most.
func multiple(x, unit float32, most int) int {
	if unit == 0 {
		return 0
	}
	return int(min(x/unit+0.5, float32(most)))
}

// inverse is 1/x, and 0 where that is no number to count with.
func inverse(x float32) float32 {
	if inv := 1 / x; !math.IsInf(float64(inv), 0) && inv == inv {
		return inv
	}
	return 0
}
