package simd

// Each writes a loop over the n elements that the pointers in and out lead to,
// unroll registers at a time, then one, then the rest. body maps one register of
// every input to one of every output; u tells the copies of an unrolled body
// apart. It is evaluated with fill past the end.
func (a *Asm) Each(n G, unroll int, fill V, in, out []G, body func(u int, x []V) []V) {
	all := append(append([]G{}, in...), out...)
	done := a.NewLabel("done")
	for _, k := range []int{unroll, 1} {
		if k == 1 && unroll == 1 && all == nil {
			break
		}
		loop, end := a.NewLabel("loop"), a.NewLabel("end")
		a.Label(loop)
		a.JumpIf(n, "LT", k*a.Lanes(), end)
		for u := range k {
			at := func(g G) Mem { return Mem{Base: g, Offset: 4 * a.Lanes() * u} }
			var x []V
			for _, g := range in {
				x = append(x, a.Load(at(g)))
			}
			for i, y := range body(u, x) {
				a.Store(y, at(out[i]))
			}
		}
		seen := map[G]bool{}
		for _, g := range all {
			if !seen[g] {
				a.Inc(g, 4*a.Lanes()*k)
			}
			seen[g] = true
		}
		a.Inc(n, -k*a.Lanes())
		a.Jump(loop)
		a.Label(end)
		if unroll == 1 {
			break
		}
	}
	a.JumpIf(n, "EQ", 0, done)
	t := a.Tail(n)
	var x []V
	for _, g := range in {
		x = append(x, t.Load(g, fill))
	}
	for i, y := range body(0, x) {
		t.Store(y, out[i])
	}
	a.Label(done)
}

// Fold combines the lanes of v by op in a fixed order, halves first, into lane 0.
func (a *Asm) Fold(v V, op func(x, y V) V) V {
	for lanes := a.Lanes(); lanes > 1; lanes /= 2 {
		v = op(v, a.Upper(v, lanes))
	}
	return v
}

// Upper brings the upper half of the first lanes of v to lane 0.
func (a *Asm) Upper(v V, lanes int) V {
	d := a.newV()
	if a.Set == NEON {
		if lanes == 4 {
			return a.neon("dup d[1]", d, none, v)
		}
		return a.neon("dup s[1]", d, none, v)
	}
	switch lanes {
	case 16:
		return a.x86("VSHUFF64X2 $0x0e,", d, none, v, v)
	case 8:
		if a.Set == AVX2 {
			return a.x86("VPERM2F128 $0x11,", d, none, v, v)
		}
		return a.x86("VSHUFF64X2 $0x01,", d, none, v, v)
	case 4:
		return a.x86("VSHUFPS $0x0e,", d, none, v, v)
	}
	return a.x86("VSHUFPS $0x01,", d, none, v, v)
}
