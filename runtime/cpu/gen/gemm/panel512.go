package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// A shape512 is a layout of 32 rows of W and of rows of activations. For each group of
// elements a panel has 4 unsigned bytes of each row, the next 4, and so on, then the
// scales and the minima of the rows as float32. A tile of activations has a group of
// each row, then their d, and then their s, or, without minima, what sums begin with:
// such weights have 128 too much, so that it is -128·Σq.
type shape512 struct {
	group  int
	minima bool
}

var shapes512 = []shape512{{32, false}, {32, true}, {16, false}, {16, true}}

func (s shape512) name() string {
	if s.minima {
		return fmt.Sprintf("%dm", s.group)
	}
	return fmt.Sprint(s.group)
}

// scales and mins are where a panel has them, behind the weights; block is the bytes
// of a group.
func (s shape512) scales() int { return 32 * s.group }
func (s shape512) mins() int   { return s.scales() + 128 }
func (s shape512) block() int {
	if s.minima {
		return s.mins() + 128
	}
	return s.mins()
}

// actBlock returns the bytes of a group of m rows of activations.
func (s shape512) actBlock(m int) int { return m * (s.group + 8) }

// panel512 emits a kernel for the products of a panel with m rows of activations.
// Vector instructions bound it: for six rows and 32 elements 96 VPDPBUSD and 36 that
// convert, scale and add their sums, 60 with groups of 16, of which both share the
// activations' d. 12 more take the minima away of each group. Sums of one group and,
// of groups of 32, what they come to fill 24 registers. The sums of two groups of 16
// fill them alone; their totals stay in y.
//
// The sums of a row of activations are on their way while those of the next row are
// finished: all at the end would leave the multipliers waiting for the first of them.
func panel512(s shape512, m int) {
	beginPanel512(s.name(), m)
	groups := 32 / s.group
	sums, totals := [][]VecPhysical{z[:2*m], z[12 : 12+2*m]}[:groups], z[12:12+2*m]
	weights, scale, xi, di := z[24:26], z[26:28], Z28, Z29
	mins, minsLast := [][]VecPhysical{z[30:32]}, false
	if groups > 1 {
		mins, minsLast = [][]VecPhysical{z[24:26], z[26:28]}, s.minima // where others were
	}
	loadMins := func() {
		for g := range groups {
			for h := range 2 {
				VMOVUPS(Mem{Base: w, Disp: g*s.block() + s.mins() + 64*h}, mins[g][h])
			}
		}
	}
	// total adds what the sums of row i have come to.
	total := func(i int) {
		act := Mem{Base: x, Disp: s.group*m + 4*i}
		VBROADCASTSS(act, di)
		to := totals[2*i : 2*i+2]
		if groups == 1 {
			for h := range 2 {
				VFMADD231PS(di, sums[0][2*i+h], to[h])
			}
		} else {
			to = sums[1][2*i : 2*i+2]
			for h := range 2 {
				VFMADD213PS(y512(2*i+h), di, to[h])
			}
		}
		if s.minima {
			for g := range groups {
				VBROADCASTSS(act.Offset(g*s.actBlock(m)+4*m), di)
				for h := range 2 {
					VFNMADD231PS(di, mins[g][h], to[h])
				}
			}
		}
		if groups > 1 {
			for h := range 2 {
				VMOVUPS(to[h], y512(2*i+h))
			}
		}
	}
	clear512(totals)
	if groups > 1 {
		TESTQ(add, add)
		JNZ(LabelRef("loop"))
		for i, total := range totals {
			VMOVUPS(total, y512(i))
		}
	}
	Label("loop")
	askAhead()
	for g, sums := range sums {
		weight := func(disp, h int) Mem { return Mem{Base: w, Disp: g*s.block() + disp + 64*h} }
		act := Mem{Base: x, Disp: g * s.actBlock(m)}
		for i, sum := range sums {
			switch {
			case s.minima:
				VPXORD(sum, sum, sum)
			case i%2 == 0:
				VPBROADCASTD(act.Offset((s.group+4)*m+i/2*4), sum)
			default:
				VMOVDQA32(sums[i-1], sum)
			}
		}
		finish := func(i int) {
			for h := range 2 {
				VCVTDQ2PS(sums[2*i+h], sums[2*i+h])
			}
			for h := range 2 {
				if sum := sums[2*i+h]; g == 0 {
					VMULPS(scale[h], sum, sum)
				} else {
					VFMADD213PS(z[2*i+h], scale[h], sum) // onto those of the group before
				}
			}
			if g == groups-1 && !minsLast {
				total(i)
			}
		}
		last := s.group/4 - 1
		for j := range s.group / 4 {
			for h := range 2 {
				VMOVDQU32(weight(128*j, h), weights[h])
			}
			if j == last {
				for h := range 2 {
					VMOVUPS(weight(s.scales(), h), scale[h])
				}
				if s.minima && !minsLast {
					loadMins()
				}
			}
			if 64*j < s.actBlock(m) {
				PREFETCHT0(act.Offset(actsAhead + 64*j))
			}
			for i := range m {
				VPBROADCASTD(act.Offset(s.group*i+4*j), xi)
				for h := range 2 {
					VPDPBUSD(xi, weights[h], sums[2*i+h])
				}
				if j == last && i > 0 {
					finish(i - 1)
				}
			}
		}
		finish(m - 1)
	}
	if minsLast {
		loadMins()
		for i := range m {
			total(i)
		}
	}
	ADDQ(U32(groups*s.block()), w)
	ADDQ(U32(groups*s.actBlock(m)), x)
	SUBQ(U8(32), n)
	JNZ(LabelRef("loop"))
	MOVQ(ahead, Mem{Base: RAX, Disp: tileAhead})
	if groups == 1 {
		finishPanel512(totals)
		return
	}
	VZEROUPPER()
	RET()
}

