package ptxsim

import "math"

func addF32(d, a, b *lanes) {
	for i := range d {
		d[i] = bits32(f32(a[i]) + f32(b[i]))
	}
}

func subF32(d, a, b *lanes) {
	for i := range d {
		d[i] = bits32(f32(a[i]) - f32(b[i]))
	}
}

func mulF32(d, a, b *lanes) {
	for i := range d {
		d[i] = bits32(f32(a[i]) * f32(b[i]))
	}
}

func minF32(d, a, b *lanes) {
	for i := range d {
		x, y := f32(a[i]), f32(b[i])
		switch {
		case x < y:
			d[i] = bits32(x)
		case y < x:
			d[i] = bits32(y)
		default:
			d[i] = bits32(float32(minF(float64(x), float64(y))))
		}
	}
}

func maxF32(d, a, b *lanes) {
	for i := range d {
		x, y := f32(a[i]), f32(b[i])
		switch {
		case x > y:
			d[i] = bits32(x)
		case y > x:
			d[i] = bits32(y)
		default:
			d[i] = bits32(float32(maxF(float64(x), float64(y))))
		}
	}
}

// minF and maxF give the number where one operand is NaN.
func minF(a, b float64) float64 {
	switch {
	case a != a:
		return b
	case b != b:
		return a
	}
	return min(a, b)
}

func maxF(a, b float64) float64 {
	switch {
	case a != a:
		return b
	case b != b:
		return a
	}
	return max(a, b)
}

func f32of2(f func(a, b float32) float32) func(a, b uint64) uint64 {
	return func(a, b uint64) uint64 { return bits32(f(f32(a), f32(b))) }
}

func f64of2(f func(a, b float64) float64) func(a, b uint64) uint64 {
	return func(a, b uint64) uint64 {
		return math.Float64bits(f(math.Float64frombits(a), math.Float64frombits(b)))
	}
}

// fma32 is a·b + c, rounded once. The product is exact in float64; where the rounded sum lies
// halfway between two float32, the error of that rounding decides.
func fma32(a, b, c float32) float32 {
	p, q := float64(a)*float64(b), float64(c)
	s := p + q
	if !halfway(s) || s-s != 0 {
		return float32(s)
	}
	t := s - p // the two-sum gives the error of s exactly
	e := (p - (s - t)) + (q - t)
	if e == 0 {
		return float32(s)
	}
	u := math.Float64bits(s) | 1 // to odd: just off the middle, on the side of the error
	if (e > 0) != (s > 0) {
		u = math.Float64bits(s) - 1 | 1
	}
	return float32(math.Float64frombits(u))
}

// halfway says whether s may lie on the border between two roundings to float32.
func halfway(s float64) bool {
	return math.Float64bits(s)&0x1fffffff == 0x10000000 || s < 0x1p-126 && s > -0x1p-126 && s != 0
}

func fmaF32(d, a, b, c *lanes) {
	for i := range d {
		s := float64(f32(a[i]))*float64(f32(b[i])) + float64(f32(c[i]))
		if !halfway(s) {
			d[i] = bits32(float32(s))
		} else {
			d[i] = bits32(fma32(f32(a[i]), f32(b[i]), f32(c[i])))
		}
	}
}

// A half is one of the two 16-bit formats.
type half struct {
	name string
	to   func(uint64) float64
	from func(float64) uint64
}

var halves = []half{
	{"f16", func(x uint64) float64 { return float64(fromF16(uint16(x))) }, func(f float64) uint64 { return uint64(round16(f, 10, -14, 15)) }},
	{"bf16", func(x uint64) float64 { return float64(fromBF16(uint16(x))) }, func(f float64) uint64 { return uint64(round16(f, 7, -126, 127)) }},
}

func fromBF16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

func fromF16(h uint16) float32 {
	sign, e, f := uint32(h>>15)<<31, uint32(h>>10&31), uint32(h&1023)
	switch e {
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | f<<13)
	case 0:
		return math.Float32frombits(sign | math.Float32bits(float32(f)/(1<<24)))
	}
	return math.Float32frombits(sign | (e+112)<<23 | f<<13)
}

