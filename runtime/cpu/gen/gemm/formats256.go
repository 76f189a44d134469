package main

import (
	"encoding/binary"
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// A format256 says how AVX2 code reads a format of quantised weights; kernels and
// unpacking are written from it. A weight is scale·q - min.
//
// Formats with blocks of 32 elements have their scale, and Q4_1 and Q5_1 the negative
// of their minimum, as f16 at d. Formats with blocks of 256 have there an f16 that
// multiplies the whole numbers of scales, and behind it one for those of minima.
type format256 struct {
	name   string
	size   int  // bytes of a block
	d      int  // where d is
	mins   bool // there are minima
	pairs  bool // 256 elements: scales, and minima, are for 16 elements each, not 32
	offset int  // q is made unsigned by adding this; 0: it is, or it is signed
	signed bool // q may be below 0: kernels move its sign to the activation
	// row writes the q of block b of 32 elements to q, with the offset, and shifted to
	// the left by up[b%4] where that saves a shift to the right.
	row func(ls lanes, b int)
	up  [4]int
	// scale broadcasts the scale of a block of 32 to t; nil: it is an f16 at d.
	scale func(ls lanes)
	// scales stores words, what d multiplies and what the other f16 does: 8, or 16 of
	// pairs, in the order of elements. With 8, every second lane's lie right behind
	// those of the one before. nil: blocks have 32 elements. It may use q, t and u.
	scales func(ls lanes, scales, mins func(r int) Mem)
}

// A lane is a row of W and the registers that are its own. What lanes do goes side by
// side, instruction by instruction: those of one row alone wait for each other longer
// than a processor looks ahead.
type lane struct {
	r       int
	q, t, u VecPhysical
}

type lanes []lane

func (ls lanes) each(steps ...func(l lane)) {
	for _, step := range steps {
		for _, l := range ls {
			step(l)
		}
	}
}

// A holder returns the register that it has loaded a constant to, or the constant
// when all registers are taken.
type holder func(constant Mem) Op

// formats256 are all quantised formats. A description is made for one function: it
// says which constants that should hold, the most useful ones first.
var formats256 = []func(hold holder) format256{
	q8_0x256, q4_0x256, q4_1x256, q5_0x256, q5_1x256, iq4NLx256, mxfp4x256,
	q2Kx256, q3Kx256, q4Kx256, q5Kx256, q6Kx256, iq4XSx256,
}

var tables = map[string]Mem{}

// table returns a constant of at least 32 bytes, v over and over.
func table(name string, v ...byte) Mem {
	m, ok := tables[name]
	if !ok {
		m = GLOBL(name, RODATA|NOPTR)
		for i := range max(32, len(v)) {
			DATA(i, U8(v[i%len(v)]))
		}
		tables[name] = m
	}
	return m
}

// all returns a constant of 32 equal bytes.
func all(v byte) Mem { return table(fmt.Sprintf("all%d", v), v) }

// words16 returns a constant of 16 equal words.
func words16(v byte) Mem { return table(fmt.Sprintf("words%d", v), v, 0) }

// counts returns a constant of 8 doublewords, v over and over.
func counts(name string, v ...byte) Mem {
	var bytes []byte
	for _, c := range v {
		bytes = append(bytes, c, 0, 0, 0)
	}
	return table(name, bytes...)
}

// bits256 reads 32 bytes, shifts their words to the right, or to the left by -shift,
// and leaves the bits of a mask.
func bits256(ls lanes, at, shift int, mask Op, to func(l lane) VecPhysical) {
	if _, held := mask.(VecPhysical); held && shift == 0 {
		ls.each(func(l lane) { VPAND(weight(l.r, at), mask, to(l)) })
		return
	}
	ls.each(
		func(l lane) { VMOVDQU(weight(l.r, at), to(l)) },
		func(l lane) { shift256(shift, to(l)) },
		func(l lane) { VPAND(mask, to(l), to(l)) })
}

// shift256 shifts the words of v to the right, or to the left by -n.
func shift256(n int, v VecPhysical) {
	switch {
	case n > 0:
		VPSRLW(U8(n), v, v)
	case n < 0:
		VPSLLW(U8(-n), v, v)
	}
}

func inQ(l lane) VecPhysical { return l.q }
func inT(l lane) VecPhysical { return l.t }

// nibbles256 returns a function that spreads 16 bytes: the low halves are 16
// elements, the high ones the next.
func nibbles256(hold holder) func(ls lanes, at int) {
	low, shift := hold(all(15)), hold(counts("shiftNibbles", 0, 0, 0, 0, 4, 4, 4, 4))
	return func(ls lanes, at int) {
		ls.each(
			func(l lane) { VBROADCASTI128(weight(l.r, at), l.q) },
			func(l lane) { VPSRLVD(shift, l.q, l.q) },
			func(l lane) { VPAND(low, l.q, l.q) })
	}
}

func q8_0x256(holder) format256 {
	return format256{name: "Q8_0", size: 34, signed: true,
		row: func(ls lanes, _ int) { ls.each(func(l lane) { VMOVDQU(weight(l.r, 2), l.q) }) }}
}

func q4_0x256(hold holder) format256 {
	nibbles := nibbles256(hold)
	return format256{name: "Q4_0", size: 18, offset: 8,
		row: func(ls lanes, _ int) { nibbles(ls, 2) }}
}

func q4_1x256(hold holder) format256 {
	nibbles := nibbles256(hold)
	return format256{name: "Q4_1", size: 20, mins: true,
		row: func(ls lanes, _ int) { nibbles(ls, 4) }}
}

// fifthBits256 returns a function that adds 16 to the elements whose bit is set among
// the 32 at that byte.
func fifthBits256(hold holder) func(ls lanes, at int) {
	bits := hold(table("bits", 1, 2, 4, 8, 16, 32, 64, 128))
	spread := hold(table("spreadBits", 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3))
	sixteen := hold(all(16))
	return func(ls lanes, at int) {
		ls.each(
			func(l lane) { VPBROADCASTD(weight(l.r, at), l.t) },
			func(l lane) { VPSHUFB(spread, l.t, l.t) },
			func(l lane) { VPAND(bits, l.t, l.t) },
			func(l lane) { VPCMPEQB(bits, l.t, l.t) },
			func(l lane) { VPAND(sixteen, l.t, l.t) },
			func(l lane) { VPOR(l.t, l.q, l.q) })
	}
}

func q5_0x256(hold holder) format256 {
	nibbles, fifth := nibbles256(hold), fifthBits256(hold)
	return format256{name: "Q5_0", size: 22, offset: 16,
		row: func(ls lanes, _ int) { nibbles(ls, 6); fifth(ls, 2) }}
}

func q5_1x256(hold holder) format256 {
	nibbles, fifth := nibbles256(hold), fifthBits256(hold)
	return format256{name: "Q5_1", size: 24, mins: true,
		row: func(ls lanes, _ int) { nibbles(ls, 8); fifth(ls, 4) }}
}

// iq4Book are the levels of IQ4_NL and IQ4_XS.
func iq4Book() Mem {
	var v []byte
	for _, level := range []int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113} {
		v = append(v, byte(level))
	}
	return table("iq4Book", v...)
}