// Registers that lead to the rows of y, y3 being the fourth, and what add is.
var y0, yLD, yLD3, y3, add = RBX, RDX, RSI, RDI, R9

// What is left to ask for.
var ahead, aheadEnd = R12, R13

// y512 returns the address of half a row of y, i counting halves of at most six rows.
func y512(i int) Mem {
	base := y0
	if i >= 6 {
		base = y3
	}
	half := Mem{Base: base, Disp: 64 * (i % 2)}
	if row := i / 2 % 3; row > 0 {
		half = half.Idx(yLD, uint8(row))
	}
	return half
}

func beginPanel512(shape string, m int) {
	function(fmt.Sprintf("avx512Panel%s_%d", shape, m), "t *tile", fmt.Sprintf("multiplies a panel with %d rows of activations.", m))
	Load(Param("t"), RAX)
	field := func(at int, to Register) { MOVQ(Mem{Base: RAX, Disp: at}, to) }
	field(tileW, w)
	field(tileX, x)
	field(tileN, n)
	field(tileY, y0)
	field(tileYLD, yLD)
	field(tileAdd, add)
	field(tileAhead, ahead)
	field(tileAheadEnd, aheadEnd)
	LEAQ(Mem{Base: yLD, Index: yLD, Scale: 2}, yLD3)
	LEAQ(Mem{Base: y0, Index: yLD3, Scale: 1}, y3)
}

// askAhead asks the second cache for a few lines of what is to be packed next: what
// three kernels for six rows ask for in a panel is the next one.
func askAhead() {
	const lines = 6
	for i := range lines {
		PREFETCHT1(Mem{Base: ahead, Disp: 64 * i})
	}
	ADDQ(U32(64*lines), ahead)
	CMPQ(ahead, aheadEnd)
	CMOVQHI(aheadEnd, ahead)
}

func clear512(vectors []VecPhysical) {
	for _, v := range vectors {
		VPXORD(v, v, v)
	}
}

// finishPanel512 writes totals to y, or adds them to it, and ends the kernel.
func finishPanel512(totals []VecPhysical) {
	for at := 0; at < len(totals); at += 12 {
		six := totals[at:min(at+12, len(totals))]
		if at > 0 {
			LEAQ(Mem{Base: y0, Index: yLD3, Scale: 2}, y0)
			LEAQ(Mem{Base: y3, Index: yLD3, Scale: 2}, y3)
		}
		write := fmt.Sprintf("write%d", at)
		TESTQ(add, add)
		JZ(LabelRef(write))
		for i, total := range six {
			VADDPS(y512(i), total, total)
		}
		Label(write)
		for i, total := range six {
			VMOVUPS(total, y512(i))
		}
	}
	VZEROUPPER()
	RET()
}

// panelFloat512 emits a kernel for the products of a panel of floats with m rows of
// activations. A panel has an element of all rows after the other, a tile of
// activations 16 elements of each row, then the next. n is a multiple of 16.
func panelFloat512(m int) {
	beginPanel512("Float", m)
	sums, weights, xi := z[:2*m], z[24:26], Z26
	clear512(sums)
	Label("loop")
	for k := range 16 {
		for h := range 2 {
			VMOVUPS(Mem{Base: w, Disp: 128*k + 64*h}, weights[h])
		}
		if k < m {
			PREFETCHT0(Mem{Base: x, Disp: actsAhead + 64*k})
		}
		for i := range m {
			VBROADCASTSS(Mem{Base: x, Disp: 64*i + 4*k}, xi)
			for h := range 2 {
				VFMADD231PS(xi, weights[h], sums[2*i+h])
			}
		}
	}
	ADDQ(U32(16*128), w)
	ADDQ(U32(64*m), x)
	SUBQ(U8(16), n)
	JNZ(LabelRef("loop"))
	finishPanel512(sums)
}

// panels512 emits all that products with many rows of activations need.
func panels512() {
	for _, s := range shapes512 {
		for _, m := range []int{6, 4, 2, 1} {
			panel512(s, m)
		}
		if !s.minima { // those with minima are as AVX2 has them
			spread512(s)
		}
	}
	for _, m := range []int{12, 6, 4, 2, 1} {
		panelFloat512(m)
	}
	spreadFloat512()
	interleave512("", f32, true)
	interleave512(f16.name, f16, false)
	interleave512(bf16.name, bf16, false)
}
