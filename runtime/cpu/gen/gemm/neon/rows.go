package main

import "fmt"

// Fields of gemm.tile.
const (
	tileY, tileYStep, tileYLD = 0, 8, 16
	tileW, tileWStep          = 24, 32
	tileX, tileD, tileS       = 40, 48, 56
	tileXStep, tileN, tileAdd = 64, 72, 80
)

// Registers of row kernels: pointers to rows of W and to x, d and s of rows of
// activations.
var (
	w    = []string{"R0", "R1", "R2", "R3"}
	x    = []string{"R4", "R5", "R6", "R7"}
	d    = []string{"R8", "R9", "R10", "R11"}
	s    = []string{"R12", "R13", "R14", "R15"}
	n    = "R19"
	t    = "R20"
	step = "R21"
	tmp  = []string{"R22", "R23", "R24", "R25"}
)

// prefetch is how far ahead of the loads a product with one row of activations asks
// for W.
const prefetch = 2048

// beginRows opens a kernel for rows of W times m rows of activations.
func (a *asm) beginRows(format string, rows, m int) {
	a.function(fmt.Sprintf("neon%s_%dx%d", format, rows, m), "t *tile", fmt.Sprintf("multiplies %d rows of W with %d of activations.", rows, m))
	a.f("MOVD t+0(FP), %s", t)
	a.field(tileN, n)
	a.field(tileWStep, step)
	a.pointers(tileW, w[:rows])
	a.field(tileXStep, step)
	a.pointers(tileX, x[:m])
}

func (a *asm) field(at int, to string) { a.f("MOVD %d(%s), %s", at, t, to) }

// pointers sets to to the pointer in that field and what follows step bytes apart.
func (a *asm) pointers(field int, to []string) {
	a.field(field, to[0])
	for i := range to[1:] {
		a.f("ADD %s, %s, %s", step, to[i], to[i+1])
	}
}

// endRows sums the four lanes of accumulator 4i+r for each row i of activations and r
// of W, by the same tree of additions for one row of W and for four, and stores them.
func (a *asm) endRows(rows, m int) {
	y, add, ld := w, n, step
	a.field(tileYStep, step)
	a.pointers(tileY, y[:rows])
	a.field(tileAdd, add)
	a.field(tileYLD, ld)
	for i := range m {
		v := 4 * i
		if rows == 4 {
			a.op("faddp", v, v, v+1)
			a.op("faddp", v+2, v+2, v+3)
			a.op("faddp", v, v, v+2)
		} else {
			a.op("faddp", v, v, v)
			a.op("faddp", v, v, v)
		}
		a.f("CBZ %s, store%d", add, i)
		for r := range rows {
			a.f("VLD1 (%s), V31.S[%d]", y[r], r)
		}
		a.op("fadd", v, v, 31)
		a.label(fmt.Sprintf("store%d", i))
		for r := range rows {
			a.f("VST1 V%d.S[%d], (%s)", v, r, y[r])
			if i+1 < m {
				a.f("ADD %s, %s", ld, y[r])
			}
		}
	}
	a.f("RET")
}

// ask asks for the size bytes of W at w that come prefetch bytes later.
func (a *asm) ask(w string, size int) {
	for line := 0; line < size; line += 64 {
		a.f("PRFM %d(%s), PLDL1KEEP", prefetch+line, w)
	}
}
