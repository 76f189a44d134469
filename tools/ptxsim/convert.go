package ptxsim

import "math"

func init() {
	builders["cvt"] = func(c *compiler) {
		c.only(2, "rn rz rm rp rni rzi rmi rpi ftz sat relu pack")
		types := c.types()
		if len(types) != 2 {
			c.fail("want two types")
			return
		}
		to, from := types[0], types[1]
		if to == "bf16x2" || to == "f16x2" { // of two operands
			one := to[:len(to)-2]
			relu := c.has("relu")
			round := func(x uint64) uint64 {
				f := widen("f32", x)
				if relu {
					f = max(f, 0)
				}
				return narrow(one, f)
			}
			if len(c.raw.args) < 3 {
				c.fail("want two operands")
				return
			}
			c.binary(func(x, y uint64) uint64 { return round(x)<<16 | round(y) })
			return
		}
		f, widen := c.conversion(to, from), c.extend(to, c.arg(0))
		c.unary(func(x uint64) uint64 { return widen(f(x)) })
	}
}

// conversion returns what turns a value of one type into another.
func (c *compiler) conversion(to, from string) func(x uint64) uint64 {
	kTo, kFrom := cut(to), cut(from)
	whole := func(f float64) float64 { return f }
	switch {
	case c.has("rni"):
		whole = math.RoundToEven
	case c.has("rzi"):
		whole = math.Trunc
	case c.has("rmi"):
		whole = math.Floor
	case c.has("rpi"):
		whole = math.Ceil
	}
	sat := c.saturate()
	relu := c.has("relu")
	switch {
	case isFloat(to) && isFloat(from):
		if c.has("rz") || c.has("rm") || c.has("rp") {
			c.fail("only rounding to nearest is simulated")
		}
		return func(x uint64) uint64 {
			f := sat(whole(widen(from, x)))
			if relu {
				f = max(f, 0)
			}
			return narrow(to, f)
		}
	case isFloat(to):
		if from[0] == 's' {
			return func(x uint64) uint64 { return narrow(to, float64(signed(from, x))) }
		}
		return func(x uint64) uint64 { return narrow(to, float64(kFrom(x))) }
	case isFloat(from):
		lo, hi := limits(to)
		return func(x uint64) uint64 { // out of range gives the nearest, NaN zero
			f := whole(widen(from, x))
			switch {
			case f != f:
				return 0
			case f <= lo:
				return kTo(uint64(int64(lo)))
			case f >= hi:
				if to[0] == 's' {
					return kTo(1<<(bitsOf(to)-1) - 1)
				}
				return kTo(^uint64(0))
			case f < 0:
				return kTo(uint64(int64(f)))
			}
			return kTo(uint64(f))
		}
	case c.has("sat"):
		lo, hi := limits(to)
		return func(x uint64) uint64 {
			f := float64(kFrom(x))
			if from[0] == 's' {
				f = float64(signed(from, x))
			}
			return kTo(uint64(int64(min(max(f, lo), hi))))
		}
	case from[0] == 's':
		return func(x uint64) uint64 { return kTo(uint64(signed(from, x))) }
	}
	return func(x uint64) uint64 { return kTo(kFrom(x)) }
}

// limits are the smallest and the largest integer of a type.
func limits(t string) (lo, hi float64) {
	n := bitsOf(t)
	if t[0] == 's' {
		return -math.Ldexp(1, n-1), math.Ldexp(1, n-1) - 1
	}
	return 0, math.Ldexp(1, n) - 1
}
