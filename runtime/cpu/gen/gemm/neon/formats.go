package main

// q8_0: f16 scale, 32 int8. A step is four blocks.
var q8_0 = int8Format{name: "Q8_0", group: 32, step: 128, size: 4 * 34, rest: true,
	scales: func(a *asm, w string) {
		for b := range 4 {
			a.f("MOVHU %d(%s), %s", 34*b, w, tmp[b])
		}
		a.f("ORR %s<<16, %s, %s", tmp[1], tmp[0], tmp[0])
		a.f("ORR %s<<16, %s, %s", tmp[3], tmp[2], tmp[2])
		a.f("ORR %s<<32, %s, %s", tmp[2], tmp[0], tmp[0])
		a.f("FMOVD %s, F%d", tmp[0], other)
		a.op("fcvtl", other, other)
	},
	weights: func(a *asm, w string, _ int) {
		for b := range 4 {
			a.f("FMOVQ %d(%s), F%d", 34*b+2, w, q+2*b)
			a.f("FMOVQ %d(%s), F%d", 34*b+18, w, q+2*b+1)
		}
	},
}

// q8_0Block unpacks one block: the scale to lane 0 of other, with zeros behind it.
func q8_0Block(a *asm, w string) {
	a.f("MOVHU (%s), %s", w, tmp[0])
	a.f("FMOVS %s, F%d", tmp[0], other)
	a.op("fcvtl", other, other)
	a.f("FMOVQ 2(%s), F%d", w, q)
	a.f("FMOVQ 18(%s), F%d", w, q+1)
}

// q4K: f16 d, f16 dmin, 8 scales and 8 minima of 6 bits in 12 bytes, 256 times 4
// bits, of which 32 bytes hold two groups of 32: the low and the high halves.
var q4K = int8Format{name: "Q4_K", group: 32, step: 256, size: 144, minima: true,
	scales: func(a *asm, w string) {
		// Bytes 0 to 3 are scales, 4 to 7 minima: the 6 low bits of groups 0 to 3,
		// above them the 2 high bits of groups 4 to 7. Bytes 8 to 11 are the 4 low
		// bits of the scales and the minima of groups 4 to 7.
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
			a.op("ucvtf", scale, scale)
			a.op("ucvtf", min, min)
			a.lane("fmul", scale, scale, xs, 0)
			a.lane("fmul", min, min, xs, 1)
		}
	},
	weights: func(a *asm, w string, part int) {
		a.f("VMOVI $15, V%d.B16", xs)
		for b := range 2 { // 32 bytes
			low, high := q+4*b, q+4*b+2
			for h := range 2 {
				a.f("FMOVQ %d(%s), F%d", 16+64*part+32*b+16*h, w, high+h)
				a.op("and", low+h, high+h, xs)
				a.op("ushr 16b #4", high+h, high+h)
			}
		}
	},
}

// q6K: 256 times 4 low bits in 128 bytes, 2 high bits in 64 bytes, 16 int8 scales,
// f16 d. 64 and 32 bytes hold 128 elements: the low halves are 64 elements, the high
// ones the next; the four pairs of high bits are 32 elements each.
var q6K = int8Format{name: "Q6_K", group: 16, step: 256, size: 210,
	scales: func(a *asm, w string) {
		to := q + 4
		a.f("ADD $192, %s, %s", w, tmp[0])
		a.f("FMOVQ (%s), F%d", tmp[0], to+2)
		a.f("MOVHU 16(%s), %s", tmp[0], tmp[1])
		a.f("FMOVS %s, F%d", tmp[1], xs)
		a.op("fcvtl", xs, xs)
		a.op("sxtl 8h", to, to+2)
		a.op("sxtl2 8h", to+2, to+2)
		for part := 3; part >= 0; part-- {
			long := "sxtl"
			if part%2 == 1 {
				long = "sxtl2"
			}
			a.op(long, to+part, to+part/2*2)
			a.op("scvtf", to+part, to+part)
			a.lane("fmul", to+part, to+part, xs, 0)
		}
	},
	weights: func(a *asm, w string, part int) {
		// 16·high - 32 is the pair of bits, the upper one turned round, as a signed
		// number: shifted to the top of a byte and, with its sign, two places back.
		// The low bits go below it.
		const mask, flip, low = xs, xs + 1, sums
		half, upper := part/2, part%2
		if upper == 0 {
			a.f("VMOVI $15, V%d.B16", mask)
			a.f("VMOVI $0xaa, V%d.B16", flip)
			for h := range 2 {
				a.f("FMOVQ %d(%s), F%d", 128+32*half+16*h, w, other+h)
				a.op("eor", other+h, other+h, flip)
			}
		}
		for e := range 4 { // 16 elements
			to := q + e
			a.f("FMOVQ %d(%s), F%d", 64*half+16*e, w, low+e)
			from := other + e%2
			if shift := 6 - 4*upper - e/2*2; shift > 0 {
				a.op([]string{2: "shl 16b #2", 4: "shl 16b #4", 6: "shl 16b #6"}[shift], to, from)
				from = to
			}
			a.op("sshr 16b #2", to, from)
			if upper == 0 {
				a.op("bit", to, low+e, mask)
			} else {
				a.op("sri 16b #4", to, low+e)
			}
		}
	},
}
