package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// A shape256 is a layout of 16 rows of W and of rows of activations. For each group of
// elements a panel has 16 words of 4 bytes a step, one of each row, then the scales and
// the minima of the rows as float32. A tile of activations has a group of each row,
// then their d, and for minima their s.
//
// VPMADDUBSW takes unsigned weights, at most 6 bits as its sums have 16; a few steps
// are added in 16 bits too. Wider weights are int16 for VPMADDWD, which is what is left
// without VNNI.
type shape256 struct {
	name  string
	group int
	step  int // elements of a row in 4 bytes
	steps int // that 16 bits hold the sums of
}

var shapes256 = []shape256{
	{"I16", 32, 2, 0},
	{"U4x32", 32, 4, 8}, // 8 steps of 2·15·127
	{"U5x32", 32, 4, 4}, // 4 steps of 2·31·127
	{"U5x16", 16, 4, 4},
	{"U6x16", 16, 4, 2}, // 2 steps of 2·63·127
}

func (s shape256) words() bool { return s.step == 2 }

// scales and mins are where a panel has them, behind the weights; block is the bytes
// of a group.
func (s shape256) scales() int { return 64 * s.group / s.step }
func (s shape256) mins() int   { return s.scales() + 64 }
func (s shape256) block() int {
	if s.words() {
		return s.mins()
	}
	return s.mins() + 64
}

// actBlock returns the bytes of a group of m rows of activations.
func (s shape256) actBlock(m int) int {
	size := s.group*4/s.step + 4
	if !s.words() {
		size += 4
	}
	return m * size
}

