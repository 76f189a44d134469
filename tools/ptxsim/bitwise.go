package ptxsim

import "math/bits"

var bitwise = map[string]func(*decoder){
	"and": logic(func(d, a, b *lanes) {
		for i := range d {
			d[i] = a[i] & b[i]
		}
	}, func(a, b uint32) uint32 { return a & b }),
	"or": logic(func(d, a, b *lanes) {
		for i := range d {
			d[i] = a[i] | b[i]
		}
	}, func(a, b uint32) uint32 { return a | b }),
	"xor": logic(func(d, a, b *lanes) {
		for i := range d {
			d[i] = a[i] ^ b[i]
		}
	}, func(a, b uint32) uint32 { return a ^ b }),
	"not":  not,
	"cnot": cnot,
	"shl":  shift(map[string]op2{"b16": shl[uint16], "b32": shl[uint32], "b64": shl[uint64]}),
	"shr": shift(map[string]op2{"b16": shr[uint16], "b32": shr[uint32], "b64": shr[uint64], "u16": shr[uint16], "u32": shr[uint32], "u64": shr[uint64],
		"s16": sar[int16, uint16], "s32": sar[int32, uint32], "s64": sar[int64, uint64]}),
	"shf":   shf,
	"lop3":  lop3,
	"prmt":  prmt,
	"bfe":   bfe,
	"bfi":   bfi,
	"bfind": bfind,
	"popc":  count(bits.OnesCount32, bits.OnesCount64),
	"clz":   count(bits.LeadingZeros32, bits.LeadingZeros64),
	"brev": same1(map[string]op1{"b32": each1(func(a uint64) uint64 { return uint64(bits.Reverse32(uint32(a))) }),
		"b64": each1(bits.Reverse64)}),
	"fns": fns,
}

// logic decodes and, or, xor: of registers and of predicates.
func logic(f op2, preds func(a, b uint32) uint32) func(*decoder) {
	return func(d *decoder) {
		t := d.typ()
		if t.class == predClass {
			dst, a, b := d.pred(0), d.cond(1), d.cond(2)
			d.in.exec = func(w *warp, m uint32) { w.setPred(dst, preds(a(w), b(w)), m) }
			return
		}
		if t.class != bitsClass || t.bits < 16 {
			d.fail("no form for .%s", t.name)
		}
		dst, a, b := d.dst(0, t), d.src(1, t), d.src(2, t)
		d.run2(dst, a, b, f)
	}
}

func not(d *decoder) {
	t := d.typ()
	if t.class == predClass {
		dst, a := d.pred(0), d.cond(1)
		d.in.exec = func(w *warp, m uint32) { w.setPred(dst, ^a(w), m) }
		return
	}
	if t.class != bitsClass || t.bits < 16 {
		d.fail("no form for .%s", t.name)
	}
	dst, a := d.dst(0, t), d.src(1, t)
	d.run1(dst, a, flipBits(t.mask()))
}

func cnot(d *decoder) {
	t := d.typ()
	if t.class != bitsClass || t.bits < 16 {
		d.fail("no form for .%s", t.name)
	}
	dst, a := d.dst(0, t), d.src(1, t)
	d.run1(dst, a, each1(func(a uint64) uint64 {
		if a == 0 {
			return 1
		}
		return 0
	}))
}

// shift decodes shl and shr, whose count is a 32-bit number; counts beyond the width shift all out.
func shift(forms map[string]op2) func(*decoder) {
	return func(d *decoder) {
		t := d.typ()
		f := lookup(d, forms, t.name)
		dst, a, b := d.dst(0, t), d.src(1, t), d.src(2, types["b32"])
		d.run2(dst, a, b, f)
	}
}

func shl[T unsigned](d, a, b *lanes) {
	for i := range d {
		d[i] = uint64(T(a[i]) << uint32(b[i]))
	}
}

func shr[T unsigned](d, a, b *lanes) {
	for i := range d {
		d[i] = uint64(T(a[i]) >> uint32(b[i]))
	}
}

func sar[T signed, U unsigned](d, a, b *lanes) {
	for i := range d {
		d[i] = uint64(U(T(a[i]) >> uint32(b[i])))
	}
}

// shf shifts the 64 bits b:a and gives the high half (left) or the low half (right).
func shf(d *decoder) {
	left := d.must("l", "r") == "l"
	wrap := d.must("wrap", "clamp") == "wrap"
	t := d.typ()
	if t.name != "b32" {
		d.fail("no form for .%s", t.name)
	}
	dst, a, b, c := d.dst(0, t), d.src(1, t), d.src(2, t), d.src(3, t)
	d.run3(dst, a, b, c, each3(func(a, b, c uint64) uint64 {
		n := min(c, 32)
		if wrap {
			n = c & 31
		}
		x := b<<32 | a
		if left {
			return x << n >> 32
		}
		return uint64(uint32(x >> n))
	}))
}