// look256 replaces codes by what a table of 16 bytes has for them.
func look256(ls lanes, book Op) {
	if _, ok := book.(Mem); ok {
		ls.each(func(l lane) { VMOVDQU(book, l.t) }, func(l lane) { VPSHUFB(l.q, l.t, l.q) })
		return
	}
	ls.each(func(l lane) { VPSHUFB(l.q, book, l.q) })
}

func iq4NLx256(hold holder) format256 {
	book, nibbles := hold(iq4Book()), nibbles256(hold)
	return format256{name: "IQ4_NL", size: 18, signed: true,
		row: func(ls lanes, _ int) { nibbles(ls, 2); look256(ls, book) }}
}

// The scale of MXFP4 is 2^(e-128). Its levels are from -12 to 12.
func mxfp4x256(hold holder) format256 {
	book := hold(table("mxfp4Book", 12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0))
	nibbles := nibbles256(hold)
	var powers []byte
	for e := range 256 {
		powers = binary.LittleEndian.AppendUint32(powers, math.Float32bits(float32(math.Ldexp(1, e-128))))
	}
	scales := table("powers", powers...)
	return format256{name: "MXFP4", size: 17, offset: 12,
		row: func(ls lanes, _ int) { nibbles(ls, 1); look256(ls, book) },
		scale: func(ls lanes) {
			LEAQ(scales, RDX)
			ls.each(func(l lane) {
				MOVBLZX(weight(l.r, 0), EAX)
				VBROADCASTSS(Mem{Base: RDX, Index: RAX, Scale: 4}, l.t)
			})
		}}
}

