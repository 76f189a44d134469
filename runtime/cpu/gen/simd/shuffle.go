package simd

import "fmt"

// Splat returns lane 0 of x in every lane.
func (a *Asm) Splat(x V) V {
	d := a.newV()
	if a.Set == NEON {
		return a.neon("dup s[0]", d, none, x)
	}
	return a.emit(d, none, []V{x}, func(reg func(V) int) string {
		return fmt.Sprintf("VBROADCASTSS X%d, %s", reg(x), a.name(reg(d)))
	})
}

// SumLanes adds up the lanes of each value in a fixed order, on x86 that of Fold:
// lane 4r+e of the result is the sum of x[r][e]. There are Lanes/4 rows.
func (a *Asm) SumLanes(x [][4]V) V {
	if a.Set == NEON {
		pair := func(x, y V) V { return a.neon("faddp", a.newV(), none, x, y) }
		return pair(pair(x[0][0], x[0][1]), pair(x[0][2], x[0][3]))
	}
	// meet adds the two halves of v and those of w that the shuffles pick.
	meet := func(lo, hi string, v, w V) V {
		return a.Add(a.x86(lo, a.newV(), none, w, v), a.x86(hi, a.newV(), none, w, v))
	}
	if a.Set == AVX2 { // a blend leaves the ports for shuffles and multiply-adds alone
		y := func(e int) V { return meet("VBLENDPS $0xf0,", "VPERM2F128 $0x21,", x[0][e], x[1][e]) }
		const lo, hi = "VBLENDPS $0xcc,", "VSHUFPS $0x4e,"
		return meet("VSHUFPS $0x88,", "VSHUFPS $0xdd,", meet(lo, hi, y(0), y(1)), meet(lo, hi, y(2), y(3)))
	}
	y := func(e int) V {
		const lo, hi = "VSHUFF64X2 $0x44,", "VSHUFF64X2 $0xee,"
		return meet("VSHUFF64X2 $0x88,", "VSHUFF64X2 $0xdd,", meet(lo, hi, x[0][e], x[1][e]), meet(lo, hi, x[2][e], x[3][e]))
	}
	return meet("VSHUFPS $0x88,", "VSHUFPS $0xdd,", meet("VUNPCKLPD", "VUNPCKHPD", y(0), y(1)), meet("VUNPCKLPD", "VUNPCKHPD", y(2), y(3)))
}

// FoldFours combines the fours of lanes of v by op and returns the result in every
// four.
func (a *Asm) FoldFours(v V, op func(x, y V) V) V {
	for lanes := a.Lanes(); lanes > 4; lanes /= 2 {
		v = op(v, a.Upper(v, lanes))
	}
	switch a.Set {
	case AVX2:
		return a.x86("VPERM2F128 $0,", a.newV(), none, v, v)
	case AVX512:
		return a.x86("VSHUFF64X2 $0,", a.newV(), none, v, v)
	}
	return v
}

// BroadcastFour returns the four float32 at m in every four lanes.
func (a *Asm) BroadcastFour(m Mem) V {
	v := a.newV()
	return a.emit(v, none, nil, func(reg func(V) int) string {
		switch a.Set {
		case NEON:
			return fmt.Sprintf("FMOVQ %v, F%d", m, reg(v))
		case AVX2:
			return fmt.Sprintf("VBROADCASTF128 %v, Y%d", m, reg(v))
		}
		return fmt.Sprintf("VBROADCASTF32X4 %v, Z%d", m, reg(v))
	})
}

// StoreFour writes lanes 4i..4i+3 of v at m.
func (a *Asm) StoreFour(v V, i int, m Mem) {
	a.emit(none, none, []V{v}, func(reg func(V) int) string {
		switch {
		case a.Set == NEON:
			return fmt.Sprintf("FMOVQ F%d, %v", reg(v), m)
		case i == 0:
			return fmt.Sprintf("VMOVUPS X%d, %v", reg(v), m)
		case a.Set == AVX2:
			return fmt.Sprintf("VEXTRACTF128 $%d, Y%d, %v", i, reg(v), m)
		}
		return fmt.Sprintf("VEXTRACTF32X4 $%d, Z%d, %v", i, reg(v), m)
	})
}

// LoadFours returns the four elements that stand at m for each lane: lane i of
// result p is element 4i+p.
func (a *Asm) LoadFours(m Mem) [4]V {
	var x [4]V
	if a.Set == NEON {
		at := a.scratch()
		a.raw("ADD $%d, %s, %s", m.Offset, m.Base.name, at)
		for i := range x {
			x[i] = a.emit(a.newV(), none, nil, func(reg func(V) int) string {
				return fmt.Sprintf("FMOVQ %d(%s), F%d", 16*i, at, reg(x[i]))
			})
		}
	} else {
		for i := range x { // lanes 4j..4j+3 hold the elements of lane 4j+i
			x[i] = a.newV()
			a.emit(x[i], none, nil, func(reg func(V) int) string {
				s := fmt.Sprintf("VMOVUPS %d(%s), X%d", m.Offset+16*i, m.Base.name, reg(x[i]))
				for j := 1; j < a.Lanes()/4; j++ {
					op := map[Set]string{AVX2: "VINSERTF128", AVX512: "VINSERTF32X4"}[a.Set]
					r := a.name(reg(x[i]))
					s += fmt.Sprintf("\n%s $%d, %d(%s), %s, %s", op, j, m.Offset+16*(4*j+i), m.Base.name, r, r)
				}
				return s
			})
		}
	}
	pair := func(neonOp, x86Op string, x, y V) V {
		if a.Set == NEON {
			return a.neon(neonOp, a.newV(), none, x, y)
		}
		return a.x86(x86Op, a.newV(), none, y, x)
	}
	lo, hi := [2]V{}, [2]V{}
	for i := range lo {
		lo[i], hi[i] = pair("zip1", "VUNPCKLPS", x[2*i], x[2*i+1]), pair("zip2", "VUNPCKHPS", x[2*i], x[2*i+1])
	}
	return [4]V{
		pair("zip1 d", "VUNPCKLPD", lo[0], lo[1]), pair("zip2 d", "VUNPCKHPD", lo[0], lo[1]),
		pair("zip1 d", "VUNPCKLPD", hi[0], hi[1]), pair("zip2 d", "VUNPCKHPD", hi[0], hi[1]),
	}
}
