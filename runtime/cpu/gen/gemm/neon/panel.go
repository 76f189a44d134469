package main

import "fmt"

// panelShape is what panels of quantised weights differ in. A panel holds 8 rows of W:
// for each group of elements group/4 times four int8 of each row, then the scales and,
// if there are any, the minima of the rows as float32.
type panelShape struct {
	group  int
	minima bool
}

var panelShapes = []panelShape{{32, false}, {32, true}, {16, false}, {16, true}}

func (p panelShape) name() string {
	if p.minima {
		return fmt.Sprintf("%dm", p.group)
	}
	return fmt.Sprint(p.group)
}

// Offsets in a group of a panel, and the bytes of one.
func (p panelShape) scales() int { return 8 * p.group }
func (p panelShape) mins() int   { return p.scales() + 32 }
func (p panelShape) size() int {
	if p.minima {
		return p.mins() + 32
	}
	return p.mins()
}

// panel emits a kernel that adds to y, m rows of 8 sums, the products of a panel with m
// rows of activations. Vector instructions bound it: for six rows and 32 elements 96
// SDOT and, for each group, 48 that clear, convert, scale and add sums and 12 more where
// there are minima, beside about 30 loads. Totals and sums of six rows fill 24 registers,
// weights and activations the rest.
func (a *asm) panel(p panelShape, m int) {
	a.function(fmt.Sprintf("neonPanel%s_%d", p.name(), m), "t *tile", 0, fmt.Sprintf("adds the products of a panel with %d rows of activations.", m))
	const weights, xi = 24, 26
	total := func(i, h int) int { return 2*i + h }
	sum := func(i, h int) int { return 12 + 2*i + h }
	x := []string{"R0", "R1", "R2", "R3", "R4", "R5"}
	d := []string{"R6", "R7", "R8", "R9", "R10", "R11"}
	s := []string{"R12", "R13", "R14", "R15", "R22", "R23"}
	w, y := "R24", "R25"
	prepared := p.minima && p.group == 32 // s of the groups is there
	a.f("MOVD t+0(FP), %s", t)
	a.field(tileN, n)
	a.field(tileW, w)
	a.field(tileXStep, step)
	a.pointers(tileX, x[:m])
	a.pointers(tileD, d[:m])
	if prepared {
		a.pointers(tileS, s[:m])
	}
	a.field(tileY, y)
	a.field(tileYLD, step)
	for i := range m {
		a.f("FLDPQ (%s), (F%d, F%d)", y, total(i, 0), total(i, 1))
		if i+1 < m {
			a.f("ADD %s, %s", step, y)
		}
	}
	a.label("loop")
	for g := range 32 / p.group {
		at := g * p.size()
		each := func(do func(i, h int)) {
			for i := range m {
				for h := range 2 {
					do(i, h)
				}
			}
		}
		load := func(at int) { a.f("FLDPQ %d(%s), (F%d, F%d)", at, w, weights, weights+1) }
		each(func(i, h int) { a.zero(sum(i, h)) })
		for word := range p.group / 4 {
			if word%4 == 0 {
				for i := range m {
					a.f("FMOVQ %d(%s), F%d", g*p.group+4*word, x[i], xi+i)
				}
			}
			load(at + 32*word)
			each(func(i, h int) { a.lane("sdot", sum(i, h), weights+h, xi+i, word%4) })
		}
		if p.minima {
			for i := range m {
				if prepared {
					a.f("FMOVS (%s), F%d", s[i], xi+i)
					continue
				}
				const ones, q = weights, weights + 1
				if i == 0 {
					a.f("VMOVI $1, V%d.B16", ones)
				}
				a.zero(q)
				a.op("sdot", q, xi+i, ones)
				a.op("addv", xi+i, q)
				a.op("scvtf", xi+i, xi+i)
				a.f("FMOVS (%s), F%d", d[i], q)
				a.op("fmul", xi+i, xi+i, q)
			}
			load(at + p.mins())
			each(func(i, h int) { a.lane("fmls", total(i, h), weights+h, xi+i, 0) })
		}
		load(at + p.scales())
		for i := range m {
			a.f("FMOVS (%s), F%d", d[i], xi+i)
		}
		each(func(i, h int) { a.op("scvtf", sum(i, h), sum(i, h)) })
		each(func(i, h int) { a.op("fmul", sum(i, h), sum(i, h), weights+h) })
		each(func(i, h int) { a.lane("fmla", total(i, h), sum(i, h), xi+i, 0) })
	}
	a.f("ADD $%d, %s", 32/p.group*p.size(), w)
	for i := range m {
		a.f("ADD $32, %s", x[i])
		a.f("ADD $4, %s", d[i])
		if prepared {
			a.f("ADD $4, %s", s[i])
		}
	}
	a.f("SUBS $32, %s", n)
	a.f("BNE loop")
	for i := m - 1; i >= 0; i-- {
		a.f("FSTPQ (F%d, F%d), (%s)", total(i, 0), total(i, 1), y)
		if i > 0 {
			a.f("SUB %s, %s", step, y)
		}
	}
	a.f("RET")
}

// interleave emits the function that makes panels: count times it takes 4 words of 8
// rows, srcStep apart, and writes words of all rows side by side, step apart. Then both
// pointers move on.
func (a *asm) interleave() {
	a.function("neonInterleave", "dst *byte, step, dstNext int, src *byte, srcStep, srcNext, count int", 0, "brings words of 8 rows side by side.")
	dst, step, dstNext, src, srcStep, srcNext, count := "R0", "R1", "R2", "R3", "R4", "R5", "R6"
	for i, p := range []struct{ name, reg string }{{"dst", dst}, {"step", step}, {"dstNext", dstNext}, {"src", src}, {"srcStep", srcStep}, {"srcNext", srcNext}, {"count", count}} {
		a.f("MOVD %s+%d(FP), %s", p.name, 8*i, p.reg)
	}
	at := "R7"
	a.label("loop")
	a.f("MOVD %s, %s", src, at)
	for r := range 8 {
		a.f("FMOVQ (%s), F%d", at, r)
		if r < 7 {
			a.f("ADD %s, %s", srcStep, at)
		}
	}
	const pairs, words = 8, 16
	for half := range 2 {
		r, t := 4*half, pairs+4*half
		a.op("zip1", t, r, r+2)
		a.op("zip1", t+1, r+1, r+3)
		a.op("zip2", t+2, r, r+2)
		a.op("zip2", t+3, r+1, r+3)
		for c := range 4 {
			a.op([]string{"zip1", "zip2"}[c%2], words+2*c+half, t+c/2*2, t+c/2*2+1)
		}
	}
	a.f("MOVD %s, %s", dst, at)
	for c := range 4 {
		a.f("FSTPQ (F%d, F%d), (%s)", words+2*c, words+2*c+1, at)
		if c < 3 {
			a.f("ADD %s, %s", step, at)
		}
	}
	a.f("ADD %s, %s", dstNext, dst)
	a.f("ADD %s, %s", srcNext, src)
	a.f("SUBS $1, %s", count)
	a.f("BNE loop")
	a.f("RET")
}
