package main

// int8Format is a format of quantised weights: what it unpacks to in vector registers.
type int8Format struct {
	name   string
	group  int // elements that share a scale
	step   int // elements that the loop takes at a time
	size   int // bytes of those
	block  int // bytes of a block of 32, of which a step has four and a row any number; 0: a block is a step
	minima bool
	// consts are in the registers from constAt on as long as the function runs.
	consts [][16]byte
	// scales turns the scales of a step into float32, four a register from
	// scaleAt(0) on, and the minima, four a register from minAt on. With one block
	// instead of a step lane 0 counts; the others are finite.
	scales func(a *asm, w string, blocks int)
	// weights makes int8 of four groups, the part'th of the step, in the registers
	// from q on, or of one block.
	weights func(a *asm, w string, part, blocks int)
}

// Vector registers of int8 kernels beside the accumulators v[4i+r].
const (
	constAt = 8  // 8 registers
	q       = 16 // 8 registers of weights, or 4 and 4 of scales
	minAt   = q  // minima, before there are weights
	sums    = 24 // of the products of a group each, 4 registers; before those free
	xs      = 28 // activations, 2 registers; before those free
	other   = 30 // 2 registers: scales of groups of 32; else free
)

// scaleAt is the register for the scales of four groups, the part'th of a step.
func (f *int8Format) scaleAt(part int) int {
	if f.group == 16 {
		return q + 4 + part
	}
	return other + part
}

// parts is the number of times four groups in a step.
func (f *int8Format) parts() int { return f.step / f.group / 4 }

func (a *asm) constants(f int8Format) {
	for i, c := range f.consts {
		a.constant(c, constAt+i)
	}
}

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
	a.constants(f)
	if f.block > 0 {
		a.f("SUBS $%d, %s", f.step, n)
		a.f("BLT rest")
	}
	a.label("loop")
	for r := range rows {
		a.ask(w[r], f.size)
		f.scales(a, w[r], 4)
		if f.minima {
			for i := range m {
				for part := range f.parts() {
					a.f("FMOVQ %d(%s), F%d", 16*part, s[i], xs)
					a.op("fmls", 4*i+r, xs, minAt+part)
				}
			}
		}
		for part := range f.parts() {
			f.weights(a, w[r], part, 4)
			for i := range m {
				a.groups(f, i, part)
				a.op("fmla", 4*i+r, sums, f.scaleAt(part))
			}
		}
		a.f("ADD $%d, %s", f.size, w[r])
	}
	a.advance(f, m, f.step)
	a.f("SUBS $%d, %s", f.step, n)
	if f.block == 0 {
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
		f.scales(a, w[r], 1)
		if f.minima {
			for i := range m {
				a.f("FMOVS (%s), F%d", s[i], xs)
				a.op("fmls", 4*i+r, xs, minAt)
			}
		}
		f.weights(a, w[r], 0, 1)
		for i := range m {
			a.f("FLDPQ (%s), (F%d, F%d)", x[i], xs, xs+1)
			a.zero(sums)
			a.op("sdot", sums, q, xs)
			a.op("sdot", sums, q+1, xs+1)
			a.op("addv", sums, sums)
			a.op("scvtf", sums, sums)
			a.f("FMOVS (%s), F%d", d[i], xs)
			a.op("fmul", sums, sums, xs)
			a.op("fmla", 4*i+r, sums, other)
		}
		a.f("ADD $%d, %s", f.block, w[r])
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
			a.f("ADD $%d, %s", elements/f.group*4, s[i])
		}
	}
}

// groups leaves in sums the sums of the products of four groups with row i of
// activations, times d of that row.
func (a *asm) groups(f int8Format, i, part int) {
	at := 4 * f.group * part
	for g := range 4 {
		a.zero(sums + g)
		if f.group == 32 {
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
	a.scaleSums(f.group, i, part)
}

// scaleSums adds up the words of four sums each and leaves them, times d of row i of
// activations, in the first.
func (a *asm) scaleSums(group, i, part int) {
	a.op("addp", sums, sums, sums+1)
	a.op("addp", sums+2, sums+2, sums+3)
	a.op("addp", sums, sums, sums+2)
	a.op("scvtf", sums, sums)
	if group == 32 {
		a.f("FMOVQ %d(%s), F%d", 16*part, d[i], xs)
	} else {
		a.f("FMOVD %d(%s), F%d", 8*part, d[i], xs)
		a.op("zip1", xs, xs, xs)
	}
	a.op("fmul", sums, sums, xs)
}

// sums16 emits the function that makes of activations what is s for groups of 16: d times
// the sum of each. It takes 64 at a time with 15 vector instructions.
func (a *asm) sums16() {
	a.function("neonSums16", "sums *float32, q *byte, d *float32, n int", "writes d times the sum of each 16 of n activations.")
	a.arguments("sums", s[0], "q", x[0], "d", d[0], "n", n)
	const ones = other
	a.f("VMOVI $1, V%d.B16", ones)
	a.label("loop")
	for g := range 4 {
		a.zero(sums + g)
		a.f("FMOVQ.P 16(%s), F%d", x[0], xs)
		a.op("sdot", sums+g, xs, ones)
	}
	a.scaleSums(16, 0, 0)
	a.f("FMOVQ.P F%d, 16(%s)", sums, s[0])
	a.f("ADD $8, %s", d[0])
	a.f("SUBS $64, %s", n)
	a.f("BNE loop")
	a.f("RET")
}
