package main

// interleave emits a function that makes panels: count times it takes 4 numbers of 8
// rows, srcStep apart, and writes words of all rows side by side, step apart. Then both
// pointers move on. Its 16 shuffles and 16 loads and stores bound it.
func (a *asm) interleave(name string, load func(at string, v int)) {
	a.function("neonInterleave"+name, "dst *byte, step, dstNext int, src *byte, srcStep, srcNext, count int", "brings words of 8 rows side by side.")
	dst, step, dstNext, src, srcStep, srcNext, count := "R0", "R1", "R2", "R3", "R4", "R5", "R6"
	a.arguments("dst", dst, "step", step, "dstNext", dstNext, "src", src, "srcStep", srcStep, "srcNext", srcNext, "count", count)
	at := "R7"
	a.label("loop")
	a.f("MOVD %s, %s", src, at)
	for r := range 8 {
		load(at, r)
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
