package main

// Formats with blocks of 256 elements, of which each is a step.

// pairs turns the 8 scales and 8 minima of 6 bits at byte 4, times the f16 d and dmin
// before them, into float32.
func pairs(a *asm, w string, _ int) {
	// Bytes 0 to 3 are scales, 4 to 7 minima: the 6 low bits of groups 0 to 3, above
	// them the 2 high bits of groups 4 to 7. Bytes 8 to 11 are the 4 low bits of the
	// scales and the minima of groups 4 to 7.
	low, high, both := tmp[0], tmp[1], tmp[2]
	a.f("MOVD 4(%s), %s", w, high)
	a.f("MOVWU 12(%s), %s", w, both)
	a.f("AND $0x3f3f3f3f3f3f3f3f, %s, %s", high, low)
	a.f("LSR $2, %s", high)
	a.f("AND $0x3030303030303030, %s", high)
	a.f("ORR %s<<28, %s, %s", both, both, both)
	a.f("AND $0x0f0f0f0f0f0f0f0f, %s", both)
	a.f("ORR %s, %s, %s", both, high, high)
	a.f("FMOVS (%s), F%d", w, xs)
	a.op("fcvtl", xs, xs) // d, dmin
	for part, from := range []string{low, high} {
		scale, min := other+part, minAt+part
		a.f("FMOVD %s, F%d", from, scale)
		a.op("uxtl 8h", scale, scale)
		a.op("uxtl2", min, scale)
		a.op("uxtl", scale, scale)
		a.op("scvtf", scale, scale)
		a.op("scvtf", min, min)
		a.lane("fmul", scale, scale, xs, 0)
		a.lane("fmul", min, min, xs, 1)
	}
}

// halves loads 64 bytes: of each 32 the low halves are a group, the high ones the next.
// The first constant is their mask.
func (a *asm) halves(w string, at int) {
	for b := range 2 {
		low, high := q+4*b, q+4*b+2
		for h := range 2 {
			a.f("FMOVQ %d(%s), F%d", at+32*b+16*h, w, high+h)
			a.op("and", low+h, high+h, constAt)
			a.shift("ushr", high+h, high+h, 4)
		}
	}
}

// q4K: f16 d, f16 dmin, 12 bytes of scales and minima, 256 times 4 bits.
var q4K = int8Format{name: "Q4_K", group: 32, step: 256, size: 144, minima: true, consts: [][16]byte{splat(15)}, scales: pairs,
	weights: func(a *asm, w string, part, _ int) { a.halves(w, 16+64*part) }}

// q5K: as q4K, with 32 bytes of fifth bits before the others, a group's each.
var q5K = int8Format{name: "Q5_K", group: 32, step: 256, size: 176, minima: true, consts: [][16]byte{splat(15), splat(16)}, scales: pairs,
	weights: func(a *asm, w string, part, _ int) {
		a.halves(w, 48+64*part)
		a.f("FLDPQ 16(%s), (F%d, F%d)", w, sums, sums+1)
		for g := range 4 {
			for h := range 2 {
				a.insert(q+2*g+h, sums+h, 4*part+g, constAt+1, 4)
			}
		}
	}}

// insert puts bit from of each byte of v at bit to of d; the register one has that bit.
func (a *asm) insert(d, v, from, one, to int) {
	if from != to {
		name, count := "shl", to-from
		if from > to {
			name, count = "ushr", from-to
		}
		a.shift(name, xs, v, count)
		v = xs
	}
	a.op("bit", d, v, one)
}

// sixteen turns 16 int8 in register to+2, times word i of register d, into float32 in
// registers to to to+3.
func (a *asm) sixteen(to, d, i int) {
	a.op("sxtl 8h", to, to+2)
	a.op("sxtl2 8h", to+2, to+2)
	for part := 3; part >= 0; part-- {
		a.op([]string{"sxtl", "sxtl2"}[part%2], to+part, to+part/2*2)
		a.op("scvtf", to+part, to+part)
		a.lane("fmul", to+part, to+part, d, i)
	}
}

// twoBits loads 32 bytes, of which each pair of bits is 32 elements, and leaves the
// 64 elements of part in the registers of weights. The first constant is their mask.
func (a *asm) twoBits(w string, at, part int) {
	for e := range 4 { // 16 elements
		a.f("FMOVQ %d(%s), F%d", at+32*(part/2)+16*(e%2), w, q+e)
		if pair := 2*(part%2) + e/2; pair > 0 {
			a.shift("ushr", q+e, q+e, 2*pair)
		}
		a.op("and", q+e, q+e, constAt)
	}
}

// q2K: 16 bytes of a scale and a minimum each, 256 times 2 bits, f16 d, f16 dmin.
var q2K = int8Format{name: "Q2_K", group: 16, step: 256, size: 84, minima: true, consts: [][16]byte{splat(3), splat(15)},
	scales: func(a *asm, w string, _ int) {
		scale, min := q+4, minAt
		a.f("FMOVQ (%s), F%d", w, min+2)
		a.op("and", scale+2, min+2, constAt+1)
		a.shift("ushr", min+2, min+2, 4)
		a.f("FMOVS 80(%s), F%d", w, xs)
		a.op("fcvtl", xs, xs)
		a.sixteen(scale, xs, 0)
		a.sixteen(min, xs, 1)
	},
	weights: func(a *asm, w string, part, _ int) { a.twoBits(w, 16, part) }}

