package ptxsim

import (
	"math"
)

func f32(x uint64) float32     { return math.Float32frombits(uint32(x)) }
func fromF32(f float32) uint64 { return uint64(math.Float32bits(f)) }
func bf16(x uint64) float64    { return float64(math.Float32frombits(uint32(x) << 16)) }
func signs(t string) uint64 {
	switch t {
	case "f16x2", "bf16x2":
		return 0x80008000
	case "f16", "bf16":
		return 0x8000
	case "f64":
		return 1 << 63
	}
	return 0x80000000
}

// widen returns the number that x of a type is.
func widen(t string, x uint64) float64 {
	switch t {
	case "f32":
		return float64(f32(x))
	case "f64":
		return math.Float64frombits(x)
	case "f16":
		return half(uint16(x))
	}
	return bf16(x)
}

// narrow rounds a number to a type, to nearest, ties to even.
func narrow(t string, f float64) uint64 {
	switch t {
	case "f32":
		return fromF32(float32(f))
	case "f64":
		return math.Float64bits(f)
	case "f16":
		return uint64(toHalf(f))
	}
	return uint64(toBF16(f))
}

// half is a number of 16 bits as a float.
func half(h uint16) float64 {
	e, m := int(h>>10&31), float64(h&1023)
	var f float64
	switch e {
	case 31:
		if f = math.Inf(1); m != 0 {
			f = math.NaN()
		}
	case 0:
		f = math.Ldexp(m, -24)
	default:
		f = math.Ldexp(1024+m, e-25)
	}
	if h>>15 != 0 {
		return -f
	}
	return f
}

func toHalf(f float64) uint16 {
	sign := uint16(math.Float64bits(f) >> 48 & 0x8000)
	a := math.Abs(f)
	switch {
	case f != f:
		return 0x7fff
	case a >= 65520:
		return sign | 0x7c00
	case a < 1.0/(1<<14):
		return sign | uint16(math.RoundToEven(math.Ldexp(a, 24)))
	}
	_, e := math.Frexp(a) // a = m·2^e with m in [1/2, 1)
	m := uint16(math.RoundToEven(math.Ldexp(a, 11-e)))
	return sign + uint16(e+13)<<10 + m // the leading one of m counts up the exponent
}

func toBF16(f float64) uint16 {
	if f != f {
		return 0x7fff
	}
	// Rounding twice is wrong where the first lands on a tie of the second: round the
	// first one to odd.
	u := math.Float32bits(toOdd(f))
	return uint16((u + 0x7fff + u>>16&1) >> 16)
}

// toOdd rounds to float32 so that a second rounding comes out as one.
func toOdd(f float64) float32 {
	g := float32(f)
	if float64(g) == f || math.IsInf(float64(g), 0) || g != g {
		return g
	}
	u := math.Float32bits(g)
	if u&1 == 0 { // the neighbour on the other side of f is odd
		if (float64(g) < f) == (f > 0) {
			u++
		} else {
			u--
		}
	}
	return math.Float32frombits(u)
}

// fma32 is x·y + z, rounded once.
func fma32(x, y, z float32) float32 {
	p := float64(x) * float64(y) // exact
	s := p + float64(z)
	if math.IsInf(s, 0) || s != s {
		return float32(s)
	}
	// The sum was rounded to 53 bits: what it lost decides a tie.
	b := s - p
	lost := (p - (s - b)) + (float64(z) - b)
	if lost != 0 {
		u := math.Float64bits(s)
		if u&1 == 0 {
			if (lost > 0) == (s > 0) {
				u++
			} else {
				u--
			}
			s = math.Float64frombits(u)
		}
	}
	return float32(s)
}

// pairs applies f to both halves where the type is a pair.
func pairs(t string, f func(t string, x ...uint64) uint64) func(x ...uint64) uint64 {
	if t != "f16x2" && t != "bf16x2" {
		return func(x ...uint64) uint64 { return f(t, x...) }
	}
	one := t[:len(t)-2]
	return func(x ...uint64) uint64 {
		lo, hi := make([]uint64, len(x)), make([]uint64, len(x))
		for i, v := range x {
			lo[i], hi[i] = v&0xffff, v>>16&0xffff
		}
		return f(one, hi...)<<16 | f(one, lo...)
	}
}

// saturate cuts to [0, 1] where the instruction says so.
func (c *compiler) saturate() func(float64) float64 {
	if !c.has("sat") {
		return func(f float64) float64 { return f }
	}
	return func(f float64) float64 {
		if f != f {
			return 0
		}
		return min(max(f, 0), 1)
	}
}

func (c *compiler) rounding() {
	if c.has("rz") || c.has("rm") || c.has("rp") {
		c.fail("only rounding to nearest is simulated")
	}
}

