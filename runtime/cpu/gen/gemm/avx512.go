package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

var z = []VecPhysical{
	Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15,
	Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31,
}

// accumulator returns the register for row r of W times row i of activations. A row
// of activations takes four even where rows of W are fewer: finish wants them free.
func accumulator(i, r int) VecPhysical { return z[4*i+r] }

func clearAll(rows, m int) {
	for i := range m {
		for r := range rows {
			a := accumulator(i, r)
			VPXORD(a, a, a)
		}
	}
}

// finish512 is finish for kernels that accumulate 16 partial sums.
func finish512(rows, m int) {
	finish(rows, m, func(i, r int, to VecPhysical) {
		a := accumulator(i, r)
		VEXTRACTF64X4(U8(1), a, Y31)
		VADDPS(Y31, a.AsY(), to)
	})
}

// floatFormat loads 16 weights as float32, or those that the mask K1 selects.
type floatFormat struct {
	name   string
	size   int // bytes of a weight
	load   func(from Mem, to VecPhysical)
	masked func(from Mem, to VecPhysical)
}

var f32 = floatFormat{"F32", 4,
	func(from Mem, to VecPhysical) { VMOVUPS(from, to) },
	func(from Mem, to VecPhysical) { VMOVUPS_Z(from, K1, to) }}

var f16 = floatFormat{"F16", 2,
	func(from Mem, to VecPhysical) { VCVTPH2PS(from, to) },
	func(from Mem, to VecPhysical) { VCVTPH2PS_Z(from, K1, to) }}

var bf16 = floatFormat{"BF16", 2,
	func(from Mem, to VecPhysical) { VPMOVZXWD(from, to); VPSLLD(U8(16), to, to) },
	func(from Mem, to VecPhysical) { VPMOVZXWD_Z(from, K1, to); VPSLLD(U8(16), to, to) }}

// float emits a kernel for float32 activations, 16 elements a step.
func float(f floatFormat, rows, m int) {
	begin("avx512", f.name, rows, m)
	weights, xi := z[24:28], Z28
	clearAll(rows, m)
	step := func(load func(Mem, VecPhysical)) {
		for r := range rows {
			PREFETCHT0(weight(r, prefetch))
			load(weight(r, 0), weights[r])
		}
		for i := range m {
			VMOVUPS(activation(i, 0), xi)
			for r := range rows {
				VFMADD231PS(xi, weights[r], accumulator(i, r))
			}
		}
	}
	MOVQ(n, RAX)
	SHRQ(U8(4), RAX)
	JZ(LabelRef("tail"))
	Label("loop")
	step(f.load)
	ADDQ(U8(16*f.size), w)
	ADDQ(U8(64), x)
	if m > 4 {
		ADDQ(U8(64), x3)
	}
	DECQ(RAX)
	JNZ(LabelRef("loop"))
	Label("tail")
	ANDL(U8(15), ECX)
	JZ(LabelRef("done"))
	MOVL(U32(1), EAX)
	SHLL(CL, EAX)
	DECL(EAX)
	KMOVW(EAX, K1)
	step(f.masked)
	Label("done")
	finish512(rows, m)
}

// int8Format is a format of quantised weights. Kernels take 64 elements a step.
type int8Format struct {
	name   string
	steps  int                                // in a block, or in what the loop takes at a time
	size   int                                // bytes of W that the loop takes
	offset Mem                                // what the unsigned weights of row have too much, 4 bytes; no Symbol: nothing
	block  func(r, m int, scales VecPhysical) // scales of a block, where they serve several steps
	mins   func(rows, m int)                  // after all blocks: subtracts the minima
	row    func(r, step int, to, scale, scales VecPhysical)
	half   func(r int, to, scale VecPhysical) // a last step of 32 elements
	d      Mem                                // which of 8 d of activations goes with each scale of a block; no Symbol: its own
}

// Registers of int8 kernels beside the accumulators z[:16].
var (
	actScale  = z[16:20] // a row of activations: d of both blocks of 32
	actOffset = z[20:24] // a row of activations: what offset adds
	rowScales = z[24:28] // a row of W: scales of the block
	q, scale  = Z28, Z29
	sum, prod = Z30, Z31
)

