package main

// unpack emits the function that does for one format what quant.Split does for all: it
// is bound by the vector instructions that make weights, in Q8_0 by loads and stores.
func (a *asm) unpack(f int8Format) {
	a.function("neonUnpack"+f.name, "q *int8, scales, mins *float32, w *byte, n int", 0, "unpacks a row of n elements.")
	qs, scales, mins, w, n := "R0", "R1", "R2", "R3", "R4"
	for i, p := range []struct{ name, reg string }{{"q", qs}, {"scales", scales}, {"mins", mins}, {"w", w}, {"n", n}} {
		a.f("MOVD %s+%d(FP), %s", p.name, 8*i, p.reg)
	}
	a.constants(f)
	if f.block > 0 {
		a.f("SUBS $%d, %s", f.step, n)
		a.f("BLT rest")
	}
	a.label("loop")
	f.scales(a, w, 4)
	for part := range f.parts() {
		a.f("FMOVQ.P F%d, 16(%s)", f.scaleAt(part), scales)
		if f.minima {
			a.f("FMOVQ.P F%d, 16(%s)", minAt+part, mins)
		}
	}
	for part := range f.parts() {
		f.weights(a, w, part, 4)
		for v := q; v < q+f.group/4; v += 2 {
			a.f("FSTPQ.P (F%d, F%d), 32(%s)", v, v+1, qs)
		}
	}
	a.f("ADD $%d, %s", f.size, w)
	a.f("SUBS $%d, %s", f.step, n)
	if f.block == 0 {
		a.f("BNE loop")
		a.f("RET")
		return
	}
	a.f("BGE loop")
	a.label("rest")
	a.f("ADDS $%d, %s", f.step, n)
	a.f("BEQ done")
	a.label("block")
	f.scales(a, w, 1)
	a.f("FMOVS.P F%d, 4(%s)", other, scales)
	if f.minima {
		a.f("FMOVS.P F%d, 4(%s)", minAt, mins)
	}
	f.weights(a, w, 0, 1)
	a.f("FSTPQ.P (F%d, F%d), 32(%s)", q, q+1, qs)
	a.f("ADD $%d, %s", f.block, w)
	a.f("SUBS $32, %s", n)
	a.f("BNE block")
	a.label("done")
	a.f("RET")
}