// round16 rounds to the 16-bit format with so many bits after the point and exponents from lo to
// hi, ties to even. NaN is all ones but the sign.
func round16(f float64, fraction, lo, hi int) uint16 {
	if f != f {
		return 0x7fff
	}
	var sign uint16
	if math.Signbit(f) {
		sign, f = 0x8000, -f
	}
	inf := uint16(hi+1-lo+1) << fraction
	if math.IsInf(f, 0) {
		return sign | inf
	}
	if f == 0 {
		return sign
	}
	e := max(math.Ilogb(f), lo)
	n := math.RoundToEven(math.Ldexp(f, fraction-e)) // may carry into the next exponent, as it should
	bits := uint64(n) + uint64(e-lo)<<fraction
	if bits >= uint64(inf) {
		return sign | inf
	}
	return sign | uint16(bits)
}

func fma(d *decoder) { d.fused(d.typ()) }

// fused decodes fma, and mad of floats.
func (d *decoder) fused(t typ) {
	d.take("rn")
	f, ok := map[string]op3{
		"f32": fmaF32,
		"f64": each3(func(a, b, c uint64) uint64 {
			return math.Float64bits(math.FMA(math.Float64frombits(a), math.Float64frombits(b), math.Float64frombits(c)))
		}),
	}[t.name]
	relu := d.take("relu") != ""
	for _, h := range halves {
		// The product is exact, and 53 bits hold more than twice the bits of a half: the sum, if
		// not exact itself, is rounded to odd by FMA's error below.
		one := func(a, b, c uint64) uint64 {
			x, y, z := h.to(a), h.to(b), h.to(c)
			s := x*y + z
			if e := math.FMA(x, y, z-s); e != 0 && s-s == 0 {
				s = toOdd(s, e)
			}
			if relu && s < 0 {
				s = 0
			}
			return h.from(s)
		}
		switch t.name {
		case h.name:
			f, ok = each3(one), true
		case h.name + "x2":
			f, ok = each3(func(a, b, c uint64) uint64 {
				return one(a>>16, b>>16, c>>16)<<16 | one(a&0xffff, b&0xffff, c&0xffff)
			}), true
		}
	}
	if !ok {
		d.fail("no form for .%s", t.name)
	}
	if d.ftz(t) {
		g := f
		f = func(d, a, b, c *lanes) {
			x, y, z := flushed(a), flushed(b), flushed(c)
			g(d, &x, &y, &z)
			*d = flushed(d)
		}
	}
	if d.take("sat") != "" {
		s, g := d.saturation(t), f
		f = func(d, a, b, c *lanes) { g(d, a, b, c); s(d, nil, nil) }
	}
	dst, a, b, c := d.dst(0, t), d.src(1, t), d.src(2, t), d.src(3, t)
	d.run3(dst, a, b, c, f)
}

// toOdd makes the last bit of s stand for an error e that rounding left.
func toOdd(s, e float64) float64 {
	u := math.Float64bits(s)
	if u&1 == 0 {
		if u = u | 1; (e > 0) != (s > 0) {
			u -= 2
		}
	}
	return math.Float64frombits(u)
}

// Functions of one number, computed in float64 and rounded once.
var transcendental = map[string]func(*decoder){
	"ex2":   function1(math.Exp2),
	"lg2":   function1(math.Log2),
	"sin":   function1(math.Sin),
	"cos":   function1(math.Cos),
	"tanh":  function1(math.Tanh),
	"sqrt":  function1(math.Sqrt),
	"rsqrt": function1(func(x float64) float64 { return 1 / math.Sqrt(x) }),
	"rcp":   function1(func(x float64) float64 { return 1 / x }),
}

func function1(f func(float64) float64) func(*decoder) {
	forms := map[string]op1{
		"f32": each1(func(a uint64) uint64 { return bits32(float32(f(float64(f32(a))))) }),
		"f64": each1(func(a uint64) uint64 { return math.Float64bits(f(math.Float64frombits(a))) }),
	}
	for _, h := range halves {
		forms[h.name] = each1(func(a uint64) uint64 { return h.from(f(h.to(a))) })
		forms[h.name+"x2"] = each1(func(a uint64) uint64 {
			return h.from(f(h.to(a>>16)))<<16 | h.from(f(h.to(a&0xffff)))
		})
	}
	return func(d *decoder) {
		d.must("approx", "rn")
		arith1(forms)(d)
	}
}