// q2K: 16 bytes of 4 bits of scale and of minimum, 256 times 2 bits, d, dmin. 32 bytes
// of two bits have four blocks of 32 elements.
func q2Kx256(hold holder) format256 {
	three, third, fifth := hold(all(3)), hold(all(3<<2)), hold(all(3<<4))
	return format256{name: "Q2_K", size: 84, d: 80, mins: true, pairs: true, up: [4]int{0, 2, 4, 4},
		row: func(ls lanes, b int) {
			at := 16 + b/4*32
			switch b % 4 {
			case 0:
				bits256(ls, at, 0, three, inQ)
			case 1:
				bits256(ls, at, 0, third, inQ)
			default:
				bits256(ls, at, b%4*2-4, fifth, inQ)
			}
		},
		scales: func(ls lanes, scales, mins func(r int) Mem) {
			ls.each(
				func(l lane) { VPMOVZXBW(weight(l.r, 0), l.q) },
				func(l lane) { VPSRLW(U8(4), l.q, l.t) },
				func(l lane) { VPAND(words16(15), l.q, l.q) },
				func(l lane) { VMOVDQU(l.q, scales(l.r)) },
				func(l lane) { VMOVDQU(l.t, mins(l.r)) })
		}}
}

// q3K: 256 times the third bit, 256 times 2 bits, 12 bytes of scales, d. Bit b of the
// first 32 bytes belongs to block b of 32 elements. Of a scale the 4 low bits are half
// k/8 of byte k%8, the 2 high ones bits 2·(k/4) of byte 8 + k%4; it has 32 too much.
func q3Kx256(hold holder) format256 {
	masks := [3]Op{hold(all(3)), hold(all(3 << 2)), hold(all(3 << 4))}
	return format256{name: "Q3_K", size: 110, d: 108, pairs: true, offset: 4, up: [4]int{0, 2, 4, 4},
		row: func(ls lanes, b int) {
			up := min(b%4, 2)
			bits256(ls, 32+b/4*32, b%4*2-up*2, masks[up], inQ)
			bits256(ls, 0, b-2-up*2, all(4<<(2*up)), inT)
			ls.each(func(l lane) { VPOR(l.t, l.q, l.q) })
		},
		scales: func(ls lanes, scales, _ func(r int) Mem) {
			x := func(f func(low, high Register)) func(l lane) {
				return func(l lane) { f(l.q.AsX(), l.t.AsX()) }
			}
			ls.each(
				func(l lane) { VMOVQ(weight(l.r, 96), l.q.AsX()) },
				x(func(low, high Register) { VPSRLW(U8(4), low, high) }),
				x(func(low, high Register) { VPUNPCKLQDQ(high, low, low) }),
				x(func(low, high Register) { VPAND(all(15), low, low) }),
				func(l lane) { VPBROADCASTD(weight(l.r, 104), l.t.AsX()) },
				x(func(_, high Register) { VPSRLVD(counts("shiftHigh", 0, 2, 4, 6), high, high) }),
				x(func(_, high Register) { VPAND(all(3), high, high) }),
				x(func(_, high Register) { VPSLLW(U8(4), high, high) }),
				x(func(low, high Register) { VPOR(high, low, low) }),
				x(func(low, _ Register) { VPSUBB(all(32), low, low) }),
				func(l lane) { VPMOVSXBW(l.q.AsX(), l.q) },
				func(l lane) { VMOVDQU(l.q, scales(l.r)) })
		}}
}

// scaleMins256 reads the 12 bytes of Q4_K and Q5_K at byte 4: of the first four bytes,
// which are scales, and the next four, minima, the 6 low bits belong to groups 0 to 3,
// the others are the high bits of groups 4 to 7, whose 4 low bits are the last bytes.
// The four bytes behind them are weights.
func scaleMins256(ls lanes, scales, mins func(r int) Mem) {
	as := func(v VecPhysical) Register { return v.AsX() }
	if len(ls) > 1 { // two lanes in the halves of the registers of the first
		as = func(v VecPhysical) Register { return v }
	}
	var first lanes
	for i := 0; i < len(ls); i += 2 {
		first = append(first, ls[i])
	}
	op := func(f func(x, high, last Register)) func(l lane) {
		return func(l lane) { f(as(l.q), as(l.t), as(l.u)) }
	}
	first.each(func(l lane) { VMOVDQU(weight(l.r, 4), l.q.AsX()) })
	if len(ls) > 1 {
		first.each(func(l lane) { VINSERTI128(U8(1), weight(l.r+1, 4), l.q, l.q) })
	}
	first.each(
		op(func(x, _, last Register) { VPSHUFD(U8(0xaa), x, last) }),
		op(func(_, _, last Register) { VPSRLVD(counts("shiftMins", 0, 4, 0, 0), last, last) }),
		op(func(_, _, last Register) { VPAND(all(0x0f), last, last) }),
		op(func(x, high, _ Register) { VPSRLW(U8(2), x, high) }),
		op(func(_, high, _ Register) { VPAND(all(0x30), high, high) }),
		op(func(_, high, last Register) { VPOR(high, last, last) }),
		op(func(x, _, _ Register) { VPAND(all(0x3f), x, x) }),
		op(func(x, _, last Register) { VPUNPCKLDQ(last, x, x) }), // 8 scales, 8 minima
		op(func(x, high, _ Register) { VPUNPCKHBW(all(0), x, high) }),
		op(func(x, _, _ Register) { VPUNPCKLBW(all(0), x, x) }),
		func(l lane) { VMOVDQU(as(l.q), scales(l.r)) },
		func(l lane) { VMOVDQU(as(l.t), mins(l.r)) })
}