// panel256 emits a kernel that adds to y, m rows of 16 sums, the products of a panel
// with m rows of activations. Sums of a group stay in registers, what the groups come
// to in y, which the first cache holds.
func panel256(s shape256, m int) {
	function(fmt.Sprintf("avx2Panel%s_%d", s.name, m), "t *tile", fmt.Sprintf("adds the products of a panel with %d rows of activations.", m))
	totals, spilled := RBX, Mem{}
	flushes := 1
	if s.steps > 0 {
		flushes = s.group / s.step / s.steps
	}
	if flushes > 1 {
		spilled = AllocLocal(64 * m)
	}
	Load(Param("t"), RAX)
	MOVQ(Mem{Base: RAX, Disp: tileY}, totals)
	MOVQ(Mem{Base: RAX, Disp: tileW}, w)
	MOVQ(Mem{Base: RAX, Disp: tileX}, x)
	MOVQ(Mem{Base: RAX, Disp: tileN}, n)
	sums, weights, xi, prod := y[:12], y[12:14], Y14, Y15
	total := func(i, h int) Mem { return Mem{Base: totals, Disp: 64*i + 32*h} }
	actRow := s.group * 4 / s.step
	Label("loop")
	steps := s.group / s.step / flushes
	for f := range flushes {
		for j := range steps {
			at := f*steps + j
			for h := range 2 {
				VMOVDQU(Mem{Base: w, Disp: 64*at + 32*h}, weights[h])
			}
			for i := range m {
				multiply, add := func(a, b, to Op) { VPMADDUBSW(a, b, to) }, func(a, b, to Op) { VPADDW(a, b, to) }
				if s.words() {
					multiply, add = func(a, b, to Op) { VPMADDWD(a, b, to) }, func(a, b, to Op) { VPADDD(a, b, to) }
				}
				VPBROADCASTD(Mem{Base: x, Disp: actRow*i + 4*at}, xi)
				if j == 0 {
					multiply(xi, weights[0], sums[2*i])
					multiply(xi, weights[1], sums[2*i+1])
					continue
				}
				multiply(xi, weights[0], prod)
				multiply(xi, weights[1], xi)
				add(prod, sums[2*i], sums[2*i])
				add(xi, sums[2*i+1], sums[2*i+1])
			}
		}
		if s.words() {
			continue
		}
		VMOVDQU(ones256(), prod)
		for i, sum := range sums[:2*m] {
			VPMADDWD(prod, sum, sum)
			if f > 0 {
				VPADDD(spilled.Offset(32*i), sum, sum)
			}
			if f+1 < flushes {
				VMOVDQU(sum, spilled.Offset(32*i))
			}
		}
	}
	for h := range 2 {
		VMOVUPS(Mem{Base: w, Disp: s.scales() + 32*h}, weights[h])
	}
	for i := range m {
		VBROADCASTSS(Mem{Base: x, Disp: m*actRow + 4*i}, xi)
		for h := range 2 {
			sum := sums[2*i+h]
			VCVTDQ2PS(sum, sum)
			VMULPS(xi, weights[h], prod)
			VFMADD213PS(total(i, h), prod, sum)
		}
		if !s.words() {
			VBROADCASTSS(Mem{Base: x, Disp: m*actRow + 4*(m+i)}, xi)
			for h := range 2 {
				VFNMADD231PS(Mem{Base: w, Disp: s.mins() + 32*h}, xi, sums[2*i+h])
			}
		}
		for h := range 2 {
			VMOVUPS(sums[2*i+h], total(i, h))
		}
	}
	ADDQ(U32(s.block()), w)
	ADDQ(U32(s.actBlock(m)), x)
	SUBQ(U8(s.group), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

var ones Mem

// ones256 returns a constant of 16 int16 1.
func ones256() Mem {
	if ones.Symbol.Name == "" {
		ones = words("ones", 0x10001, 0x10001, 0x10001, 0x10001, 0x10001, 0x10001, 0x10001, 0x10001)
	}
	return ones
}

// transpose256 makes row i of the result column i of 8 rows of 8 words.
func transpose256(a, b []VecPhysical) {
	for i := range 4 { // pairs of rows
		VPUNPCKLDQ(a[2*i+1], a[2*i], b[2*i])
		VPUNPCKHDQ(a[2*i+1], a[2*i], b[2*i+1])
	}
	for i := range 2 { // a[4i+c]: columns c, c+4 of rows 4i to 4i+3
		VPUNPCKLQDQ(b[4*i+2], b[4*i], a[4*i])
		VPUNPCKHQDQ(b[4*i+2], b[4*i], a[4*i+1])
		VPUNPCKLQDQ(b[4*i+3], b[4*i+1], a[4*i+2])
		VPUNPCKHQDQ(b[4*i+3], b[4*i+1], a[4*i+3])
	}
	for c := range 4 {
		VPERM2I128(U8(0x20), a[4+c], a[c], b[c])
		VPERM2I128(U8(0x31), a[4+c], a[c], b[4+c])
	}
}

// interleave256 emits the function that makes the weights of a panel, without their
// scales, of 8 rows of n elements, 32 at a time. To weights for VPMADDUBSW it adds
// offset, which makes them unsigned.
func interleave256(name string, s shape256) {
	parameters := "panel *byte, q *int8, step, n int"
	if !s.words() {
		parameters += ", offset int8"
	}
	function("avx2Interleave"+name, parameters, "interleaves 8 rows of n weights.")
	panel, q, step, n := RDI, RSI, RBX, RCX
	Load(Param("panel"), panel)
	Load(Param("q"), q)
	Load(Param("step"), step)
	Load(Param("n"), n)
	a, b := y[:8], y[8:]
	each := func(do func(i int, from Mem)) {
		MOVQ(q, RAX)
		for i := range 8 {
			do(i, Mem{Base: RAX})
			ADDQ(step, RAX)
		}
	}
	Label("loop")
	if s.words() {
		for half := range 2 {
			each(func(i int, from Mem) { VPMOVSXBW(from.Offset(16*half), a[i]) })
			transpose256(a, b)
			for c := range 8 {
				VMOVDQU(b[c], Mem{Base: panel, Disp: 64 * (8*half + c)})
			}
		}
	} else {
		VPBROADCASTB(NewParamAddr("offset", 32), b[0])
		each(func(i int, from Mem) { VPADDB(from, b[0], a[i]) })
		transpose256(a, b)
		group := s.group / 4
		for c := range 8 {
			VMOVDQU(b[c], Mem{Base: panel, Disp: c/group*s.block() + c%group*64})
		}
	}
	ADDQ(U32(32/s.group*s.block()), panel)
	ADDQ(U8(32), q)
	SUBQ(U8(32), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// scales256 emits the function that makes the scales or the minima of a panel, times
// factor, of those of 8 rows: n groups, rounded up to 8.
func scales256() {
	function("avx2Scales", "to *byte, block int, scales *float32, step, n int, factor float32", "interleaves n scales of 8 rows.")
	to, block, scales, step, n := RDI, RDX, RSI, RBX, RCX
	Load(Param("to"), to)
	Load(Param("block"), block)
	Load(Param("scales"), scales)
	Load(Param("step"), step)
	Load(Param("n"), n)
	a, b := y[:8], y[8:]
	Label("loop")
	VBROADCASTSS(NewParamAddr("factor", 40), b[0])
	MOVQ(scales, RAX)
	for i := range 8 {
		VMULPS(Mem{Base: RAX}, b[0], a[i])
		ADDQ(step, RAX)
	}
	transpose256(a, b)
	for c := range 8 {
		VMOVUPS(b[c], Mem{Base: to})
		ADDQ(block, to)
	}
	ADDQ(U8(32), scales)
	SUBQ(U8(8), n)
	JG(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// spread256 emits the function that puts n elements of a prepared row of activations
// into a tile of m rows: q to the place of the row, d dAt bytes further, s behind the d
// of all rows, and those of the next group step bytes further.
func spread256(name string, s shape256) {
	function("avx2Spread"+name, "q *byte, dAt, step, m int, fromQ *byte, fromD, fromS *float32, n int", "puts a row of activations into a tile.")
	q, d, step, m, fromQ, fromD, fromS, n := RDI, RSI, RBX, RDX, R8, R9, R10, RCX
	Load(Param("q"), q)
	Load(Param("dAt"), d)
	ADDQ(q, d)
	Load(Param("step"), step)
	Load(Param("m"), m)
	Load(Param("fromQ"), fromQ)
	Load(Param("fromD"), fromD)
	Load(Param("fromS"), fromS)
	Load(Param("n"), n)
	Label("loop")
	VBROADCASTSS(Mem{Base: fromD}, Y1)
	d0 := Mem{Base: d}
	s0 := Mem{Base: d, Index: m, Scale: 4}
	switch {
	case s.words():
		VPMOVSXBW(Mem{Base: fromQ}, Y0)
		VPMOVSXBW(Mem{Base: fromQ, Disp: 16}, Y2)
		VMOVDQU(Y0, Mem{Base: q})
		VMOVDQU(Y2, Mem{Base: q, Disp: 32})
		VMOVSS(X1, d0)
	case s.group == 32:
		VMOVDQU(Mem{Base: fromQ}, Y0)
		VMOVSS(Mem{Base: fromS}, X2)
		VMOVDQU(Y0, Mem{Base: q})
		VMOVSS(X1, d0)
		VMOVSS(X2, s0)
		ADDQ(U8(4), fromS)
	default:
		VMOVDQU(Mem{Base: fromQ}, Y0)
		VPCMPEQB(Y2, Y2, Y2)
		VPABSB(Y2, Y2)
		VPMADDUBSW(Y0, Y2, Y2)
		VPMADDWD(ones256(), Y2, Y2)
		VPHADDD(Y2, Y2, Y2)
		VPHADDD(Y2, Y2, Y2)
		VCVTDQ2PS(Y2, Y2)
		VMULPS(Y1, Y2, Y2)
		VMOVDQU(X0, Mem{Base: q})
		VMOVSS(X1, d0)
		VMOVSS(X2, s0)
		VEXTRACTI128(U8(1), Y0, X0)
		VEXTRACTF128(U8(1), Y2, X2)
		ADDQ(step, q)
		ADDQ(step, d)
		VMOVDQU(X0, Mem{Base: q})
		VMOVSS(X1, d0)
		VMOVSS(X2, s0)
	}
	ADDQ(step, q)
	ADDQ(step, d)
	ADDQ(U8(32), fromQ)
	ADDQ(U8(4), fromD)
	SUBQ(U8(32), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// panels256 emits all that products with many rows of activations need.
func panels256() {
	for _, s := range shapes256 {
		for _, m := range []int{6, 4, 2, 1} {
			panel256(s, m)
		}
	}
	for _, l := range []struct {
		name string
		of   shape256
	}{{"I16", shapes256[0]}, {"U8x32", shapes256[1]}, {"U8x16", shapes256[3]}} {
		interleave256(l.name, l.of)
		spread256(l.name, l.of)
	}
	scales256()
	for _, m := range []int{6, 4, 2, 1} {
		panelFloat256(m)
	}
	for _, f := range []floatFormat{f32, f16, bf16} {
		interleaveFloat256(f)
	}
	spreadFloat256()
}
