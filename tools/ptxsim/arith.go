package ptxsim

import (
	"math"
	"math/bits"
)

type (
	unsigned interface{ uint16 | uint32 | uint64 }
	signed   interface{ int16 | int32 | int64 }
)

// Integer and float arithmetic. Loops over whole registers are instances of generic functions, so
// that no lane costs a call.
var arithmetic = map[string]func(*decoder){
	"add":   arith2(with(ints2(add[uint16], add[uint32], add[uint64]), floats2(addF32, func(a, b float64) float64 { return a + b }))),
	"sub":   arith2(with(ints2(sub[uint16], sub[uint32], sub[uint64]), floats2(subF32, func(a, b float64) float64 { return a - b }))),
	"mul":   mul,
	"mul24": mul24,
	"mad":   mad,
	"mad24": mul24,
	"fma":   fma,
	"div": arith2(with(split2(div[uint16], div[uint32], div[uint64], sdiv[int16, uint16], sdiv[int32, uint32], sdiv[int64, uint64]),
		map[string]op2{"f32": each2(f32of2(func(a, b float32) float32 { return a / b })), "f64": each2(f64of2(func(a, b float64) float64 { return a / b }))})),
	"rem":  arith2(split2(rem[uint16], rem[uint32], rem[uint64], srem[int16, uint16], srem[int32, uint32], srem[int64, uint64])),
	"min":  extreme(minForms),
	"max":  extreme(maxForms),
	"abs":  arith1(map[string]op1{"s16": absS[int16, uint16], "s32": absS[int32, uint32], "s64": absS[int64, uint64], "f32": clearBit(31), "f64": clearBit(63), "f16": clearBit(15), "bf16": clearBit(15), "f16x2": clearBits(0x7fff7fff), "bf16x2": clearBits(0x7fff7fff)}),
	"neg":  arith1(map[string]op1{"s16": neg[uint16], "s32": neg[uint32], "s64": neg[uint64], "f32": flipBits(1 << 31), "f64": flipBits(1 << 63), "f16": flipBits(1 << 15), "bf16": flipBits(1 << 15), "f16x2": flipBits(0x80008000), "bf16x2": flipBits(0x80008000)}),
	"sad":  sad,
	"dp4a": dp4a,
	"dp2a": dp2a,

	"copysign": same2(map[string]op2{"f32": each2(func(a, b uint64) uint64 { return b&^(1<<31) | a&(1<<31) }), "f64": each2(func(a, b uint64) uint64 { return b&^(1<<63) | a&(1<<63) })}),
}

// with joins the forms of an instruction.
func with(forms ...map[string]op2) map[string]op2 {
	m := map[string]op2{}
	for _, f := range forms {
		for t, op := range f {
			m[t] = op
		}
	}
	return m
}

// ints2 are the forms of an operation that is the same with and without sign.
func ints2(f16, f32, f64 op2) map[string]op2 {
	return map[string]op2{"u16": f16, "s16": f16, "u32": f32, "s32": f32, "u64": f64, "s64": f64}
}

func split2(u16, u32, u64, s16, s32, s64 op2) map[string]op2 {
	return map[string]op2{"u16": u16, "s16": s16, "u32": u32, "s32": s32, "u64": u64, "s64": s64}
}

// floats2 are the float forms; those of 16 bits are computed in float64 and rounded once.
func floats2(f32 op2, f func(a, b float64) float64) map[string]op2 {
	m := map[string]op2{"f32": f32, "f64": each2(f64of2(f))}
	for _, h := range halves {
		one := func(a, b uint64) uint64 { return h.from(f(h.to(a), h.to(b))) }
		m[h.name] = each2(one)
		m[h.name+"x2"] = each2(func(a, b uint64) uint64 {
			return one(a>>16, b>>16)<<16 | one(a&0xffff, b&0xffff)
		})
	}
	return m
}

// arith1 decodes an instruction of one operand, with .ftz and .approx and the like.
func arith1(forms map[string]op1) func(*decoder) {
	return func(d *decoder) {
		t := d.typ()
		f := lookup(d, forms, t.name)
		if d.ftz(t) {
			g := f
			f = func(d, a *lanes) { x := flushed(a); g(d, &x); *d = flushed(d) }
		}
		dst, a := d.dst(0, t), d.src(1, t)
		d.run1(dst, a, f)
	}
}