// q4K: d, dmin, 12 bytes of scales and minima, 256 times 4 bits: 32 bytes hold two
// blocks of 32, the low and the high halves.
func q4Kx256(hold holder) format256 {
	low := hold(all(15))
	return format256{name: "Q4_K", size: 144, mins: true, scales: scaleMins256,
		row: func(ls lanes, b int) { bits256(ls, 16+b/2*32, b%2*4, low, inQ) }}
}

// q5K is q4K with 256 fifth bits before the others: bit b of 32 bytes belongs to
// block b of 32.
func q5Kx256(hold holder) format256 {
	low, sixteen := hold(all(15)), hold(all(16))
	return format256{name: "Q5_K", size: 176, mins: true, scales: scaleMins256,
		row: func(ls lanes, b int) {
			bits256(ls, 48+b/2*32, b%2*4, low, inQ)
			bits256(ls, 16, b-4, sixteen, inT)
			ls.each(func(l lane) { VPOR(l.t, l.q, l.q) })
		}}
}

// q6K: 256 times 4 low bits in 128 bytes, 2 high bits in 64 bytes, 16 int8 scales, d.
// Of 128 elements the low halves of 64 bytes are the first 64; 32 bytes of two bits
// have four blocks of 32.
func q6Kx256(hold holder) format256 {
	low, high := hold(all(15)), hold(all(0x30))
	return format256{name: "Q6_K", size: 210, d: 208, pairs: true, offset: 32,
		row: func(ls lanes, b int) {
			bits256(ls, b/4*64+b%2*32, b%4/2*4, low, inQ)
			bits256(ls, 128+b/4*32, b%4*2-4, high, inT)
			ls.each(func(l lane) { VPOR(l.t, l.q, l.q) })
		},
		scales: func(ls lanes, scales, _ func(r int) Mem) {
			ls.each(
				func(l lane) { VPMOVSXBW(weight(l.r, 192), l.q) },
				func(l lane) { VMOVDQU(l.q, scales(l.r)) })
		}}
}

// iq4XS: d, 2 high bits of 8 scales in 16 bits, 4 low bits in 32, 256 times 4 bits as
// IQ4_NL has them. A scale has 32 too much.
func iq4XSx256(hold holder) format256 {
	book, nibbles := hold(iq4Book()), nibbles256(hold)
	return format256{name: "IQ4_XS", size: 136, signed: true,
		row: func(ls lanes, b int) { nibbles(ls, 8+16*b); look256(ls, book) },
		scales: func(ls lanes, scales, _ func(r int) Mem) {
			ls.each(
				func(l lane) { VPBROADCASTD(weight(l.r, 4), l.q) },
				func(l lane) { VPSRLVD(counts("shiftFours", 0, 4, 8, 12, 16, 20, 24, 28), l.q, l.q) },
				func(l lane) { VPAND(counts("fifteens", 15), l.q, l.q) },
				func(l lane) { VPBROADCASTD(weight(l.r, 2), l.t) },
				func(l lane) { VPSRLVD(counts("shiftTwos", 0, 2, 4, 6, 8, 10, 12, 14), l.t, l.t) },
				func(l lane) { VPAND(counts("threes", 3), l.t, l.t) },
				func(l lane) { VPSLLD(U8(4), l.t, l.t) },
				func(l lane) { VPOR(l.t, l.q, l.q) },
				func(l lane) { VPSUBD(counts("thirtytwos", 32), l.q, l.q) },
				func(l lane) { VEXTRACTI128(U8(1), l.q, l.t.AsX()) },
				func(l lane) { VPACKSSDW(l.t.AsX(), l.q.AsX(), l.q.AsX()) },
				func(l lane) { VMOVDQU(l.q.AsX(), scales(l.r)) })
		}}
}
