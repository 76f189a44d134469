package main

import "fmt"

// floatPanel emits a kernel that adds to y, m rows of 8 sums, the products of a panel of
// floats, element after element of 8 rows, with m rows of activations, 4 elements a
// step. Multiply-adds bound it: for eight rows of activations 64 beside 12 loads.
func (a *asm) floatPanel(m int) {
	a.function(fmt.Sprintf("neonPanelFloat_%d", m), "t *tile", fmt.Sprintf("adds the products of a panel with %d rows of activations.", m))
	const weights, xi = 16, 24 // two pairs, so that the loads of one need not wait
	total := func(i, h int) int { return 2*i + h }
	x := []string{"R0", "R1", "R2", "R3", "R4", "R5", "R6", "R7"}
	w, y := "R8", "R9"
	a.f("MOVD t+0(FP), %s", t)
	a.field(tileN, n)
	a.field(tileW, w)
	a.field(tileXStep, step)
	a.pointers(tileX, x[:m])
	a.field(tileY, y)
	a.field(tileYLD, step)
	a.loadTotals(m, y)
	a.label("loop")
	for i := range m {
		a.f("FMOVQ.P 16(%s), F%d", x[i], xi+i)
	}
	for e := range 4 {
		pair := weights + e%2*2
		a.f("FLDPQ %d(%s), (F%d, F%d)", 32*e, w, pair, pair+1)
		for i := range m {
			for h := range 2 {
				a.lane("fmla", total(i, h), pair+h, xi+i, e)
			}
		}
	}
	a.f("ADD $128, %s", w)
	a.f("SUBS $4, %s", n)
	a.f("BNE loop")
	a.storeTotals(m, y)
	a.f("RET")
}
