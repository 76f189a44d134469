package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// sums16x256 emits the function that Q2_K needs beside what a prepared row has: d·Σq
// for each 16 of n activations, a multiple of 256.
func sums16x256() {
	function("avx2Sums16", "sums *float32, q *byte, d *float32, n int", "writes the sums d·Σq of 16 activations each.")
	sums := RBX
	Load(Param("sums"), sums)
	Load(Param("q"), x)
	Load(Param("d"), d)
	Load(Param("n"), n)
	VMOVDQU(all(1), Y4)
	VMOVDQU(words16(1), Y5)
	VMOVDQU(counts("firstSecond", 0, 4, 1, 5, 2, 6, 3, 7), Y6)
	VMOVDQU(counts("twice", 0, 0, 1, 1, 2, 2, 3, 3), Y7)
	Label("loop")
	for b := range 4 {
		VPMADDUBSW(Mem{Base: x, Disp: 32 * b}, Y4, y[b])
		VPMADDWD(Y5, y[b], y[b])
	}
	VPHADDD(Y1, Y0, Y0)
	VPHADDD(Y3, Y2, Y2)
	VPHADDD(Y2, Y0, Y0) // of the first halves of 4 blocks, then of the second
	VPERMD(Y0, Y6, Y0)
	VCVTDQ2PS(Y0, Y0)
	VBROADCASTF128(Mem{Base: d}, Y1)
	VPERMILPS(Y7, Y1, Y1)
	VMULPS(Y1, Y0, Y0)
	VMOVUPS(Y0, Mem{Base: sums})
	ADDQ(U8(32), sums)
	SUBQ(I8(-128), x)
	ADDQ(U8(16), d)
	ADDQ(I8(-128), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// unpack256 emits the function that unpacks a row of n elements.
func unpack256(describe func(holder) format256) {
	ls := lanes{{0, Y0, Y1, Y2}}
	f := describe(func(c Mem) Op { return c })
	function("avx2Unpack"+f.name, "q *int8, scales, mins *float32, w *byte, n int", "unpacks a row of n elements.")
	qAt, scalesAt, minsAt := RDI, RSI, R11
	Load(Param("q"), qAt)
	Load(Param("scales"), scalesAt)
	if f.mins {
		Load(Param("mins"), minsAt)
	}
	Load(Param("w"), w)
	Load(Param("n"), n)
	f = describe(hold256(y[4:16]...))
	blocks, groups := 1, 1
	var slot func(i int) Mem
	if f.scales != nil {
		slot = stack256(2)
		blocks, groups = 8, 8
		if f.pairs {
			groups = 16
		}
	}
	Label("loop")
	switch {
	case f.scales != nil:
		f.scales(ls, func(int) Mem { return slot(0) }, func(int) Mem { return slot(1) })
		whole := []Register{scalesAt, minsAt}
		if !f.mins {
			whole = whole[:1]
		}
		for i, to := range whole {
			VPBROADCASTW(weight(0, f.d+2*i), X1)
			VCVTPH2PS(X1, Y1)
			for g := 0; g < groups; g += 8 {
				VPMOVSXWD(slot(i).Offset(2*g), Y0)
				VCVTDQ2PS(Y0, Y0)
				VMULPS(Y1, Y0, Y0)
				VMOVUPS(Y0, Mem{Base: to, Disp: 4 * g})
			}
		}
	case f.scale != nil:
		f.scale(ls)
		VMOVSS(X1, Mem{Base: scalesAt})
	case f.mins:
		VMOVD(weight(0, f.d), X1)
		VCVTPH2PS(X1, X1)
		VMOVSS(X1, Mem{Base: scalesAt})
		VXORPS(table("signs", 0, 0, 0, 128), X1, X1)
		VEXTRACTPS(U8(1), X1, Mem{Base: minsAt})
	default:
		VPBROADCASTW(weight(0, f.d), X1)
		VCVTPH2PS(X1, X1)
		VMOVSS(X1, Mem{Base: scalesAt})
	}
	for b := range blocks {
		f.row(ls, b)
		shift256(f.up[b%4], Y0)
		if f.offset > 0 {
			VPSUBB(all(byte(f.offset)), Y0, Y0)
		}
		VMOVDQU(Y0, Mem{Base: qAt, Disp: 32 * b})
	}
	ADDQ(U32(f.size), w)
	ADDQ(U32(32*blocks), qAt)
	ADDQ(U8(4*groups), scalesAt)
	if f.mins {
		ADDQ(U8(4*groups), minsAt)
	}
	SUBQ(U32(32*blocks), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
