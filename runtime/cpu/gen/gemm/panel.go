package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// A panel holds 32 rows of W for each block of 32 elements: 8 groups of 4 unsigned
// bytes of each row, the 32 scales and the 32 minima as float32.
const (
	panelGroup  = 32 * 4
	panelScales = 8 * panelGroup
	panelMins   = panelScales + 32*4
	panelBlock  = panelMins + 32*4
)

// panel emits a kernel for a panel times m rows of activations. The sums of a row of W
// stay in a lane of their own. shift is log2 of what the unsigned weights have too
// much; a format without it has minima.
func panel(format string, m, shift int) {
	begin("avx512Panel", format, 1, m)
	mins := shift == 0
	MOVQ(Mem{Base: RAX, Disp: tileD}, d)
	from := tileSums
	if mins {
		from = tileS
	}
	MOVQ(Mem{Base: RAX, Disp: from}, s)
	d3, s3 := R9, R10
	if m > 4 {
		LEAQ(Mem{Base: d, Index: xStep3, Scale: 1}, d3)
		LEAQ(Mem{Base: s, Index: xStep3, Scale: 1}, s3)
	}
	scalar := func(base, third Register, i int) Mem {
		if i > 3 {
			return at(third, xStep, xStep3, i-3, 0)
		}
		return at(base, xStep, xStep3, i, 0)
	}
	sums, total := z[:2*m], z[12:12+2*m]
	weights, xi, prod := z[24:26], Z26, Z27
	for _, a := range total {
		VPXORD(a, a, a)
	}
	SHRQ(U8(5), n)
	Label("loop")
	for i := range m {
		for h := range 2 {
			if mins {
				VPXORD(sums[2*i+h], sums[2*i+h], sums[2*i+h])
			} else if h == 0 {
				VPBROADCASTD(scalar(s, s3, i), sums[2*i])
				VPSLLD(U8(shift), sums[2*i], sums[2*i])
			} else {
				VPXORD(prod, prod, prod)
				VPSUBD(sums[2*i], prod, sums[2*i])
				VMOVDQA32(sums[2*i], sums[2*i+1])
			}
		}
	}
	for g := range 8 {
		for h := range 2 {
			VMOVDQU32(Mem{Base: w, Disp: g*panelGroup + 64*h}, weights[h])
		}
		for i := range m {
			VPBROADCASTD(activation(i, 4*g), xi)
			for h := range 2 {
				VPDPBUSD(xi, weights[h], sums[2*i+h])
			}
		}
	}
	for h := range 2 {
		VMOVUPS(Mem{Base: w, Disp: panelScales + 64*h}, weights[h])
	}
	for i := range m {
		VBROADCASTSS(scalar(d, d3, i), xi)
		for h := range 2 {
			VMULPS(xi, weights[h], prod)
			VCVTDQ2PS(sums[2*i+h], sums[2*i+h])
			VFMADD231PS(sums[2*i+h], prod, total[2*i+h])
		}
	}
	if mins {
		for i := range m {
			VBROADCASTSS(scalar(s, s3, i), xi)
			for h := range 2 {
				VFNMADD231PS(Mem{Base: w, Disp: panelMins + 64*h}, xi, total[2*i+h])
			}
		}
	}
	ADDQ(U32(panelBlock), w)
	ADDQ(U8(32), x)
	ADDQ(U8(4), d)
	ADDQ(U8(4), s)
	if m > 4 {
		ADDQ(U8(32), x3)
		ADDQ(U8(4), d3)
		ADDQ(U8(4), s3)
	}
	DECQ(n)
	JNZ(LabelRef("loop"))

	y, ld := RBX, RCX
	Load(Param("t"), RAX)
	MOVQ(Mem{Base: RAX, Disp: tileY}, y)
	MOVQ(Mem{Base: RAX, Disp: tileYLD}, ld)
	CMPQ(Mem{Base: RAX, Disp: tileAdd}, U8(0))
	JEQ(LabelRef("store"))
	MOVQ(y, RDX)
	for i := range m {
		for h := range 2 {
			VADDPS(Mem{Base: RDX, Disp: 64 * h}, total[2*i+h], total[2*i+h])
		}
		ADDQ(ld, RDX)
	}
	Label("store")
	for i := range m {
		for h := range 2 {
			VMOVUPS(total[2*i+h], Mem{Base: y, Disp: 64 * h})
		}
		ADDQ(ld, y)
	}
	VZEROUPPER()
	RET()
}