// floatBinary computes in float64, which makes one rounding of sums, products and
// quotients of f32.
func (c *compiler) floatBinary(t string, f func(x, y float64) float64) {
	c.rounding()
	if loop := floatLoops[c.raw.op[0]]; t == "f32" && loop != nil && !c.has("sat") {
		c.each2(loop)
		return
	}
	if t == "f32" && !c.has("sat") {
		c.binary(func(x, y uint64) uint64 { return fromF32(float32(f(float64(f32(x)), float64(f32(y))))) })
		return
	}
	sat := c.saturate()
	g := pairs(t, func(t string, x ...uint64) uint64 { return narrow(t, sat(f(widen(t, x[0]), widen(t, x[1])))) })
	c.binary(func(x, y uint64) uint64 { return g(x, y) })
}

// floatLoops are what is run most.
var floatLoops = map[string]func(d, x, y *lanes){
	"add": func(d, x, y *lanes) {
		for l := range d {
			d[l] = fromF32(f32(x[l]) + f32(y[l]))
		}
	},
	"sub": func(d, x, y *lanes) {
		for l := range d {
			d[l] = fromF32(f32(x[l]) - f32(y[l]))
		}
	},
	"mul": func(d, x, y *lanes) {
		for l := range d {
			d[l] = fromF32(f32(x[l]) * f32(y[l]))
		}
	},
}

// floatTernary is x·y + z.
func (c *compiler) floatTernary(t string) {
	c.rounding()
	if t == "f32" && !c.has("sat") && !c.has("relu") {
		d, a, b, e := c.dst(0), c.src(1), c.src(2), c.src(3)
		c.run(func(w *warp, _ *instr, mask uint32) {
			D, A, B, E := &w.r[d], &w.r[a], &w.r[b], &w.r[e]
			for ; mask != 0; mask &= mask - 1 {
				l := lowest(mask)
				D[l] = fromF32(fma32(f32(A[l]), f32(B[l]), f32(E[l])))
			}
		})
		return
	}
	sat := c.saturate()
	relu := c.has("relu")
	g := pairs(t, func(t string, x ...uint64) uint64 {
		f := sat(math.FMA(widen(t, x[0]), widen(t, x[1]), widen(t, x[2])))
		if relu {
			f = max(f, 0)
		}
		return narrow(t, f)
	})
	c.ternary(func(x, y, z uint64) uint64 { return g(x, y, z) })
}

// floatExtreme gives the number where one is NaN, unless .NaN is asked for.
func (c *compiler) floatExtreme(t string, larger bool) {
	nan := c.has("NaN")
	if t == "f32" && !nan {
		c.binary(func(x, y uint64) uint64 {
			a, b := f32(x), f32(y)
			switch {
			case a != a && b != b:
				return 0x7fffffff
			case a != a:
				return y
			case b != b:
				return x
			case larger:
				return fromF32(max(a, b))
			}
			return fromF32(min(a, b))
		})
		return
	}
	g := pairs(t, func(t string, x ...uint64) uint64 {
		a, b := widen(t, x[0]), widen(t, x[1])
		switch {
		case a != a && b != b, nan && (a != a || b != b):
			return narrow(t, math.NaN())
		case a != a:
			return x[1]
		case b != b:
			return x[0]
		case larger:
			return narrow(t, math.Max(a, b))
		}
		return narrow(t, math.Min(a, b))
	})
	c.binary(func(x, y uint64) uint64 { return g(x, y) })
}

func init() {
	builders["fma"] = func(c *compiler) {
		c.only(4, "rn rz rm rp ftz sat relu")
		c.floatTernary(c.typ())
	}
	for name, f := range map[string]func(float64) float64{
		"sqrt":  math.Sqrt,
		"rsqrt": func(x float64) float64 { return 1 / math.Sqrt(x) },
		"rcp":   func(x float64) float64 { return 1 / x },
		"ex2":   math.Exp2,
		"lg2":   math.Log2,
		"sin":   math.Sin,
		"cos":   math.Cos,
		"tanh":  math.Tanh,
	} {
		builders[name] = func(c *compiler) {
			c.only(2, "rn approx ftz")
			if c.typ() == "f32" {
				c.unary(func(x uint64) uint64 { return fromF32(float32(f(float64(f32(x))))) })
				return
			}
			g := pairs(c.typ(), func(t string, x ...uint64) uint64 { return narrow(t, f(widen(t, x[0]))) })
			c.unary(func(x uint64) uint64 { return g(x) })
		}
	}
	builders["copysign"] = func(c *compiler) {
		c.only(3, "")
		top, k := signs(c.typ()), cut(c.typ())
		c.binary(func(x, y uint64) uint64 { return x&top | k(y)&^top })
	}
	builders["testp"] = func(c *compiler) {
		c.only(2, "finite infinite number notanumber normal subnormal")
		t := c.typ()
		c.unary(func(x uint64) uint64 {
			f := widen(t, x)
			smallest := 0x1p-126
			if t == "f64" {
				smallest = 0x1p-1022
			}
			tiny := f != 0 && math.Abs(f) < smallest
			switch {
			case c.has("finite"):
				return boolean(f-f == 0)
			case c.has("infinite"):
				return boolean(math.IsInf(f, 0))
			case c.has("number"):
				return boolean(f == f)
			case c.has("notanumber"):
				return boolean(f != f)
			case c.has("subnormal"):
				return boolean(tiny)
			}
			return boolean(f-f == 0 && f != 0 && !tiny)
		})
	}
}
