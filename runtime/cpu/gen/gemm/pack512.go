package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// interleave512 emits the function that takes count times 16 words of 16 rows and
// writes column c+4j of them, c and j from 0 to 3, as 16 words at dst + c·step +
// j%2·step4 + j/2·step8. Then it goes on 2·step8 further. With flip words are taken as
// they are, but flipped where that has ones.
func interleave512(name string, f floatFormat, flip bool) {
	dst, step, step4, step8, src, srcStep, count := RDI, RSI, RDX, R8, RBX, R9, RCX
	parameters := "dst *byte, step, step4, step8 int, src *byte, srcStep, count int"
	if flip {
		parameters += ", flip uint32"
	}
	function("avx512Interleave"+name, parameters, "brings words of 16 rows side by side.")
	Load(Param("dst"), dst)
	Load(Param("step"), step)
	Load(Param("step4"), step4)
	Load(Param("step8"), step8)
	Load(Param("src"), src)
	Load(Param("srcStep"), srcStep)
	Load(Param("count"), count)
	a, b := z[:16], z[16:]
	if flip {
		Load(Param("flip"), R11L)
	}
	Label("loop")
	if flip {
		VPBROADCASTD(R11L, b[0])
	}
	MOVQ(src, RAX)
	for i := range 16 {
		if flip {
			VPXORD(Mem{Base: RAX}, b[0], a[i])
		} else {
			f.load(Mem{Base: RAX}, a[i])
		}
		ADDQ(srcStep, RAX)
	}
	for i := range 8 { // pairs of rows
		VPUNPCKLDQ(a[2*i+1], a[2*i], b[2*i])
		VPUNPCKHDQ(a[2*i+1], a[2*i], b[2*i+1])
	}
	for i := range 4 { // a[4i+c]: columns c, c+4, c+8, c+12 of rows 4i to 4i+3
		VPUNPCKLQDQ(b[4*i+2], b[4*i], a[4*i])
		VPUNPCKHQDQ(b[4*i+2], b[4*i], a[4*i+1])
		VPUNPCKLQDQ(b[4*i+3], b[4*i+1], a[4*i+2])
		VPUNPCKHQDQ(b[4*i+3], b[4*i+1], a[4*i+3])
	}
	LEAQ(Mem{Base: dst, Index: step8, Scale: 1}, R10)
	for c := range 4 {
		VSHUFI32X4(U8(0x88), a[4+c], a[c], b[0]) // columns c, c+8 of rows 0 to 7
		VSHUFI32X4(U8(0xdd), a[4+c], a[c], b[1]) // columns c+4, c+12
		VSHUFI32X4(U8(0x88), a[12+c], a[8+c], b[2])
		VSHUFI32X4(U8(0xdd), a[12+c], a[8+c], b[3])
		for j := range 2 {
			VSHUFI32X4(U8(0x88), b[2+j], b[j], b[4])
			VSHUFI32X4(U8(0xdd), b[2+j], b[j], b[5])
			at, at8 := Mem{Base: dst}, Mem{Base: R10}
			if j > 0 {
				at, at8 = at.Idx(step4, 1), at8.Idx(step4, 1)
			}
			VMOVDQU32(b[4], at)
			VMOVDQU32(b[5], at8)
		}
		if c < 3 {
			ADDQ(step, dst)
			ADDQ(step, R10)
		}
	}
	// From 3 columns further to the next 16.
	LEAQ(Mem{Base: step, Index: step, Scale: 2}, RAX)
	SUBQ(RAX, dst)
	LEAQ(Mem{Base: dst, Index: step8, Scale: 2}, dst)
	ADDQ(U8(16*f.size), src)
	DECQ(count)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// spread512 emits the function that puts n elements of a prepared row of activations
// into a tile of m rows: q to the place of the row, d dAt bytes further, -128·Σq
// behind the d of all rows, and those of the next group step bytes further.
func spread512(s shape512) {
	function("avx512Spread"+s.name(), "q *byte, dAt, step, m int, fromQ *byte, fromD, fromS *float32, n int", "puts a row of activations into a tile.")
	q, d, step, m, fromQ, fromD, n := RDI, RSI, RBX, RDX, R8, R9, RCX
	Load(Param("q"), q)
	Load(Param("dAt"), d)
	ADDQ(q, d)
	Load(Param("step"), step)
	Load(Param("m"), m)
	Load(Param("fromQ"), fromQ)
	Load(Param("fromD"), fromD)
	Load(Param("n"), n)
	MOVL(U32(0x80808080), EAX)
	VPBROADCASTD(EAX, Y3)
	VPXOR(Y4, Y4, Y4)
	Label("loop")
	VMOVDQU(Mem{Base: fromQ}, Y0)
	VBROADCASTSS(Mem{Base: fromD}, X1)
	VPXOR(Y2, Y2, Y2)
	VPDPBUSD(Y0, Y3, Y2)
	VPHADDD(Y2, Y2, Y2)
	VPHADDD(Y2, Y2, Y2)
	VPSUBD(Y2, Y4, Y2)
	VEXTRACTI128(U8(1), Y2, X5)
	if s.group == 32 {
		VPADDD(X5, X2, X2)
	}
	group := func(q0 VecPhysical, sum VecPhysical) {
		VMOVDQU(q0, Mem{Base: q})
		VMOVSS(X1, Mem{Base: d})
		VMOVD(sum, Mem{Base: d, Index: m, Scale: 4})
		ADDQ(step, q)
		ADDQ(step, d)
	}
	if s.group == 32 {
		group(Y0, X2)
	} else {
		group(X0, X2)
		VEXTRACTI128(U8(1), Y0, X0)
		group(X0, X5)
	}
	ADDQ(U8(32), fromQ)
	ADDQ(U8(4), fromD)
	SUBQ(U8(32), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// spreadFloat512 emits the function that puts a row of activations into a tile: groups
// of 16, step bytes apart.
func spreadFloat512() {
	function("avx512SpreadFloat", "q *byte, dAt, step, m int, fromQ *byte, fromD, fromS *float32, n int", "puts a row of activations into a tile.")
	to, step, from, n := RDI, RBX, RSI, RCX
	Load(Param("q"), to)
	Load(Param("step"), step)
	Load(Param("fromQ"), from)
	Load(Param("n"), n)
	Label("loop")
	VMOVUPS(Mem{Base: from}, Z0)
	VMOVUPS(Z0, Mem{Base: to})
	ADDQ(step, to)
	ADDQ(U8(64), from)
	SUBQ(U8(16), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
