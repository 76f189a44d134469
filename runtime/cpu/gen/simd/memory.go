package simd

import (
	"fmt"
	"math/bits"
)

// G is a general register.
type G struct{ name string }

var generals = map[bool][]string{
	false: {"AX", "BX", "CX", "DX", "SI", "DI", "R8", "R9", "R10", "R11", "R12", "R13", "R14"},
	true: {"R0", "R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15",
		"R19", "R20", "R21", "R22", "R23", "R24"},
}

// scratch is for the methods of Asm alone.
func (a *Asm) scratch() string {
	if a.Set == NEON {
		return "R25"
	}
	return "R15"
}

// G returns a general register of its own.
func (a *Asm) G() G {
	all := generals[a.Set == NEON]
	if a.general == len(all) {
		panic("out of general registers")
	}
	a.general++
	return G{all[a.general-1]}
}

// raw writes lines that use general registers only, after what was collected.
func (a *Asm) raw(format string, args ...any) {
	a.emit(none, none, nil, func(func(V) int) string { return fmt.Sprintf(format, args...) })
}

// Arg loads the pointer or int argument of that name.
func (a *Asm) Arg(name string) G {
	g := a.G()
	a.ArgTo(g, name)
	return g
}

// ArgTo loads the pointer or int argument of that name into a register at hand.
func (a *Asm) ArgTo(g G, name string) {
	a.raw("%s %s+%d(FP), %s", a.mov(), name, a.args[name], g.name)
}

// ArgF loads the float32 argument of that name into every lane of a pinned value.
func (a *Asm) ArgF(name string) V {
	v, at := a.Pin(), fmt.Sprintf("%s+%d(FP)", name, a.args[name])
	a.emit(v, none, nil, func(reg func(V) int) string {
		if a.Set == NEON {
			return fmt.Sprintf("FMOVS %s, F%d\n", at, reg(v)) + neon("dup s[0]", reg(v), reg(v))
		}
		return fmt.Sprintf("VBROADCASTSS %s, %s", at, a.name(reg(v)))
	})
	return v
}

func (a *Asm) mov() string {
	if a.Set == NEON {
		return "MOVD"
	}
	return "MOVQ"
}

// Move sets to to from.
func (a *Asm) Move(from, to G) { a.raw("%s %s, %s", a.mov(), from.name, to.name) }

// Inc adds n to g.
func (a *Asm) Inc(g G, n int) {
	if a.Set == NEON {
		a.raw("ADD $%d, %s", n, g.name)
	} else {
		a.raw("ADDQ $%d, %s", n, g.name)
	}
}

// IncBy adds n to g.
func (a *Asm) IncBy(g, n G) {
	if a.Set == NEON {
		a.raw("ADD %s, %s", n.name, g.name)
	} else {
		a.raw("ADDQ %s, %s", n.name, g.name)
	}
}

// DecBy takes n from g.
func (a *Asm) DecBy(g, n G) {
	if a.Set == NEON {
		a.raw("SUB %s, %s", n.name, g.name)
	} else {
		a.raw("SUBQ %s, %s", n.name, g.name)
	}
}

// Times4 turns a count of float32 into bytes.
func (a *Asm) Times4(g G) {
	if a.Set == NEON {
		a.raw("LSL $2, %s, %s", g.name, g.name)
	} else {
		a.raw("SHLQ $2, %s", g.name)
	}
}

// Label starts a new run of code.
func (a *Asm) Label(l string) {
	a.flush()
	fmt.Fprintf(&a.body, "%s:\n", l)
}

// NewLabel returns a label nobody else has.
func (a *Asm) NewLabel(s string) string {
	a.labels++
	return fmt.Sprintf("%s%d", s, a.labels)
}

// Jump goes to the label.
func (a *Asm) Jump(label string) {
	a.flush()
	a.raw("JMP %s", label)
	a.flush()
}

// JumpIf compares g with n and jumps where the condition, LT GE EQ or NE, holds.
func (a *Asm) JumpIf(g G, cond string, n int, label string) {
	a.flush()
	if a.Set == NEON {
		a.raw("CMP $%d, %s\nB%s %s", n, g.name, cond, label)
	} else {
		a.raw("CMPQ %s, $%d\nJ%s %s", g.name, n, cond, label)
	}
	a.flush()
}

// Mem is Lanes float32, offset bytes from a pointer; on x86 an index may be added
// 1, 2, 4 or 8 times.
type Mem struct {
	Base   G
	Offset int
	Index  G
	Scale  int
}

