package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// floatFormat256 loads 8 weights as float32, or one and zeros.
type floatFormat256 struct {
	name string
	size int // bytes of a weight
	load func(from Mem, to VecPhysical)
	one  func(from Mem, to VecPhysical)
}

var f32x256 = floatFormat256{"F32", 4,
	func(from Mem, to VecPhysical) { VMOVUPS(from, to) },
	func(from Mem, to VecPhysical) { VMOVSS(from, to.AsX()) }}

var f16x256 = floatFormat256{"F16", 2,
	func(from Mem, to VecPhysical) { VCVTPH2PS(from, to) },
	func(from Mem, to VecPhysical) {
		MOVWLZX(from, EAX)
		VMOVD(EAX, to.AsX())
		VCVTPH2PS(to.AsX(), to)
	}}

var bf16x256 = floatFormat256{"BF16", 2,
	func(from Mem, to VecPhysical) { VPMOVZXWD(from, to); VPSLLD(U8(16), to, to) },
	func(from Mem, to VecPhysical) {
		MOVWLZX(from, EAX)
		SHLL(U8(16), EAX)
		VMOVD(EAX, to.AsX())
	}}

// float256 emits a kernel for float32 activations, 8 elements a step and the last ones
// one by one.
func float256(f floatFormat256, rows, m int) {
	begin("avx2", f.name, rows, m)
	xs, row := y[12:15], Y15
	clear256(rows, m)
	step := func(load func(from Mem, to VecPhysical), loadX func(from Mem, to VecPhysical)) {
		for i := range m {
			loadX(activation(i, 0), xs[i])
		}
		for r := range rows {
			load(weight(r, 0), row)
			for i := range m {
				VFMADD231PS(xs[i], row, y[4*i+r])
			}
		}
	}
	MOVQ(n, RDX)
	SHRQ(U8(3), RDX)
	JZ(LabelRef("tail"))
	Label("loop")
	for r := range rows {
		PREFETCHT0(weight(r, prefetch))
	}
	step(f.load, f32x256.load)
	ADDQ(U8(8*f.size), w)
	ADDQ(U8(32), x)
	DECQ(RDX)
	JNZ(LabelRef("loop"))
	Label("tail")
	ANDQ(U8(7), n)
	JZ(LabelRef("done"))
	Label("one")
	step(f.one, f32x256.one)
	ADDQ(U8(f.size), w)
	ADDQ(U8(4), x)
	DECQ(n)
	JNZ(LabelRef("one"))
	Label("done")
	finish256(rows, m)
}