// lop3 looks every bit up in a table of eight.
func lop3(d *decoder) {
	t := d.typ()
	if t.name != "b32" {
		d.fail("no form for .%s", t.name)
	}
	o := d.arg(4)
	if o.kind != intOperand || o.value > 255 {
		d.fail("the table of lop3 is no number below 256")
	}
	table := o.value
	dst, a, b, c := d.dst(0, t), d.src(1, t), d.src(2, t), d.src(3, t)
	d.run3(dst, a, b, c, each3(func(a, b, c uint64) uint64 {
		var r uint64
		for i := range 8 {
			if table>>i&1 != 0 {
				x, y, z := a, b, c
				if i&4 == 0 {
					x = ^x
				}
				if i&2 == 0 {
					y = ^y
				}
				if i&1 == 0 {
					z = ^z
				}
				r |= x & y & z
			}
		}
		return uint64(uint32(r))
	}))
}

// prmt picks four of the eight bytes of b:a; bit 3 of a selector spreads the byte's sign.
func prmt(d *decoder) {
	t := d.typ()
	if t.name != "b32" {
		d.fail("no form for .%s", t.name)
	}
	mode := d.take("f4e", "b4e", "rc8", "ecl", "ecr", "rc16")
	dst, a, b, c := d.dst(0, t), d.src(1, t), d.src(2, t), d.src(3, t)
	d.run3(dst, a, b, c, each3(func(a, b, c uint64) uint64 {
		x := b<<32 | a
		var r uint64
		for i := range uint64(4) {
			s := c & 3
			switch mode {
			case "":
				s = c >> (4 * i) & 15
			case "f4e":
				s += i
			case "b4e":
				s = (s - i) & 7
			case "ecl":
				s = max(i, s)
			case "ecr":
				s = min(i, s)
			case "rc16":
				s = c&1*2 + i&1
			}
			v := x >> (8 * (s & 7)) & 255
			if s&8 != 0 {
				v = uint64(uint8(int8(v) >> 7))
			}
			r |= v << (8 * i)
		}
		return r
	}))
}

func bfe(d *decoder) {
	t := d.typ()
	if t.bits < 32 || t.class != unsignedClass && t.class != signedClass {
		d.fail("no form for .%s", t.name)
	}
	dst, a, b, c := d.dst(0, t), d.src(1, t), d.src(2, types["b32"]), d.src(3, types["b32"])
	d.run3(dst, a, b, c, each3(func(a, pos, n uint64) uint64 {
		pos, n = pos&255, n&255
		if n == 0 {
			return 0
		}
		sign := uint64(0)
		if t.class == signedClass && a>>min(pos+n-1, uint64(t.bits)-1)&1 != 0 {
			sign = t.mask()
		}
		field := t.mask()
		if n < uint64(t.bits) {
			field = 1<<n - 1
		}
		if over := uint64(t.bits) - min(pos, uint64(t.bits)); over < n { // the bits above are the sign
			return a>>pos | sign&^(1<<over-1)
		}
		return a>>pos&field | sign&^field
	}))
}

func bfi(d *decoder) {
	t := d.typ()
	if t.bits < 32 || t.class != bitsClass {
		d.fail("no form for .%s", t.name)
	}
	dst, a, b, p, n := d.dst(0, t), d.src(1, t), d.src(2, t), d.src(3, types["b32"]), d.src(4, types["b32"])
	d.in.exec = func(w *warp, m uint32) {
		for l := range 32 {
			if m>>l&1 == 0 {
				continue
			}
			pos, width := w.r[p][l]&255, w.r[n][l]&255
			field := (uint64(1)<<width - 1) << pos & t.mask()
			w.r[dst][l] = w.r[b][l]&^field | w.r[a][l]<<pos&field
		}
	}
}

func bfind(d *decoder) {
	t := d.typ()
	shiftAmount := d.take("shiftamt") != ""
	if t.bits < 32 || t.class != unsignedClass && t.class != signedClass {
		d.fail("no form for .%s", t.name)
	}
	dst, a := d.dst(0, types["u32"]), d.src(1, t)
	d.run1(dst, a, each1(func(a uint64) uint64 {
		x := t.extend(a)
		if int64(x) < 0 && t.class == signedClass {
			x = ^x
		}
		n := bits.Len64(x) - 1
		if n >= 0 && shiftAmount {
			n = t.bits - 1 - n
		}
		return uint64(uint32(n))
	}))
}

func count(f32 func(uint32) int, f64 func(uint64) int) func(*decoder) {
	return func(d *decoder) {
		t := d.typ()
		f := lookup(d, map[string]op1{
			"b32": each1(func(a uint64) uint64 { return uint64(f32(uint32(a))) }),
			"b64": each1(func(a uint64) uint64 { return uint64(f64(a)) }),
		}, t.name)
		dst, a := d.dst(0, types["u32"]), d.src(1, t)
		d.run1(dst, a, f)
	}
}

// fns finds the n-th set bit from a base, upwards or downwards.
func fns(d *decoder) {
	t := d.typ()
	if t.name != "b32" {
		d.fail("no form for .%s", t.name)
	}
	dst, mask, base, off := d.dst(0, t), d.src(1, t), d.src(2, t), d.src(3, t)
	d.run3(dst, mask, base, off, each3(func(mask, base, off uint64) uint64 {
		n, step := int32(off), 1
		if n < 0 {
			n, step = -n, -1
		}
		if n == 0 {
			n = 1
		}
		for i := int(base); i >= 0 && i < 32; i += step {
			if mask>>i&1 != 0 {
				if n--; n == 0 {
					return uint64(i)
				}
			}
		}
		return allLanes
	}))
}