// Lanes 8 to 15, the second block of 32 of a step, are those of K1.
func int8Kernel(f int8Format, rows, m int) {
	begin("avx512", f.name, rows, m)
	MOVQ(Mem{Base: RAX, Disp: tileD}, d)
	if f.mins != nil {
		MOVQ(Mem{Base: RAX, Disp: tileS}, s)
	}
	MOVL(U32(0xff00), EAX)
	KMOVW(EAX, K1)
	clearAll(rows, m)
	// The scales of a block take in the d of one row of activations all at once.
	scaled := m == 1 && f.block != nil
	step := func(j int, row func(r int)) {
		for i := range m {
			if !scaled {
				VBROADCASTSS(at(d, xStep, xStep3, i, 8*j), actScale[i])
				VBROADCASTSS(at(d, xStep, xStep3, i, 8*j+4), K1, actScale[i])
			}
			if f.offset.Symbol.Name != "" {
				VPXORD(prod, prod, prod)
				VPBROADCASTD(f.offset, q)
				VPXORD(sum, sum, sum)
				VPDPBUSD(activation(i, 64*j), q, sum)
				VPSUBD(sum, prod, actOffset[i])
			}
		}
		for r := range rows {
			row(r)
			for i := range m {
				if f.offset.Symbol.Name != "" {
					VMOVDQA32(actOffset[i], sum)
				} else {
					VPXORD(sum, sum, sum)
				}
				VPDPBUSD(activation(i, 64*j), q, sum)
				VCVTDQ2PS(sum, sum)
				if scaled {
					VFMADD231PS(sum, scale, accumulator(i, r))
					continue
				}
				VMULPS(actScale[i], scale, prod)
				VFMADD231PS(sum, prod, accumulator(i, r))
			}
		}
	}
	if f.half != nil {
		CMPQ(n, U8(64))
		JL(LabelRef("half"))
	}
	Label("loop")
	for r := range rows {
		for line := 0; line < f.size; line += 64 {
			PREFETCHT0(weight(r, prefetch+line))
		}
	}
	if f.block != nil {
		for r := range rows {
			f.block(r, m, rowScales[r])
		}
	}
	if f.mins != nil {
		f.mins(rows, m)
	}
	if scaled {
		VMOVUPS(Mem{Base: d}, actScale[0].AsY())
		if f.d.Symbol.Name != "" {
			VMOVDQU32(f.d, q)
			VPERMPS(actScale[0], q, actScale[0])
		}
		for r := range rows {
			VMULPS(actScale[0], rowScales[r], rowScales[r])
		}
	}
	for j := range f.steps {
		step(j, func(r int) { f.row(r, j, q, scale, rowScales[r]) })
	}
	ADDQ(U32(f.size), w)
	ADDQ(U32(64*f.steps), x)
	ADDQ(U8(8*f.steps), d)
	if f.mins != nil {
		ADDQ(U8(8*f.steps), s)
	}
	SUBQ(U32(64*f.steps), n)
	if f.half != nil {
		CMPQ(n, U8(64))
		JGE(LabelRef("loop"))
		Label("half")
		TESTQ(n, n)
		JZ(LabelRef("done"))
		step(0, func(r int) { f.half(r, q, scale) })
		Label("done")
	} else {
		JNZ(LabelRef("loop"))
	}
	finish512(rows, m)
}

// q8_0: f16 scale, 32 int8. Weights are made unsigned by adding 128.
func q8_0() int8Format {
	offset := words("offsetQ8_0", 0x80808080)
	return int8Format{name: "Q8_0", steps: 1, size: 68, offset: offset,
		row: func(r, _ int, to, scale, _ VecPhysical) {
			VMOVDQU32(weight(r, 2), to.AsY())
			VINSERTI64X4(U8(1), weight(r, 36), to, to)
			VPXORD_BCST(offset, to, to)
			VPBROADCASTW(weight(r, 0), scale.AsY())
			VPBROADCASTW(weight(r, 34), K1, scale.AsY())
			VCVTPH2PS(scale.AsY(), scale)
		},
		half: func(r int, to, scale VecPhysical) {
			VMOVDQU32(weight(r, 2), to.AsY())
			VPXORD_BCST(offset, to, to)
			VPBROADCASTW(weight(r, 0), scale.AsX())
			VCVTPH2PS(scale.AsY(), scale)
		},
	}
}

// halves returns 16 words for lanes 0 to 7 and 8 to 15.
func halves(name string, low, high uint32) Mem {
	var v []uint32
	for i := range 16 {
		if i < 8 {
			v = append(v, low)
		} else {
			v = append(v, high)
		}
	}
	return words(name, v...)
}

