package simd

// Stride is a distance in bytes and, on x86, the odd multiples of it that index
// registers cannot express.
type Stride []G

// Stride returns the stride g for up to 2, 4 or 8 rows.
func (a *Asm) Stride(g G, rows int) Stride {
	s := Stride{g}
	if a.Set == NEON {
		return s
	}
	for i := 3; i < rows; i += 2 {
		m := a.G()
		a.Move(s[len(s)-1], m)
		a.IncBy(m, g)
		a.IncBy(m, g)
		s = append(s, m)
	}
	return s
}

// Rows are vectors which lie a stride apart from each other.
type Rows struct {
	a      *Asm
	stride Stride
	at     []G // the first row; on arm64 all of them
}

// Rows returns n rows, the first of which starts at base.
func (a *Asm) Rows(base G, stride Stride, n int) Rows {
	r := Rows{a, stride, []G{base}}
	for a.Set == NEON && len(r.at) < n {
		r.at = append(r.at, a.G())
	}
	return r
}

// Start follows every change of base but those by Inc.
func (r Rows) Start() {
	for i := 1; i < len(r.at); i++ {
		r.a.Move(r.at[i-1], r.at[i])
		r.a.IncBy(r.at[i], r.stride[0])
	}
}

// Inc moves all rows on by n bytes, base with them.
func (r Rows) Inc(n int) {
	for _, g := range r.at {
		r.a.Inc(g, n)
	}
}

// At is offset bytes into row i.
func (r Rows) At(i, offset int) Mem {
	if r.a.Set == NEON {
		return Mem{Base: r.at[i], Offset: offset}
	}
	m := Mem{Base: r.at[0], Offset: offset}
	if i > 0 {
		m.Scale = i & -i
		m.Index = r.stride[i/m.Scale/2]
	}
	return m
}
