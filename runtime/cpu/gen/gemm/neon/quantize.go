package main

// quantize emits the function that rounds activations to blocks of 32 int8: about 75
// instructions a block, of which two divisions, one after the other, take longest.
func (a *asm) quantize() {
	a.function("neonQuantize", "q *byte, d, s, x *float32, blocks int", "writes q, d and s of blocks of 32 activations.")
	q, d, s, x, n := "R0", "R1", "R2", "R3", "R4"
	infinity, bits := "R5", "R6"
	a.arguments("q", q, "d", d, "s", s, "x", x, "blocks", n)
	const most, one, signs = 29, 30, 31
	a.f("FMOVS $127.0, F%d", most)
	a.f("FMOVS $1.0, F%d", one)
	a.f("MOVW $0x7fffffff, %s", bits)
	a.f("VDUP %s, V%d.S4", bits, signs)
	a.f("MOVW $0x7f800000, %s", infinity)
	a.label("loop")
	const top, dAt, inv, sum, sAt = 16, 17, 18, 19, 20
	for i := 0; i < 8; i += 2 {
		a.f("FLDPQ %d(%s), (F%d, F%d)", 16*i, x, i, i+1)
	}
	for i := range 8 {
		a.op("and", 8+i, i, signs)
	}
	// As integers magnitudes keep their order, with infinity and NaN on top.
	for half := 4; half > 0; half /= 2 {
		for i := range half {
			a.op("umax", 8+i, 8+i, 8+i+half)
		}
	}
	a.op("umaxv", top, 8)
	a.f("FMOVS F%d, %s", top, bits)
	a.f("CMPW %s, %s", infinity, bits)
	a.f("BHS invalid")
	a.f("FDIVS F%d, F%d, F%d", most, top, dAt)
	a.f("FDIVS F%d, F%d, F%d", dAt, one, inv)
	a.f("FMOVS F%d, %s", inv, bits)
	a.f("CMPW %s, %s", infinity, bits)
	a.f("BHS zero")
	for i := range 8 {
		a.lane("fmul", i, i, inv, 0)
		a.op("fcvtns", i, i)
	}
	for half := 4; half > 0; half /= 2 {
		for i := range half {
			from := 8
			if half == 4 {
				from = 0
			}
			a.op("add", 8+i, from+i, from+i+half)
		}
	}
	a.op("addv", sum, 8)
	for i := range 4 {
		a.op("uzp1 8h", i, 2*i, 2*i+1)
	}
	for i := range 2 {
		a.op("uzp1 16b", i, 2*i, 2*i+1)
	}
	a.op("scvtf", sAt, sum)
	a.f("FMULS F%d, F%d, F%d", dAt, sAt, sAt)
	a.label("store")
	a.f("FSTPQ.P (F0, F1), 32(%s)", q)
	a.f("FMOVS.P F%d, 4(%s)", dAt, d)
	a.f("FMOVS.P F%d, 4(%s)", sAt, s)
	a.f("ADD $128, %s", x)
	a.f("SUBS $1, %s", n)
	a.f("BNE loop")
	a.f("RET")

	a.label("zero")
	a.f("MOVD $0, %s", bits)
	a.f("B same")
	a.label("invalid")
	a.f("MOVW $0x7fc00000, %s", bits) // NaN
	a.label("same")
	a.f("FMOVS %s, F%d", bits, dAt)
	a.f("FMOVS %s, F%d", bits, sAt)
	a.zero(0)
	a.zero(1)
	a.f("B store")
}