// q4K: f16 d, f16 dmin, 8 scales and 8 minima of 6 bits in 12 bytes, 256 times 4
// bits, of which 32 bytes hold two blocks of 32: the low and the high halves.
func q4K() int8Format {
	nibble := words("nibbles", 0x0f0f0f0f)
	shift := halves("shiftQ4_K", 0, 4)
	var pick [4]Mem
	for j := range pick {
		pick[j] = halves("pickQ4_K"+string(rune('0'+j)), uint32(2*j), uint32(2*j+1))
	}
	return int8Format{name: "Q4_K", steps: 4, size: 144,
		block: func(r, _ int, scales VecPhysical) {
			// Bytes 0 to 3 are scales, 4 to 7 minima: the 6 low bits of blocks 0 to
			// 3, above them the 2 high bits of blocks 4 to 7. Bytes 8 to 11 are the
			// 4 low bits of the scales and the minima of blocks 4 to 7.
			MOVQ(weight(r, 4), RAX)
			MOVL(weight(r, 12), EDX)
			MOVQ(U64(0x3f3f3f3f3f3f3f3f), RBX)
			ANDQ(RAX, RBX)
			VMOVQ(RBX, X30)
			SHRQ(U8(2), RAX)
			MOVQ(U64(0x3030303030303030), RBX)
			ANDQ(RBX, RAX)
			MOVQ(RDX, RBX)
			SHLQ(U8(28), RBX)
			ORQ(RBX, RDX)
			MOVQ(U64(0x0f0f0f0f0f0f0f0f), RBX)
			ANDQ(RBX, RDX)
			ORQ(RDX, RAX)
			VMOVQ(RAX, X31)
			VPUNPCKLDQ(X31, X30, X30)
			VPMOVZXBD(X30, Z30) // 8 scales, 8 minima
			VCVTDQ2PS(Z30, Z30)
			VPBROADCASTW(weight(r, 0), Y31)
			VPBROADCASTW(weight(r, 2), K1, Y31)
			VCVTPH2PS(Y31, Z31)
			VMULPS(Z31, Z30, scales)
		},
		mins: func(rows, m int) {
			for i := range m {
				VBROADCASTF32X8(at(s, xStep, xStep3, i, 0), sum)
				for r := range rows {
					VFNMADD231PS(sum, rowScales[r], K1, accumulator(i, r))
				}
			}
		},
		row: func(r, j int, to, scale, scales VecPhysical) {
			VBROADCASTI64X4(weight(r, 16+32*j), to)
			VPSRLVD(shift, to, to)
			VPANDD_BCST(nibble, to, to)
			VMOVDQU32(pick[j], scale)
			VPERMPS(scales, scale, scale)
		},
	}
}

// q6K: 256 times 4 low bits in 128 bytes, 2 high bits in 64 bytes, 16 int8 scales,
// f16 d. 64 and 32 bytes hold 128 elements: the low halves are 64 elements, the high
// ones the next; the four pairs of high bits are 32 elements each.
func q6K() int8Format {
	nibble := words("nibblesQ6_K", 0x0f0f0f0f)
	high := words("highQ6_K", 0x30303030)
	left, right := halves("leftQ6_K", 4, 2), halves("rightQ6_K", 0, 2)
	var pick [4]Mem
	for j := range pick {
		var v []uint32
		for i := range 16 {
			v = append(v, uint32(4*j+i/4))
		}
		pick[j] = words("pickQ6_K"+string(rune('0'+j)), v...)
	}
	return int8Format{name: "Q6_K", steps: 4, size: 210, d: words("pairsQ6_K", 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7), offset: words("offsetQ6_K", 0x20202020),
		block: func(r, _ int, scales VecPhysical) {
			VPMOVSXBD(weight(r, 192), Z30)
			VCVTDQ2PS(Z30, Z30)
			VPBROADCASTW(weight(r, 208), Y31)
			VCVTPH2PS(Y31, Z31)
			VMULPS(Z31, Z30, scales)
		},
		row: func(r, j int, to, scale, scales VecPhysical) {
			VMOVDQU32(weight(r, 64*(j/2)), to)
			VBROADCASTI64X4(weight(r, 128+32*(j/2)), sum)
			if j%2 == 0 {
				VPSLLVD(left, sum, sum)
			} else {
				VPSRLD(U8(4), to, to)
				VPSRLVD(right, sum, sum)
			}
			VPANDD_BCST(nibble, to, to)
			VPTERNLOGD_BCST(U8(0xf8), high, sum, to) // to | sum & high
			VMOVDQU32(pick[j], scale)
			VPERMPS(scales, scale, scale)
		},
	}
}
