package main

// Formats with blocks of 32 elements. A step is four blocks.

func splat(b byte) (v [16]byte) {
	for i := range v {
		v[i] = b
	}
	return v
}

// blocks32 makes a format of blocks of so many bytes. scale makes scales, and minima,
// in lanes; block makes the weights of the block that lies at bytes from w, in registers
// to and to+1.
func blocks32(f int8Format, scale func(a *asm, w string, blocks int), block func(a *asm, w string, at, to int)) int8Format {
	f.group, f.step, f.size = 32, 128, 4*f.block
	f.scales = scale
	f.weights = func(a *asm, w string, _, blocks int) {
		for b := range blocks {
			block(a, w, f.block*b, q+2*b)
		}
	}
	return f
}

// lanes loads a number by the instruction load from at bytes into each block, side by
// side, and leaves them in register to: 16 bits each.
func (a *asm) lanes(load string, w string, at, block, blocks, to int) {
	for b := range blocks {
		a.f("%s %d(%s), %s", load, at+block*b, w, tmp[b])
	}
	if blocks == 4 {
		a.f("ORR %s<<16, %s, %s", tmp[1], tmp[0], tmp[0])
		a.f("ORR %s<<16, %s, %s", tmp[3], tmp[2], tmp[2])
		a.f("ORR %s<<32, %s, %s", tmp[2], tmp[0], tmp[0])
	}
	a.f("FMOVD %s, F%d", tmp[0], to)
}

// half makes scales of an f16 that begins a block.
func half(block int) func(a *asm, w string, blocks int) {
	return func(a *asm, w string, blocks int) {
		a.lanes("MOVHU", w, 0, block, blocks, other)
		a.op("fcvtl", other, other)
	}
}

// halfAndMin makes also minima of the f16 behind it, which Q4_1 and Q5_1 add.
func halfAndMin(block int) func(a *asm, w string, blocks int) {
	return func(a *asm, w string, blocks int) {
		half(block)(a, w, blocks)
		a.lanes("MOVHU", w, 2, block, blocks, minAt)
		a.op("fcvtl", minAt, minAt)
		a.op("fneg", minAt, minAt)
	}
}

// q8_0: f16 scale, 32 int8.
var q8_0 = blocks32(int8Format{name: "Q8_0", block: 34}, half(34), func(a *asm, w string, at, to int) {
	a.f("FMOVQ %d(%s), F%d", at+2, w, to)
	a.f("FMOVQ %d(%s), F%d", at+18, w, to+1)
})

// nibbles loads 16 bytes: the low halves are 16 elements, the high ones the next. The
// first constant is their mask.
func (a *asm) nibbles(w string, at, to int) {
	a.f("FMOVQ %d(%s), F%d", at, w, to+1)
	a.op("and", to, to+1, constAt)
	a.shift("ushr", to+1, to+1, 4)
}

// q4_0: f16 scale, 32 times 4 bits, less 8.
var q4_0 = blocks32(int8Format{name: "Q4_0", block: 18, consts: [][16]byte{splat(15), splat(8)}}, half(18), func(a *asm, w string, at, to int) {
	a.nibbles(w, at+2, to)
	a.op("sub 16b", to, to, constAt+1)
	a.op("sub 16b", to+1, to+1, constAt+1)
})

// q4_1: f16 scale, f16 minimum, 32 times 4 bits.
var q4_1 = blocks32(int8Format{name: "Q4_1", block: 20, minima: true, consts: [][16]byte{splat(15)}}, halfAndMin(20), func(a *asm, w string, at, to int) {
	a.nibbles(w, at+4, to)
})

// fifths are the constants of fifth.
var fifths = [][16]byte{splat(15), splat(16),
	{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1},
	{2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3},
	{1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128}}

// fifth puts the 32 bits at above the 4 that 32 elements have.
func (a *asm) fifth(w string, at, to int) {
	const sixteen, bytes, bits = constAt + 1, constAt + 2, constAt + 4
	a.f("FMOVS %d(%s), F%d", at, w, xs)
	for h := range 2 {
		a.op("tbl", xs+1, xs, bytes+h)
		a.op("cmtst 16b", xs+1, xs+1, bits)
		a.op("bit", to+h, xs+1, sixteen)
	}
}

// q5_0: f16 scale, 32 fifth bits, 32 times 4 bits; less 16.
var q5_0 = blocks32(int8Format{name: "Q5_0", block: 22, consts: fifths}, half(22), func(a *asm, w string, at, to int) {
	a.nibbles(w, at+6, to)
	a.fifth(w, at+2, to)
	a.op("sub 16b", to, to, constAt+1)
	a.op("sub 16b", to+1, to+1, constAt+1)
})

// q5_1: f16 scale, f16 minimum, 32 fifth bits, 32 times 4 bits.
var q5_1 = blocks32(int8Format{name: "Q5_1", block: 24, minima: true, consts: fifths}, halfAndMin(24), func(a *asm, w string, at, to int) {
	a.nibbles(w, at+8, to)
	a.fifth(w, at+4, to)
})

// table makes a vector of the values that 4 bits stand for.
func table(values ...int8) (v [16]byte) {
	for i, x := range values {
		v[i] = byte(x)
	}
	return v
}

var iq4Table = table(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)

// lookUp loads 32 times 4 bits, which the second constant has the values of.
func (a *asm) lookUp(w string, at, to int) {
	a.nibbles(w, at, to)
	a.op("tbl", to, constAt+1, to)
	a.op("tbl", to+1, constAt+1, to+1)
}

// iq4NL: f16 scale, 32 times 4 bits.
var iq4NL = blocks32(int8Format{name: "IQ4_NL", block: 18, consts: [][16]byte{splat(15), iq4Table}}, half(18), func(a *asm, w string, at, to int) {
	a.lookUp(w, at+2, to)
})

// mxfp4: a byte e, 32 times 4 bits. The scale is 2^(e-128), of which float32 has no
// normal number for e below 2, but the product of two near 2^(e/2-64).
var mxfp4 = blocks32(int8Format{name: "MXFP4", block: 17, consts: [][16]byte{
	splat(15), table(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12), {63, 0, 0, 0, 63, 0, 0, 0, 63, 0, 0, 0, 63}}},
	func(a *asm, w string, blocks int) {
		a.lanes("MOVBU", w, 0, 17, blocks, other)
		a.op("uxtl", other, other)
		a.op("ushr #1", other+1, other)
		a.op("sub", other, other, other+1)
		for _, v := range []int{other, other + 1} {
			a.op("add", v, v, constAt+2)
			a.op("shl #23", v, v)
		}
		a.op("fmul", other, other, other+1)
	},
	func(a *asm, w string, at, to int) { a.lookUp(w, at+1, to) })
