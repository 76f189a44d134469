package main

// floatFormat moves weights to float32, from the pointer w, which moves on: 8 to
// registers v and v+1, or one to lane 0 of v, followed by zeros.
type floatFormat struct {
	name       string
	size       int // bytes of a weight
	eight, one func(a *asm, w string, v int)
}

var f32 = floatFormat{"F32", 4,
	func(a *asm, w string, v int) { a.f("FLDPQ.P 32(%s), (F%d, F%d)", w, v, v+1) },
	func(a *asm, w string, v int) { a.f("FMOVS.P 4(%s), F%d", w, v) }}

var f16 = floatFormat{"F16", 2,
	func(a *asm, w string, v int) {
		a.f("FMOVQ.P 16(%s), F%d", w, v)
		a.op("fcvtl2", v+1, v)
		a.op("fcvtl", v, v)
	},
	func(a *asm, w string, v int) {
		a.f("MOVHU.P 2(%s), %s", w, tmp[0])
		a.f("FMOVS %s, F%d", tmp[0], v)
		a.op("fcvtl", v, v)
	}}

var bf16 = floatFormat{"BF16", 2,
	func(a *asm, w string, v int) {
		a.f("FMOVQ.P 16(%s), F%d", w, v)
		a.op("shll2 #16", v+1, v)
		a.op("shll #16", v, v)
	},
	func(a *asm, w string, v int) {
		a.f("MOVHU.P 2(%s), %s", w, tmp[0])
		a.f("LSL $16, %s", tmp[0])
		a.f("FMOVS %s, F%d", tmp[0], v)
	}}

// floatRows emits a kernel for float32 activations, 8 elements a step. With one row
// of activations it waits for W in memory; where that is in a cache a step takes as long
// as one multiply-add, of which all accumulators wait for the last one. With four rows the
// 32 multiply-adds of a step bound it, of which processors do 2 or 4 a cycle, beside 16
// registers to load.
func (a *asm) floatRows(f floatFormat, rows, m int) {
	// Accumulators are v[4i+r]. A second set is for the other half of a step where
	// there is room.
	parts := 2
	if m == 4 {
		parts = 1
	}
	acc := func(i, r, part int) int { return part%parts*4*m + 4*i + r }
	const weights, xi = 16, 24
	a.beginRows(f.name, rows, m)
	for i := range m {
		for r := range rows {
			for p := range parts {
				a.zero(acc(i, r, p))
			}
		}
	}
	a.f("SUBS $8, %s", n)
	a.f("BLT tail")
	a.label("loop")
	for r := range rows {
		a.ask(w[r], 8*f.size)
		f.eight(a, w[r], weights+2*r)
	}
	for i := range m {
		a.f("FLDPQ.P 32(%s), (F%d, F%d)", x[i], xi+2*(i%2), xi+2*(i%2)+1)
		for half := range 2 {
			for r := range rows {
				a.op("fmla", acc(i, r, half), weights+2*r+half, xi+2*(i%2)+half)
			}
		}
	}
	a.f("SUBS $8, %s", n)
	a.f("BGE loop")
	a.label("tail")
	a.f("ADDS $8, %s", n)
	a.f("BEQ sum")
	a.label("one")
	for r := range rows {
		f.one(a, w[r], weights+r)
	}
	for i := range m {
		a.f("FMOVS.P 4(%s), F%d", x[i], xi)
		for r := range rows {
			a.op("fmla", acc(i, r, 0), weights+r, xi)
		}
	}
	a.f("SUBS $1, %s", n)
	a.f("BNE one")
	a.label("sum")
	if parts == 2 {
		for i := range m {
			for r := range rows {
				a.op("fadd", acc(i, r, 0), acc(i, r, 0), acc(i, r, 1))
			}
		}
	}
	a.endRows(rows, m)
}
