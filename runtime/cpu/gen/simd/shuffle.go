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

// SumLanes adds up the lanes of each value in the order of Fold: lane 4r+e of the
// result is the sum of x[r][e]. There are Lanes/4 rows.
func (a *Asm) SumLanes(x [][4]V) V {
	if a.Set == NEON {
		pair := func(x, y V) V { return a.neon("faddp", a.newV(), none, x, y) }
		return pair(pair(x[0][0], x[0][1]), pair(x[0][2], x[0][3]))
	}
	// meet adds the two halves of v and those of w that the shuffles pick.
	meet := func(lo, hi string, v, w V) V {
		return a.Add(a.x86(lo, a.newV(), none, w, v), a.x86(hi, a.newV(), none, w, v))
	}
	y := func(e int) V {
		if a.Set == AVX2 {
			return meet("VPERM2F128 $0x20,", "VPERM2F128 $0x31,", x[0][e], x[1][e])
		}
		const lo, hi = "VSHUFF64X2 $0x44,", "VSHUFF64X2 $0xee,"
		return meet("VSHUFF64X2 $0x88,", "VSHUFF64X2 $0xdd,", meet(lo, hi, x[0][e], x[1][e]), meet(lo, hi, x[2][e], x[3][e]))
	}
	return meet("VSHUFPS $0x88,", "VSHUFPS $0xdd,", meet("VUNPCKLPD", "VUNPCKHPD", y(0), y(1)), meet("VUNPCKLPD", "VUNPCKHPD", y(2), y(3)))
}

// FoldFours combines the fours of lanes of v by op and returns the result in every
// four.
func (a *Asm) FoldFours(v V, op func(x, y V) V) V {
	for lanes := a.Lanes(); lanes > 4; lanes /= 2 {
		v = op(v, a.upper(v, lanes))
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

// StoreFour writes the first four lanes of v at m.
func (a *Asm) StoreFour(v V, m Mem) {
	a.emit(none, none, []V{v}, func(reg func(V) int) string {
		if a.Set == NEON {
			return fmt.Sprintf("FMOVQ F%d, %v", reg(v), m)
		}
		return fmt.Sprintf("VMOVUPS X%d, %v", reg(v), m)
	})
}