// arith2 decodes an instruction of two operands: [.rn][.ftz][.sat].
func arith2(forms map[string]op2) func(*decoder) {
	return func(d *decoder) {
		t := d.typ()
		f := d.finish2(lookup(d, forms, t.name), t)
		dst, a, b := d.dst(0, t), d.src(1, t), d.src(2, t)
		d.run2(dst, a, b, f)
	}
}

// finish2 adds what the modifiers say to an operation.
func (d *decoder) finish2(f op2, t typ) op2 {
	if t.class == floatClass {
		d.take("rn", "full", "approx")
	}
	if d.ftz(t) {
		g := f
		f = func(d, a, b *lanes) { x, y := flushed(a), flushed(b); g(d, &x, &y); *d = flushed(d) }
	}
	if d.take("sat") != "" {
		s := d.saturation(t)
		g := f
		f = func(d, a, b *lanes) {
			x, y := *a, *b
			g(d, a, b)
			s(d, &x, &y)
		}
	}
	return f
}

func (d *decoder) ftz(t typ) bool {
	ftz := d.take("ftz") != ""
	if ftz && t.name != "f32" {
		d.fail(".ftz is simulated for .f32 only")
	}
	return ftz
}

// flushed has zeros in place of subnormal float32 values.
func flushed(a *lanes) lanes {
	r := *a
	for i, x := range r {
		if x&0x7f800000 == 0 {
			r[i] = x & (1 << 31)
		}
	}
	return r
}

// saturation corrects the result of an operation with .sat: floats come to lie in [0, 1]; of
// integers only add.sat.s32 and sub.sat.s32 have it.
func (d *decoder) saturation(t typ) func(r, a, b *lanes) {
	if t.name == "f32" {
		return func(r, _, _ *lanes) {
			for i := range r {
				x := f32(r[i])
				if !(x > 0) {
					x = 0
				}
				r[i] = bits32(min(x, 1))
			}
		}
	}
	d.fail(".sat is simulated for .f32 only")
	return nil
}

func add[T unsigned](d, a, b *lanes) {
	for i := range d {
		d[i] = uint64(T(a[i]) + T(b[i]))
	}
}

func sub[T unsigned](d, a, b *lanes) {
	for i := range d {
		d[i] = uint64(T(a[i]) - T(b[i]))
	}
}

func neg[T unsigned](d, a *lanes) {
	for i := range d {
		d[i] = uint64(-T(a[i]))
	}
}

func absS[T signed, U unsigned](d, a *lanes) {
	for i := range d {
		x := T(a[i])
		if x < 0 {
			x = -x
		}
		d[i] = uint64(U(x))
	}
}

func mulLo[T unsigned](d, a, b *lanes) {
	for i := range d {
		d[i] = uint64(T(a[i]) * T(b[i]))
	}
}

func wide[T uint16 | uint32](d, a, b *lanes) {
	for i := range d {
		d[i] = uint64(T(a[i])) * uint64(T(b[i]))
	}
}

func swide[T int16 | int32](d, a, b *lanes) {
	for i := range d {
		d[i] = uint64(int64(T(a[i])) * int64(T(b[i])))
	}
}

func wideS16(d, a, b *lanes) {
	for i := range d {
		d[i] = uint64(uint32(int32(int16(a[i])) * int32(int16(b[i]))))
	}
}

// Division by zero gives all ones, as the machine does for unsigned numbers.
func div[T unsigned](d, a, b *lanes) {
	for i := range d {
		if y := T(b[i]); y != 0 {
			d[i] = uint64(T(a[i]) / y)
		} else {
			d[i] = uint64(^T(0))
		}
	}
}

func rem[T unsigned](d, a, b *lanes) {
	for i := range d {
		if y := T(b[i]); y != 0 {
			d[i] = uint64(T(a[i]) % y)
		} else {
			d[i] = uint64(T(a[i]))
		}
	}
}

func sdiv[T signed, U unsigned](d, a, b *lanes) {
	for i := range d {
		if y := T(b[i]); y != 0 {
			d[i] = uint64(U(T(a[i]) / y))
		} else {
			d[i] = uint64(^U(0))
		}
	}
}

