package main

// int8Format is a format of quantised weights.
type int8Format struct {
	name   string
	group  int // elements that share a scale
	step   int // elements that the loop takes at a time
	size   int // bytes of those
	minima bool
	// scales turns the scales of a step into float32, four a register from
	// scaleAt(0) on, and the minima, four a register from minAt on.
	scales func(a *asm, w string)
	// weights makes int8 of four groups, the part'th of the step, in qs.
	weights func(a *asm, w string, part int)
	rest    bool // steps may be followed by up to three blocks of 32, as in Q8_0
}

// Vector registers of int8 kernels beside the accumulators v[4i+r].
const (
	q     = 16 // eight registers of weights, or four and four of scales
	sums  = 24 // of the products of a group each, 4 registers
	xs    = 28 // activations, 2 registers; before those free for what unpacks weights
	other = 30 // 2 registers: scales, or bits that the parts of a step share
)

// scaleAt is the register for the scales of four groups, the part'th of a step.
func (f *int8Format) scaleAt(part int) int {
	if f.group == 16 {
		return q + 4 + part
	}
	return other + part
}

// minAt is the register for the minima of the first four groups of a step.
const minAt = q

// parts is the number of times four groups in a step.
func (f *int8Format) parts() int { return f.step / f.group / 4 }

// int8Rows emits a kernel for int8 activations. It takes row after row of W, of each
// four groups of products at a time: sums of words by SDOT, added up pairwise to four
// words, which become float32 and are scaled in one. Beside what unpacks the weights
// these are 18 vector instructions for 128 products of groups of 32 and 15 for 64 of
// groups of 16, of which processors do 2 or 4 a cycle; with one row of activations
// W in memory is slower.
func (a *asm) int8Rows(f int8Format, rows, m int) {
	a.beginRows(f.name, rows, m)
	a.field(tileXStep, step)
	a.pointers(tileD, d[:m])
	if f.minima {
		a.pointers(tileS, s[:m])
	}
	for i := range m {
		for r := range rows {
			a.zero(4*i + r)
		}
	}
	if f.rest {
		a.f("SUBS $%d, %s", f.step, n)
		a.f("BLT rest")
	}
	a.label("loop")
	for r := range rows {
		if m == 1 {
			a.ask(w[r], f.size)
		}
		f.scales(a, w[r])
		if f.minima {
			for i := range m {
				a.f("FLDPQ (%s), (F%d, F%d)", s[i], xs, xs+1)
				a.op("fmls", 4*i+r, xs, minAt)
				a.op("fmls", 4*i+r, xs+1, minAt+1)
			}
		}
		for part := range f.parts() {
			f.weights(a, w[r], part)
			for i := range m {
				a.groups(f.group, i, 4*f.group*part)
				if f.group == 32 {
					a.f("FMOVQ %d(%s), F%d", 16*part, d[i], xs)
				} else {
					a.f("FMOVD %d(%s), F%d", 8*part, d[i], xs)
					a.op("zip1", xs, xs, xs)
				}
				a.op("fmul", xs, xs, f.scaleAt(part))
				a.op("fmla", 4*i+r, sums, xs)
			}
		}
		a.f("ADD $%d, %s", f.size, w[r])
	}
	a.advance(f, m, f.step)
	a.f("SUBS $%d, %s", f.step, n)
	if !f.rest {
		a.f("BNE loop")
		a.endRows(rows, m)
		return
	}
	a.f("BGE loop")
	a.label("rest")
	a.f("ADDS $%d, %s", f.step, n)
	a.f("BEQ sum")
	a.label("block")
	for r := range rows {
		q8_0Block(a, w[r])
		for i := range m {
			a.f("FLDPQ (%s), (F%d, F%d)", x[i], xs, xs+1)
			a.zero(sums)
			a.op("sdot", sums, q, xs)
			a.op("sdot", sums, q+1, xs+1)
			a.op("addv", sums, sums)
			a.op("scvtf", sums, sums)
			a.f("FMOVS (%s), F%d", d[i], xs)
			a.op("fmul", xs, xs, other)
			a.op("fmla", 4*i+r, sums, xs)
		}
		a.f("ADD $%d, %s", f.size/4, w[r])
	}
	a.advance(f, m, 32)
	a.f("SUBS $32, %s", n)
	a.f("BNE block")
	a.label("sum")
	a.endRows(rows, m)
}

// advance moves the pointers to activations on by so many elements.
func (a *asm) advance(f int8Format, m, elements int) {
	for i := range m {
		a.f("ADD $%d, %s", elements, x[i])
		a.f("ADD $%d, %s", elements/32*4, d[i])
		if f.minima {
			a.f("ADD $%d, %s", elements/32*4, s[i])
		}
	}
}

// groups leaves the sums of the products of four groups with row i of activations,
// from element at on, as float32 in sums.
func (a *asm) groups(group, i, at int) {
	for g := range 4 {
		a.zero(sums + g)
		if group == 32 {
			a.f("FLDPQ %d(%s), (F%d, F%d)", at+32*g, x[i], xs, xs+1)
			a.op("sdot", sums+g, q+2*g, xs)
			a.op("sdot", sums+g, q+2*g+1, xs+1)
			continue
		}
		if g%2 == 0 {
			a.f("FLDPQ %d(%s), (F%d, F%d)", at+16*g, x[i], xs, xs+1)
		}
		a.op("sdot", sums+g, q+g, xs+g%2)
	}
	a.op("addp", sums, sums, sums+1)
	a.op("addp", sums+2, sums+2, sums+3)
	a.op("addp", sums, sums, sums+2)
	a.op("scvtf", sums, sums)
}
