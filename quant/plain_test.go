package quant

import "math"

// Plain roundings: grids that the range of each group gives, without a search.

func toHalf(x float64) float64 { return float64(F16ToF32(F32ToF16(float32(x)))) }

// plainAffine is that of formats with a scale and a minimum a group, f16 numbers
// where most is 0, else multiples of f16 numbers, most at most.
func plainAffine(group, top, most int) func(x []float32) []float32 {
	return func(x []float32) []float32 {
		groups := len(x) / group
		scale, low := make([]float64, groups), make([]float64, groups)
		d, dmin := 0.0, 0.0
		for k := range groups {
			lo, hi := math.Inf(1), math.Inf(-1)
			for _, v := range x[group*k : group*k+group] {
				lo, hi = min(lo, float64(v)), max(hi, float64(v))
			}
			if most > 0 {
				lo = min(lo, 0)
			}
			scale[k], low[k] = (hi-lo)/float64(top), -lo
			d, dmin = max(d, scale[k]/float64(most)), max(dmin, low[k]/float64(most))
		}
		multiple := func(x, unit float64) float64 {
			unit = toHalf(unit)
			switch {
			case most == 0:
				return toHalf(x)
			case unit == 0:
				return 0
			}
			return unit * math.Round(x/unit)
		}
		y := make([]float32, len(x))
		for i, v := range x {
			s, m := multiple(scale[i/group], d), multiple(low[i/group], dmin)
			q := 0.0
			if s > 0 {
				q = min(float64(top), max(0, math.Round((float64(v)+m)/s)))
			}
			y[i] = float32(s*q - m)
		}
		return y
	}
}

// plainScaled is that of formats with levels from -n to n-1 and a scale a group,
// an f16 number where most is 0, else a multiple of one, most at most.
func plainScaled(group, n, most int) func(x []float32) []float32 {
	return func(x []float32) []float32 {
		y := make([]float32, len(x))
		d := float64(maxAbs(x)) / float64(n-1) / max(1, float64(most-1))
		for at := 0; at < len(x); at += group {
			x, y := x[at:at+group], y[at:at+group]
			s := float64(maxAbs(x)) / float64(n-1)
			if most == 0 {
				s = toHalf(s)
			} else {
				s = toHalf(d) * math.Round(s/toHalf(d))
			}
			for i, v := range x {
				if s > 0 {
					y[i] = float32(s * min(float64(n-1), max(-float64(n), math.Round(float64(v)/s))))
				}
			}
		}
		return y
	}
}

// plainIQ4 makes the largest element of each 32 the outermost level that lies
// closest to 0.
func plainIQ4(x []float32) []float32 {
	y := make([]float32, len(x))
	for at := 0; at < len(x); at += 32 {
		s := float64(maxAbs(x[at:at+32])) / 113
		for i, v := range x[at : at+32] {
			best := math.Inf(1)
			for _, value := range iq4Values {
				if e := math.Abs(float64(v) - s*float64(value)); e < best {
					best, y[at+i] = e, float32(s*float64(value))
				}
			}
		}
	}
	return y
}

// plainMXFP4 takes the scale under which nothing is beyond the last level.
func plainMXFP4(x []float32) []float32 {
	b := make([]byte, 17)
	b[1] = 7 // the last level
	for mxfp4Element(b, 0) < maxAbs(x) {
		b[0]++
	}
	y := make([]float32, len(x))
	for i, v := range x {
		best := math.Inf(1)
		for q := range 16 {
			b[1] = byte(q)
			if e := math.Abs(float64(v) - float64(mxfp4Element(b, 0))); e < best {
				best, y[i] = e, mxfp4Element(b, 0)
			}
		}
	}
	return y
}