func srem[T signed, U unsigned](d, a, b *lanes) {
	for i := range d {
		if y := T(b[i]); y != 0 {
			d[i] = uint64(U(T(a[i]) % y))
		} else {
			d[i] = uint64(U(a[i]))
		}
	}
}

func minU[T unsigned](d, a, b *lanes) {
	for i := range d {
		d[i] = uint64(min(T(a[i]), T(b[i])))
	}
}

func maxU[T unsigned](d, a, b *lanes) {
	for i := range d {
		d[i] = uint64(max(T(a[i]), T(b[i])))
	}
}

func minS[T signed, U unsigned](d, a, b *lanes) {
	for i := range d {
		d[i] = uint64(U(min(T(a[i]), T(b[i]))))
	}
}

func maxS[T signed, U unsigned](d, a, b *lanes) {
	for i := range d {
		d[i] = uint64(U(max(T(a[i]), T(b[i]))))
	}
}

var (
	minForms = with(split2(minU[uint16], minU[uint32], minU[uint64], minS[int16, uint16], minS[int32, uint32], minS[int64, uint64]), floats2(minF32, minF))
	maxForms = with(split2(maxU[uint16], maxU[uint32], maxU[uint64], maxS[int16, uint16], maxS[int32, uint32], maxS[int64, uint64]), floats2(maxF32, maxF))
)

// extreme decodes min and max: of a NaN and a number the number, with .NaN the NaN.
func extreme(forms map[string]op2) func(*decoder) {
	return func(d *decoder) {
		t := d.typ()
		f := lookup(d, forms, t.name)
		if d.take("NaN") != "" {
			if t.name != "f32" {
				d.fail(".NaN is simulated for .f32 only")
			}
			g := f
			f = func(d, a, b *lanes) {
				x, y := *a, *b
				g(d, a, b)
				for i := range d {
					if isNaN32(x[i]) || isNaN32(y[i]) {
						d[i] = 0x7fffffff
					}
				}
			}
		}
		f = d.finish2(f, t)
		dst, a, b := d.dst(0, t), d.src(1, t), d.src(2, t)
		d.run2(dst, a, b, f)
	}
}

func twice(t typ) typ {
	if t.bits == 16 {
		return types["u32"]
	}
	return types["u64"]
}

var (
	loForms = ints2(mulLo[uint16], mulLo[uint32], mulLo[uint64])
	hiForms = split2(
		each2(func(a, b uint64) uint64 { return a * b >> 16 }), each2(func(a, b uint64) uint64 { return a * b >> 32 }),
		each2(func(a, b uint64) uint64 { hi, _ := bits.Mul64(a, b); return hi }),
		each2(func(a, b uint64) uint64 { return uint64(uint16(int64(int16(a)) * int64(int16(b)) >> 16)) }),
		each2(func(a, b uint64) uint64 { return uint64(uint32(int64(int32(a)) * int64(int32(b)) >> 32)) }),
		each2(func(a, b uint64) uint64 {
			hi, _ := bits.Mul64(a, b)
			return hi - uint64(int64(a)>>63)&b - uint64(int64(b)>>63)&a
		}))
	wideForms = map[string]op2{"u16": wide[uint16], "s16": wideS16, "u32": wide[uint32], "s32": swide[int32]}
	mulFloats = floats2(mulF32, func(a, b float64) float64 { return a * b })
)

// product takes .lo, .hi or .wide and gives the operation and the type of its result.
func (d *decoder) product(t typ) (op2, typ) {
	switch d.must("lo", "hi", "wide") {
	case "hi":
		return lookup(d, hiForms, t.name), t
	case "wide":
		return lookup(d, wideForms, t.name), twice(t)
	}
	return lookup(d, loForms, t.name), t
}

func mul(d *decoder) {
	t := d.typ()
	f, r := op2(nil), t
	if t.class == floatClass {
		f = d.finish2(lookup(d, mulFloats, t.name), t)
	} else {
		f, r = d.product(t)
	}
	dst, a, b := d.dst(0, r), d.src(1, t), d.src(2, t)
	d.run2(dst, a, b, f)
}