// unpack emits the function that writes the unsigned weights of a row of n elements
// and the scales and minima of its blocks of 32.
func unpack(f int8Format) {
	function("avx512Unpack"+f.name, "q *int8, scales, mins *float32, w *byte, n int", "makes bytes of a row of weights.")
	q, scales, mins := RDI, RSI, R11
	Load(Param("q"), q)
	Load(Param("scales"), scales)
	Load(Param("mins"), mins)
	Load(Param("w"), w)
	Load(Param("n"), n)
	MOVL(U32(0xff00), EAX)
	KMOVW(EAX, K1)
	if f.half != nil {
		CMPQ(n, U8(64))
		JL(LabelRef("half"))
	}
	Label("loop")
	if f.block != nil {
		f.block(0, 1, rowScales[0])
		VMOVUPS(rowScales[0].AsY(), Mem{Base: scales})
		VEXTRACTF64X4(U8(1), rowScales[0], Mem{Base: mins})
	}
	for j := range f.steps {
		f.row(0, j, Z28, Z29, rowScales[0])
		VMOVDQU32(Z28, Mem{Base: q, Disp: 64 * j})
		if f.block == nil {
			VMOVSS(X29, Mem{Base: scales})
			VEXTRACTF32X4(U8(2), Z29, X30)
			VMOVSS(X30, Mem{Base: scales, Disp: 4})
		}
	}
	ADDQ(U32(f.size), w)
	ADDQ(U32(64*f.steps), q)
	ADDQ(U8(8*f.steps), scales)
	ADDQ(U8(8*f.steps), mins)
	SUBQ(U32(64*f.steps), n)
	if f.half != nil {
		CMPQ(n, U8(64))
		JGE(LabelRef("loop"))
		Label("half")
		TESTQ(n, n)
		JZ(LabelRef("done"))
		f.half(0, Z28, Z29)
		VMOVDQU32(Y28, Mem{Base: q})
		VMOVSS(X29, Mem{Base: scales})
		Label("done")
	} else {
		JNZ(LabelRef("loop"))
	}
	VZEROUPPER()
	RET()
}

// transpose emits the function that makes column c of 16 rows of 16 words the 16 words
// at dst + c%8·step + c/8·step8.
func transpose() {
	function("avx512Transpose", "dst *byte, step, step8 int, src *byte, srcStep int", "transposes 16 rows of 16 words.")
	dst, step, step8, src, srcStep := RDI, RSI, RDX, RBX, RCX
	Load(Param("dst"), dst)
	Load(Param("step"), step)
	Load(Param("step8"), step8)
	Load(Param("src"), src)
	Load(Param("srcStep"), srcStep)
	a, b := z[:16], z[16:]
	for i := range 16 {
		VMOVDQU32(Mem{Base: src}, a[i])
		ADDQ(srcStep, src)
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
	for c := range 4 {
		VSHUFI32X4(U8(0x88), a[4+c], a[c], b[0]) // columns c, c+8 of rows 0 to 7
		VSHUFI32X4(U8(0xdd), a[4+c], a[c], b[1]) // columns c+4, c+12
		VSHUFI32X4(U8(0x88), a[12+c], a[8+c], b[2])
		VSHUFI32X4(U8(0xdd), a[12+c], a[8+c], b[3])
		for i, imm := range []uint8{0x88, 0xdd} {
			MOVQ(dst, RAX)
			if i > 0 {
				ADDQ(step8, RAX)
			}
			VSHUFI32X4(U8(imm), b[2], b[0], b[4])
			VSHUFI32X4(U8(imm), b[3], b[1], b[5])
			VMOVDQU32(b[4], Mem{Base: RAX})
			VMOVDQU32(b[5], Mem{Base: RAX, Index: step, Scale: 4})
		}
		ADDQ(step, dst)
	}
	VZEROUPPER()
	RET()
}

// panels emits all that products with many rows of activations need.
func panels() {
	for _, m := range []int{6, 4, 2, 1} {
		panel("Q8_0", m, 7)
		panel("Q4_K", m, 0)
	}
	transpose()
}