// q3K: 32 bytes of third bits, a bit for 32 elements each, 256 times 2 bits, 16 scales
// of 6 bits in 12 bytes, f16 d; less 4, scales less 32.
var q3K = int8Format{name: "Q3_K", group: 16, step: 256, size: 110, consts: [][16]byte{
	splat(3), splat(4), splat(15), splat(32), {4: 0xfe, 0xfe, 0xfe, 0xfe, 0xfc, 0xfc, 0xfc, 0xfc, 0xfa, 0xfa, 0xfa, 0xfa}},
	scales: func(a *asm, w string, _ int) {
		// Bytes 0 to 7 are the low bits of scales 0 to 7 and 8 to 15, bytes 8 to 11 the
		// high bits, a pair of bits for four scales.
		const two, low, less, right = constAt, constAt + 2, constAt + 3, constAt + 4
		scale := q + 4
		a.f("FMOVD 96(%s), F%d", w, scale)
		a.shift("ushr", scale+1, scale, 4)
		a.op("and", scale, scale, low)
		a.op("zip1 2d", scale, scale, scale+1)
		a.f("FMOVS 104(%s), F%d", w, scale+1)
		a.op("dup", scale+1, scale+1)
		a.op("ushl 16b", scale+1, scale+1, right)
		a.op("and", scale+1, scale+1, two)
		a.shift("shl", scale+1, scale+1, 4)
		a.op("orr", scale, scale, scale+1)
		a.op("sub 16b", scale+2, scale, less)
		a.f("MOVHU 108(%s), %s", w, tmp[0])
		a.f("FMOVS %s, F%d", tmp[0], xs)
		a.op("fcvtl", xs, xs)
		a.sixteen(scale, xs, 0)
		a.f("FLDPQ (%s), (F%d, F%d)", w, other, other+1)
	},
	weights: func(a *asm, w string, part, _ int) {
		a.twoBits(w, 32, part)
		for e := range 4 {
			a.insert(q+e, other+e%2, 2*part+e/2, constAt+1, 2)
			a.op("sub 16b", q+e, q+e, constAt+1)
		}
	}}

// q6K: 256 times 4 low bits in 128 bytes, 2 high bits in 64 bytes, 16 int8 scales,
// f16 d; less 32. 64 and 32 bytes hold 128 elements: the low halves are 64 elements,
// the high ones the next; the four pairs of high bits are 32 elements each.
var q6K = int8Format{name: "Q6_K", group: 16, step: 256, size: 210, consts: [][16]byte{splat(15), splat(0xaa)},
	scales: func(a *asm, w string, _ int) {
		scale := q + 4
		a.f("FMOVQ 192(%s), F%d", w, scale+2)
		a.f("MOVHU 208(%s), %s", w, tmp[0])
		a.f("FMOVS %s, F%d", tmp[0], xs)
		a.op("fcvtl", xs, xs)
		a.sixteen(scale, xs, 0)
	},
	weights: func(a *asm, w string, part, _ int) {
		// 16·high - 32 is the pair of bits, the upper one turned round, as a signed
		// number: shifted to the top of a byte and, with its sign, two places back.
		// The low bits go below it.
		const mask, flip, low = constAt, constAt + 1, sums
		half, upper := part/2, part%2
		if upper == 0 {
			for h := range 2 {
				a.f("FMOVQ %d(%s), F%d", 128+32*half+16*h, w, other+h)
				a.op("eor", other+h, other+h, flip)
			}
		}
		for e := range 4 { // 16 elements
			to, from := q+e, other+e%2
			a.f("FMOVQ %d(%s), F%d", 64*half+16*e, w, low+e)
			if left := 6 - 4*upper - e/2*2; left > 0 {
				a.shift("shl", to, from, left)
				from = to
			}
			a.shift("sshr", to, from, 2)
			if upper == 0 {
				a.op("bit", to, low+e, mask)
			} else {
				a.shift("sri", to, low+e, 4)
			}
		}
	}}

// iq4XS: f16 d, 8 scales of 6 bits, less 32, as 2 high bits in 2 bytes and 4 low ones in
// 4; then 16 bytes for each group, as in iq4NL.
var iq4XS = int8Format{name: "IQ4_XS", group: 32, step: 256, size: 136, consts: [][16]byte{
	splat(15), iq4Table, {2: 0xfe, 4: 0xfc, 6: 0xfa, 8: 0xf8, 10: 0xf6, 12: 0xf4, 14: 0xf2}, {3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3}, splat(32)},
	scales: func(a *asm, w string, _ int) {
		const low, right, two, less = constAt, constAt + 2, constAt + 3, constAt + 4
		a.f("MOVHU 2(%s), %s", w, tmp[0])
		a.f("VDUP %s, V%d.H8", tmp[0], xs)
		a.op("ushl 8h", xs, xs, right)
		a.op("and", xs, xs, two)
		a.op("uzp1 16b", xs, xs, xs)
		a.shift("shl", xs, xs, 4)
		a.f("FMOVS 4(%s), F%d", w, other)
		a.shift("ushr", other+1, other, 4)
		a.op("and", other, other, low)
		a.op("zip1 16b", other, other, other+1)
		a.op("orr", other, other, xs)
		a.op("sub 16b", other, other, less)
		a.op("sxtl 8h", other, other)
		a.f("MOVHU (%s), %s", w, tmp[0])
		a.f("FMOVS %s, F%d", tmp[0], xs)
		a.op("fcvtl", xs, xs)
		for part := 1; part >= 0; part-- {
			a.op([]string{"sxtl", "sxtl2"}[part], other+part, other)
			a.op("scvtf", other+part, other+part)
			a.lane("fmul", other+part, other+part, xs, 0)
		}
	},
	weights: func(a *asm, w string, part, _ int) {
		for g := range 4 {
			a.lookUp(w, 8+64*part+16*g, q+2*g)
		}
	}}
