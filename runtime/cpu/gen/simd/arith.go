package simd

import (
	"fmt"
	"math"
)

// C is the constant c in every lane.
func (a *Asm) C(c float32) V { return a.Bits(math.Float32bits(c)) }

// Bits is the constant of these bits in every lane. On x86 it stays in memory,
// as an operand of what uses it; on arm64 it has a register in the whole function.
func (a *Asm) Bits(bits uint32) V {
	i, ok := a.index[bits]
	if !ok {
		i = len(a.constants)
		a.index[bits] = i
		a.constants = append(a.constants, bits)
	}
	if a.Set != NEON {
		v := a.newV()
		a.values[v].constant = i
		return v
	}
	v, ok := a.hoisted[i]
	if !ok {
		for r := a.registers() - 1; ; r-- { // from the end where values come last
			if v, ok = a.pin(r); ok {
				break
			}
		}
		a.hoisted[i] = v
		if a.touched[a.values[v].reg] {
			panic("a constant comes too late: its register has served before")
		}
	}
	return v
}

func (a *Asm) isConst(v V) bool { return a.values[v].constant >= 0 }

func (a *Asm) constName(v V) string {
	return fmt.Sprintf("constant%s<>+%d(SB)", a.Suffix(), 4*a.Lanes()*a.values[v].constant)
}

// inRegister loads v where it is a constant in memory.
func (a *Asm) inRegister(v V) V {
	if !a.isConst(v) {
		return v
	}
	d := a.newV()
	a.CopyTo(d, v)
	return d
}

// x86 is an instruction of two or three operands, in Go's order: the first may be
// a constant in memory.
func (a *Asm) x86(op string, def, tied V, operands ...V) V {
	var uses []V
	for i, o := range operands {
		if i > 0 {
			operands[i] = a.inRegister(o)
		}
		if !a.isConst(operands[i]) {
			uses = append(uses, operands[i])
		}
	}
	if tied != none {
		uses = append(uses, tied)
	}
	return a.emit(def, tied, uses, func(reg func(V) int) string {
		s := op + " "
		for _, o := range operands {
			if a.isConst(o) {
				s += a.constName(o) + ", "
			} else {
				s += a.name(reg(o)) + ", "
			}
		}
		return s + a.name(reg(def))
	})
}

func (a *Asm) neon(op string, def, tied, n V, m ...V) V {
	uses := append([]V{n}, m...)
	if tied != none {
		uses = append(uses, tied)
	}
	return a.emit(def, tied, uses, func(reg func(V) int) string {
		var ms []int
		for _, v := range m {
			ms = append(ms, reg(v))
		}
		return neon(op, reg(def), reg(n), ms...)
	})
}

// binary sets d to x op y; y may be a constant.
func (a *Asm) binary(d V, neonOp, x86Op string, x, y V) V {
	if a.Set == NEON {
		return a.neon(neonOp, d, none, x, y)
	}
	return a.x86(x86Op, d, none, y, x)
}

func (a *Asm) Add(x, y V) V { return a.binary(a.newV(), "fadd", "VADDPS", x, y) }
func (a *Asm) Sub(x, y V) V { return a.binary(a.newV(), "fsub", "VSUBPS", x, y) }
func (a *Asm) Mul(x, y V) V { return a.binary(a.newV(), "fmul", "VMULPS", x, y) }
func (a *Asm) Div(x, y V) V { return a.binary(a.newV(), "fdiv", "VDIVPS", x, y) }

// Min and Max return y where it is NaN.
func (a *Asm) Min(x, y V) V { return a.binary(a.newV(), "fmin", "VMINPS", x, y) }
func (a *Asm) Max(x, y V) V { return a.binary(a.newV(), "fmax", "VMAXPS", x, y) }

// And, Or and Xor work on bits.
func (a *Asm) And(x, y V) V { return a.binary(a.newV(), "and", "VANDPS", x, y) }
func (a *Asm) Or(x, y V) V  { return a.binary(a.newV(), "orr", "VORPS", x, y) }
func (a *Asm) Xor(x, y V) V { return a.binary(a.newV(), "eor", "VXORPS", x, y) }

// AddTo, MulTo, MaxTo and ZeroTo set a pinned value.
func (a *Asm) AddTo(d, x V) { a.binary(d, "fadd", "VADDPS", d, x) }
func (a *Asm) MulTo(d, x V) { a.binary(d, "fmul", "VMULPS", d, x) }
func (a *Asm) MaxTo(d, x V) { a.binary(d, "fmax", "VMAXPS", x, d) }