func mad(d *decoder) {
	t := d.typ()
	if t.class == floatClass {
		d.fused(t)
		return
	}
	f, r := d.product(t)
	sum := lookup(d, arithmeticAdd, r.name)
	dst, a, b, c := d.dst(0, r), d.src(1, t), d.src(2, t), d.src(3, r)
	d.run3(dst, a, b, c, func(d, a, b, c *lanes) {
		var p lanes
		f(&p, a, b)
		sum(d, &p, c)
	})
}

var arithmeticAdd = ints2(add[uint16], add[uint32], add[uint64])

// mul24 decodes mul24 and mad24, .lo and .hi: bits 0 to 31 and 16 to 47 of the product.
func mul24(d *decoder) {
	t := d.typ()
	shift := 0
	if d.must("lo", "hi") == "hi" {
		shift = 16
	}
	if t.name != "u32" && t.name != "s32" {
		d.fail("no form for .%s", t.name)
	}
	narrow := func(x uint64) int64 {
		if t.class == signedClass {
			return int64(x<<40) >> 40
		}
		return int64(x & 0xffffff)
	}
	dst, a, b, c := d.dst(0, t), d.src(1, t), d.src(2, t), d.f.literal(0)
	if d.has(3) {
		c = d.src(3, t)
	}
	d.run3(dst, a, b, c, each3(func(a, b, c uint64) uint64 {
		return uint64(uint32(narrow(a)*narrow(b)>>shift) + uint32(c))
	}))
}

func sad(d *decoder) {
	t := d.typ()
	if t.class == floatClass || t.class == bitsClass || t.bits < 16 {
		d.fail("no form for .%s", t.name)
	}
	dst, a, b, c := d.dst(0, t), d.src(1, t), d.src(2, t), d.src(3, t)
	d.run3(dst, a, b, c, each3(func(a, b, c uint64) uint64 {
		x, y := t.extend(a), t.extend(b)
		if t.class == signedClass && int64(x) < int64(y) || t.class != signedClass && x < y {
			x, y = y, x
		}
		return (c + x - y) & t.mask()
	}))
}

// dotTypes takes the two types of a dp4a or dp2a; the result has a sign if either has one.
func (d *decoder) dotTypes() (a, b typ, r typ) {
	b, a = d.typ(), d.typ()
	for _, t := range []typ{a, b} {
		if t.name != "u32" && t.name != "s32" {
			d.fail("no form for .%s", t.name)
		}
	}
	return a, b, types["b32"]
}

func byteOf(x uint64, i int, t typ) int32 {
	if t.class == signedClass {
		return int32(int8(x >> (8 * i)))
	}
	return int32(uint8(x >> (8 * i)))
}

func dp4a(d *decoder) {
	ta, tb, r := d.dotTypes()
	dst, a, b, c := d.dst(0, r), d.src(1, r), d.src(2, r), d.src(3, r)
	d.run3(dst, a, b, c, func(d, a, b, c *lanes) {
		for l := range d {
			s := int32(c[l])
			for i := range 4 {
				s += byteOf(a[l], i, ta) * byteOf(b[l], i, tb)
			}
			d[l] = uint64(uint32(s))
		}
	})
}

func dp2a(d *decoder) {
	first := 0
	if d.must("lo", "hi") == "hi" {
		first = 2
	}
	ta, tb, r := d.dotTypes()
	half := types["u16"]
	if ta.class == signedClass {
		half = types["s16"]
	}
	dst, a, b, c := d.dst(0, r), d.src(1, r), d.src(2, r), d.src(3, r)
	d.run3(dst, a, b, c, each3(func(a, b, c uint64) uint64 {
		s := int32(c)
		for i := range 2 {
			s += int32(half.extend(a>>(16*i)&0xffff)) * byteOf(b, first+i, tb)
		}
		return uint64(uint32(s))
	}))
}

func clearBit(n int) op1 { return clearBits(^(uint64(1) << n)) }

func clearBits(keep uint64) op1 {
	return each1(func(a uint64) uint64 { return a & keep })
}

func flipBits(m uint64) op1 {
	return each1(func(a uint64) uint64 { return a ^ m })
}

func isNaN32(x uint64) bool { return x&0x7fffffff > 0x7f800000 }

func f32(x uint64) float32 { return math.Float32frombits(uint32(x)) }

func bits32(f float32) uint64 { return uint64(math.Float32bits(f)) }
