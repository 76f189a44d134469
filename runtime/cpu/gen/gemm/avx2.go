package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

var y = []VecPhysical{Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14, Y15}

// Accumulators of AVX2 kernels are y[4*i+r], as those of AVX-512 are z[4*i+r].
func clear256(rows, m int) {
	for i := range m {
		for r := range rows {
			a := y[4*i+r]
			VPXOR(a, a, a)
		}
	}
}

func finish256(rows, m int) {
	finish(rows, m, func(i, r int, to VecPhysical) {
		if i > 0 {
			VMOVAPS(y[4*i+r], to)
		}
	})
}

// quantize emits the function that rounds activations to blocks of 32 int8.
func quantize() {
	function("avx2Quantize", "q *byte, d, s, x *float32, blocks int", "writes q, d and s of blocks of 32 activations.")
	magnitude := words("magnitude", 0x7fffffff)
	constants := words("constants127and1", 0x42fe0000, 0x3f800000)
	order := words("packedOrder", 0, 4, 1, 5, 2, 6, 3, 7)
	q, d, s, x, n := RDI, RSI, RDX, RBX, RCX
	Load(Param("q"), q)
	Load(Param("d"), d)
	Load(Param("s"), s)
	Load(Param("x"), x)
	Load(Param("blocks"), n)
	VBROADCASTSS(magnitude, Y15)
	VMOVDQU(order, Y14)
	Label("loop")
	for i := range 4 {
		VMOVUPS(Mem{Base: x, Disp: 32 * i}, y[i])
		VANDPS(Y15, y[i], y[4+i])
	}
	// As integers magnitudes keep their order, with infinity and NaN on top.
	VPMAXUD(Y5, Y4, Y4)
	VPMAXUD(Y7, Y6, Y6)
	VPMAXUD(Y6, Y4, Y4)
	reduce := func(op func(a, b, to VecPhysical)) {
		VEXTRACTI128(U8(1), Y4, X5)
		op(X5, X4, X4)
		VPSHUFD(U8(0x4e), X4, X5)
		op(X5, X4, X4)
		VPSHUFD(U8(0xb1), X4, X5)
		op(X5, X4, X4)
	}
	reduce(func(a, b, to VecPhysical) { VPMAXUD(a, b, to) })
	VMOVD(X4, EAX)
	CMPL(EAX, U32(0x7f800000))
	JAE(LabelRef("invalid"))
	VDIVSS(constants, X4, X8) // d
	VMOVSS(constants.Offset(4), X9)
	VDIVSS(X8, X9, X9) // 1/d
	VMOVD(X9, EAX)
	CMPL(EAX, U32(0x7f800000))
	JAE(LabelRef("zero"))
	VBROADCASTSS(X9, Y9)
	for i := range 4 {
		VMULPS(Y9, y[i], y[i])
		VCVTPS2DQ(y[i], y[i])
	}
	VPADDD(Y1, Y0, Y4)
	VPADDD(Y3, Y2, Y5)
	VPADDD(Y5, Y4, Y4)
	VPACKSSDW(Y1, Y0, Y0)
	VPACKSSDW(Y3, Y2, Y2)
	VPACKSSWB(Y2, Y0, Y0)
	VPERMD(Y0, Y14, Y0)
	reduce(func(a, b, to VecPhysical) { VPADDD(a, b, to) })
	VCVTDQ2PS(X4, X4)
	VMULSS(X8, X4, X4)
	Label("store")
	VMOVDQU(Y0, Mem{Base: q})
	VMOVSS(X8, Mem{Base: d})
	VMOVSS(X4, Mem{Base: s})
	SUBQ(I8(-128), x)
	ADDQ(U8(32), q)
	ADDQ(U8(4), d)
	ADDQ(U8(4), s)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()

	Label("zero")
	VPXOR(X8, X8, X8)
	JMP(LabelRef("same"))
	Label("invalid")
	MOVL(U32(0x7fc00000), EAX) // NaN
	VMOVD(EAX, X8)
	Label("same")
	VPXOR(Y0, Y0, Y0)
	VMOVAPS(X8, X4)
	JMP(LabelRef("store"))
}