// CopyTo sets the pinned value d to x.
func (a *Asm) CopyTo(d, x V) {
	if a.isConst(x) {
		a.emit(d, none, nil, func(reg func(V) int) string {
			return fmt.Sprintf("VMOVUPS %s, %s", a.constName(x), a.name(reg(d)))
		})
		return
	}
	a.emit(d, none, []V{x}, func(reg func(V) int) string { return a.move(reg(x), reg(d)) })
}

// ZeroTo sets the pinned value d to 0.
func (a *Asm) ZeroTo(d V) {
	a.emit(d, none, nil, func(reg func(V) int) string {
		r := reg(d)
		switch a.Set {
		case NEON:
			return neon("eor", r, r, r)
		case AVX2:
			return fmt.Sprintf("VXORPS Y%d, Y%d, Y%d", r, r, r)
		}
		return fmt.Sprintf("VPXORD Z%d, Z%d, Z%d", r, r, r)
	})
}

// FMA returns x·y + z, rounded once; z may be a constant.
func (a *Asm) FMA(x, y, z V) V {
	d := a.newV()
	switch {
	case a.Set == NEON:
		return a.neon("fmla", d, z, x, y)
	case a.isConst(z):
		x, y = a.inRegister(x), a.inRegister(y)
		return a.x86("VFMADD213PS", d, x, z, y)
	}
	return a.x86("VFMADD231PS", d, z, y, x)
}

// FNMA returns z - x·y, rounded once; y may be a constant.
func (a *Asm) FNMA(x, y, z V) V {
	d := a.newV()
	if a.Set == NEON {
		return a.neon("fmls", d, z, x, y)
	}
	return a.x86("VFNMADD231PS", d, z, y, x)
}

// FMATo adds x·y to the pinned value d.
func (a *Asm) FMATo(d, x, y V) {
	if a.Set == NEON {
		a.neon("fmla", d, d, x, y)
		return
	}
	a.x86("VFMADD231PS", d, d, y, x)
}

// FMALoadTo adds x times what stands at m to the pinned value d.
func (a *Asm) FMALoadTo(d, x V, m Mem) {
	if a.Set == NEON {
		a.FMATo(d, x, a.Load(m))
		return
	}
	a.emit(d, d, []V{x, d}, func(reg func(V) int) string {
		return fmt.Sprintf("VFMADD231PS %v, %s, %s", m, a.name(reg(x)), a.name(reg(d)))
	})
}

// Round returns the nearest integers, ties to even.
func (a *Asm) Round(x V) V {
	d := a.newV()
	if a.Set == NEON {
		return a.neon("frintn", d, none, x)
	}
	op := map[Set]string{AVX2: "VROUNDPS $8,", AVX512: "VRNDSCALEPS $8,"}[a.Set]
	return a.x86(op, d, none, x)
}

// Scale2 returns p·2^n for integers n of -150..128 and p of about 1, rounded once.
func (a *Asm) Scale2(p, n V) V {
	if a.Set == AVX512 {
		return a.x86("VSCALEFPS", a.newV(), none, n, p)
	}
	// 2^n may lie outside the normal numbers, its two halves do not.
	one := a.C(1)
	if a.Set == NEON {
		i := a.neon("fcvtns", a.newV(), none, n)
		h := a.neon("sshr #1", a.newV(), none, i)
		rest := a.neon("sub", a.newV(), none, i, h)
		for _, e := range []V{h, rest} {
			s := a.neon("shl #23", a.newV(), none, e)
			p = a.Mul(p, a.neon("add", a.newV(), none, s, one))
		}
		return p
	}
	i := a.x86("VCVTPS2DQ", a.newV(), none, n)
	h := a.x86("VPSRAD $1,", a.newV(), none, i)
	rest := a.x86("VPSUBD", a.newV(), none, h, i)
	for _, e := range []V{h, rest} {
		s := a.x86("VPSLLD $23,", a.newV(), none, e)
		p = a.Mul(p, a.x86("VPADDD", a.newV(), none, one, s))
	}
	return p
}

// BySign returns negative where x has its sign bit set and positive elsewhere.
func (a *Asm) BySign(x, negative, positive V) V {
	d := a.newV()
	negative, positive = a.inRegister(negative), a.inRegister(positive)
	switch a.Set {
	case NEON:
		return a.neon("bsl", d, a.neon("sshr #31", a.newV(), none, x), negative, positive)
	case AVX2:
		return a.emit(d, none, []V{x, negative, positive}, func(reg func(V) int) string {
			return fmt.Sprintf("VBLENDVPS Y%d, Y%d, Y%d, Y%d", reg(x), reg(negative), reg(positive), reg(d))
		})
	}
	return a.emit(d, none, []V{x, negative, positive}, func(reg func(V) int) string {
		return fmt.Sprintf("VPMOVD2M Z%d, K2\nVBLENDMPS Z%d, Z%d, K2, Z%d", reg(x), reg(negative), reg(positive), reg(d))
	})
}