func (m Mem) String() string {
	s := fmt.Sprintf("%d(%s)", m.Offset, m.Base.name)
	if m.Scale > 0 {
		s += fmt.Sprintf("(%s*%d)", m.Index.name, m.Scale)
	}
	return s
}

// Load returns what stands at m.
func (a *Asm) Load(m Mem) V {
	v := a.newV()
	return a.emit(v, none, nil, func(reg func(V) int) string {
		if a.Set == NEON {
			return fmt.Sprintf("FMOVQ %v, F%d", m, reg(v))
		}
		return fmt.Sprintf("VMOVUPS %v, %s", m, a.name(reg(v)))
	})
}

// Broadcast returns the float32 at m in every lane.
func (a *Asm) Broadcast(m Mem) V {
	v := a.newV()
	a.BroadcastTo(v, m)
	return v
}

// BroadcastTo sets the pinned value v to the float32 at m in every lane.
func (a *Asm) BroadcastTo(v V, m Mem) {
	a.emit(v, none, nil, func(reg func(V) int) string {
		if a.Set == NEON {
			return fmt.Sprintf("FMOVS %v, F%d\n", m, reg(v)) + neon("dup s[0]", reg(v), reg(v))
		}
		return fmt.Sprintf("VBROADCASTSS %v, %s", m, a.name(reg(v)))
	})
}

// Store writes v at m.
func (a *Asm) Store(v V, m Mem) {
	a.emit(none, none, []V{v}, func(reg func(V) int) string {
		if a.Set == NEON {
			return fmt.Sprintf("FMOVQ F%d, %v", reg(v), m)
		}
		return fmt.Sprintf("VMOVUPS %s, %v", a.name(reg(v)), m)
	})
}

// StoreFirst writes lane 0 of v to a float32.
func (a *Asm) StoreFirst(v V, m Mem) { a.storeFirst(v, m.String()) }

// Return stores lane 0 of v as the function's result.
func (a *Asm) Return(v V) { a.storeFirst(v, fmt.Sprintf("ret+%d(FP)", a.args["ret"])) }

func (a *Asm) storeFirst(v V, at string) {
	a.emit(none, none, []V{v}, func(reg func(V) int) string {
		if a.Set == NEON {
			return fmt.Sprintf("FMOVS F%d, %s", reg(v), at)
		}
		return fmt.Sprintf("VMOVSS X%d, %s", reg(v), at)
	})
}

// Prefetch asks for the line at m + by·scale bytes; any address will do.
func (a *Asm) Prefetch(m Mem, by G, scale int) {
	if a.Set == NEON {
		s := a.scratch()
		a.raw("ADD %s<<%d, %s, %s\nPRFM %d(%s), PLDL1KEEP", by.name, bits.TrailingZeros(uint(scale)), m.Base.name, s, m.Offset, s)
	} else {
		a.raw("PREFETCHT0 %v(%s*%d)", m, by.name, scale)
	}
}

// PrefetchLine asks the second-level cache for the line at m; any address will do.
func (a *Asm) PrefetchLine(m Mem) {
	if a.Set == NEON {
		a.raw("PRFM %v, PLDL2KEEP", m)
	} else {
		a.raw("PREFETCHT1 %v", m)
	}
}

// LoadHalf returns the Lanes half-precision numbers at m.
func (a *Asm) LoadHalf(m Mem) V {
	v := a.newV()
	return a.emit(v, none, nil, func(reg func(V) int) string {
		if a.Set == NEON {
			return fmt.Sprintf("FMOVD %v, F%d\n", m, reg(v)) + neon("fcvtl", reg(v), reg(v))
		}
		return fmt.Sprintf("VCVTPH2PS %v, %s", m, a.name(reg(v)))
	})
}

// StoreHalf writes v at m in half precision, to nearest, ties to even.
func (a *Asm) StoreHalf(v V, m Mem) {
	if a.Set == NEON {
		h := a.neon("fcvtn", a.newV(), none, v)
		a.emit(none, none, []V{h}, func(reg func(V) int) string { return fmt.Sprintf("FMOVD F%d, %v", reg(h), m) })
		return
	}
	a.emit(none, none, []V{v}, func(reg func(V) int) string {
		return fmt.Sprintf("VCVTPS2PH $0, %s, %v", a.name(reg(v)), m)
	})
}
