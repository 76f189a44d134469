package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

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
// scales, of 8 rows of n elements, 32 at a time. It adds offset to each.
func interleave256(name string, s shape256) {
	function("avx2Interleave"+name, "panel *byte, q *int8, step, n int, offset int8", "interleaves 8 rows of n weights.")
	panel, q, step, n := RDI, RSI, RBX, RCX
	Load(Param("panel"), panel)
	Load(Param("q"), q)
	Load(Param("step"), step)
	Load(Param("n"), n)
	a, b := y[:8], y[8:]
	words := s.group / s.step // of a row in a group
	Label("loop")
	for v := range 4 / s.step { // vectors of 8 words
		VPBROADCASTB(NewParamAddr("offset", 32), b[0])
		MOVQ(q, RAX)
		for i := range 8 {
			if s.words() {
				VPADDB(Mem{Base: RAX, Disp: 16 * v}, b[0].AsX(), a[i].AsX())
				VPMOVSXBW(a[i].AsX(), a[i])
			} else {
				VPADDB(Mem{Base: RAX}, b[0], a[i])
			}
			ADDQ(step, RAX)
		}
		transpose256(a, b)
		for c := range 8 {
			word := 8*v + c
			VMOVDQU(b[c], Mem{Base: panel, Disp: word/words*s.block() + word%words*64})
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
