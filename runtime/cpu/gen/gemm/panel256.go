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
	steps int // that 16 bits hold the sums of; 0: sums have 32
}

var shapes256 = []shape256{
	{"I16", 32, 2, 0},
	{"U4x32", 32, 4, 8}, // 8 steps of 2·15·127
	{"U5x32", 32, 4, 4}, // 4 steps of 2·31·127
	{"U5x16", 16, 4, 4},
	{"U6x16", 16, 4, 2}, // 2 steps of 2·63·127
}

func (s shape256) words() bool { return s.step == 2 }

// scales and mins are where a panel has them, behind the weights, and block the bytes
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

// actsAhead is how far ahead kernels ask for tiles, which may come from a far cache.
const actsAhead = 1536

// instructions multiply pairs of elements and add the products.
func (s shape256) instructions() (multiply, add func(a, b, to Op)) {
	if s.words() {
		return func(a, b, to Op) { VPMADDWD(a, b, to) }, func(a, b, to Op) { VPADDD(a, b, to) }
	}
	return func(a, b, to Op) { VPMADDUBSW(a, b, to) }, func(a, b, to Op) { VPADDW(a, b, to) }
}

// panel256 emits a kernel that adds to y, m rows of 16 sums, the products of a panel
// with m rows of activations. Sums of a group stay in registers, what the groups come
// to in y, which the first cache holds.
func panel256(s shape256, m int) {
	function(fmt.Sprintf("avx2Panel%s_%d", s.name, m), "t *tile", fmt.Sprintf("adds the products of a panel with %d rows of activations.", m))
	steps, parts := s.group/s.step, 1
	if s.steps > 0 {
		parts = steps / s.steps
	}
	var before Mem // sums of the parts of a group so far
	if parts > 1 {
		before = AllocLocal(64 * m)
	}
	totals := RBX
	Load(Param("t"), RAX)
	MOVQ(Mem{Base: RAX, Disp: tileY}, totals)
	MOVQ(Mem{Base: RAX, Disp: tileW}, w)
	MOVQ(Mem{Base: RAX, Disp: tileX}, x)
	MOVQ(Mem{Base: RAX, Disp: tileN}, n)
	sums, weights, xi, prod := y[:12], y[12:14], Y14, Y15
	multiply, add := s.instructions()
	Label("loop")
	for j := range steps {
		for h := range 2 {
			VMOVDQU(Mem{Base: w, Disp: 64*j + 32*h}, weights[h])
		}
		if 64*j < s.actBlock(m) {
			PREFETCHT0(Mem{Base: x, Disp: actsAhead + 64*j})
		}
		for i := range m {
			VPBROADCASTD(Mem{Base: x, Disp: 4 * (steps*i + j)}, xi)
			if j%(steps/parts) == 0 {
				multiply(xi, weights[0], sums[2*i])
				multiply(xi, weights[1], sums[2*i+1])
				continue
			}
			multiply(xi, weights[0], prod)
			multiply(xi, weights[1], xi)
			add(prod, sums[2*i], sums[2*i])
			add(xi, sums[2*i+1], sums[2*i+1])
		}
		if part := j * parts / steps; !s.words() && (j+1)*parts%steps == 0 {
			VMOVDQU(ones256(), prod)
			for i, sum := range sums[:2*m] {
				VPMADDWD(prod, sum, sum)
				if part > 0 {
					VPADDD(before.Offset(32*i), sum, sum)
				}
				if part+1 < parts {
					VMOVDQU(sum, before.Offset(32*i))
				}
			}
		}
	}
	for h := range 2 {
		VMOVUPS(Mem{Base: w, Disp: s.scales() + 32*h}, weights[h])
	}
	for i := range m {
		d := Mem{Base: x, Disp: 4 * (steps*m + i)}
		VBROADCASTSS(d, xi)
		for h, sum := range sums[2*i : 2*i+2] {
			VCVTDQ2PS(sum, sum)
			VMULPS(xi, weights[h], prod)
			VFMADD213PS(Mem{Base: totals, Disp: 64*i + 32*h}, prod, sum)
		}
		if !s.words() {
			VBROADCASTSS(d.Offset(4*m), xi)
			for h, sum := range sums[2*i : 2*i+2] {
				VFNMADD231PS(Mem{Base: w, Disp: s.mins() + 32*h}, xi, sum)
			}
		}
		for h, sum := range sums[2*i : 2*i+2] {
			VMOVUPS(sum, Mem{Base: totals, Disp: 64*i + 32*h})
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
