package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Panels of floats hold 16 rows of W as float32, an element of all rows after the
// other. Tiles of activations have 8 elements of each of m rows, then the next 8.

// panelFloat256 emits a kernel that adds to y, m rows of 16 sums, the products of a
// panel with m rows of activations. n is a multiple of 8.
func panelFloat256(m int) {
	function(fmt.Sprintf("avx2PanelFloat_%d", m), "t *tile", fmt.Sprintf("adds the products of a panel with %d rows of activations.", m))
	totals := RBX
	Load(Param("t"), RAX)
	MOVQ(Mem{Base: RAX, Disp: tileY}, totals)
	MOVQ(Mem{Base: RAX, Disp: tileW}, w)
	MOVQ(Mem{Base: RAX, Disp: tileX}, x)
	MOVQ(Mem{Base: RAX, Disp: tileN}, n)
	sums, weights, xi := y[:2*m], y[12:14], Y14
	for i, sum := range sums {
		VMOVUPS(Mem{Base: totals, Disp: 32 * i}, sum)
	}
	Label("loop")
	for k := range 8 {
		for h := range 2 {
			VMOVUPS(Mem{Base: w, Disp: 64*k + 32*h}, weights[h])
		}
		if 64*k < 32*m {
			PREFETCHT0(Mem{Base: x, Disp: actsAhead + 64*k})
		}
		for i := range m {
			VBROADCASTSS(Mem{Base: x, Disp: 32*i + 4*k}, xi)
			for h := range 2 {
				VFMADD231PS(xi, weights[h], sums[2*i+h])
			}
		}
	}
	ADDQ(U32(8*64), w)
	ADDQ(U32(32*m), x)
	SUBQ(U8(8), n)
	JNZ(LabelRef("loop"))
	for i, sum := range sums {
		VMOVUPS(sum, Mem{Base: totals, Disp: 32 * i})
	}
	VZEROUPPER()
	RET()
}

// interleaveFloat256 emits the function that makes half of a panel of 8 rows of n
// elements, a multiple of 8.
func interleaveFloat256(f floatFormat) {
	function("avx2Interleave"+f.name, "panel, w *byte, step, n int", "interleaves 8 rows of n weights.")
	panel := RDI
	Load(Param("panel"), panel)
	Load(Param("w"), w)
	Load(Param("step"), wStep)
	Load(Param("n"), n)
	a, b := y[:8], y[8:]
	Label("loop")
	MOVQ(w, RAX)
	for i := range 8 {
		f.load(Mem{Base: RAX}, a[i])
		ADDQ(wStep, RAX)
	}
	transpose256(a, b)
	for c := range 8 {
		VMOVUPS(b[c], Mem{Base: panel, Disp: 64 * c})
	}
	ADDQ(U32(8*64), panel)
	ADDQ(U8(8*f.size), w)
	SUBQ(U8(8), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// spreadFloat256 emits the function that puts a row of activations into a tile: groups
// of 8, step bytes apart.
func spreadFloat256() {
	function("avx2SpreadFloat", "q *byte, dAt, step, m int, fromQ *byte, fromD, fromS *float32, n int", "puts a row of activations into a tile.")
	to, step, from, n := RDI, RBX, RSI, RCX
	Load(Param("q"), to)
	Load(Param("step"), step)
	Load(Param("fromQ"), from)
	Load(Param("n"), n)
	Label("loop")
	VMOVUPS(Mem{Base: from}, Y0)
	VMOVUPS(Y0, Mem{Base: to})
	ADDQ(step, to)
	ADDQ(U8(32), from)
	SUBQ(U8(8), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
