package simd

import "fmt"

// Tail reads and writes the last 1..Lanes-1 elements of a slice and touches
// nothing beyond them.
type Tail struct {
	a    *Asm
	n    G // elements, bytes on no set
	mask V // AVX2
}

// Tail prepares for n elements; its registers last to the end of the function.
func (a *Asm) Tail(n G) Tail {
	t := Tail{a: a, n: n, mask: none}
	switch s := a.scratch(); a.Set {
	case AVX2:
		a.tails = true
		t.mask = a.Pin()
		a.emit(t.mask, none, nil, func(reg func(V) int) string {
			return fmt.Sprintf("LEAQ tailmask<>+32(SB), %s\nNEGQ %s\nVMOVUPS (%s)(%s*4), Y%d\nNEGQ %s", s, n.name, s, n.name, reg(t.mask), n.name)
		})
	case AVX512:
		a.raw("MOVL $-1, %s\nBZHIL %s, %s, %s\nKMOVW %s, K1", s, n.name, s, s, s)
	}
	return t
}

// Load returns the elements at p, followed by those of fill.
func (t Tail) Load(p G, fill V) V {
	a, d := t.a, t.a.newV()
	fill = a.inRegister(fill)
	switch a.Set {
	case AVX512:
		return a.emit(d, fill, []V{fill}, func(reg func(V) int) string {
			return fmt.Sprintf("VMOVUPS (%s), K1, Z%d", p.name, reg(d))
		})
	case AVX2:
		x := a.emit(a.newV(), none, []V{t.mask}, nil)
		a.run[len(a.run)-1].text = func(reg func(V) int) string {
			return fmt.Sprintf("VMASKMOVPS (%s), Y%d, Y%d", p.name, reg(t.mask), reg(x))
		}
		return a.BySign(t.mask, x, fill)
	}
	return a.emit(d, fill, []V{fill}, func(reg func(V) int) string {
		return t.lanes(p, func(lane int, at string) string {
			return fmt.Sprintf("VLD1.P 4(%s), V%d.S[%d]", at, reg(d), lane)
		})
	})
}

// Store writes the first elements of v at p.
func (t Tail) Store(v V, p G) {
	a := t.a
	a.emit(none, none, []V{v}, func(reg func(V) int) string {
		switch a.Set {
		case AVX512:
			return fmt.Sprintf("VMOVUPS Z%d, K1, (%s)", reg(v), p.name)
		case AVX2:
			return fmt.Sprintf("VMASKMOVPS Y%d, Y%d, (%s)", reg(v), reg(t.mask), p.name)
		}
		return t.lanes(p, func(lane int, at string) string {
			return fmt.Sprintf("VST1.P V%d.S[%d], 4(%s)", reg(v), lane, at)
		})
	})
}

// lanes is one access per lane of arm64, as far as n goes.
func (t Tail) lanes(p G, access func(lane int, at string) string) string {
	at, done := t.a.scratch(), t.a.NewLabel("lanes")
	s := fmt.Sprintf("MOVD %s, %s\n", p.name, at)
	for lane := range 3 {
		s += access(lane, at) + "\n"
		if lane < 2 {
			s += fmt.Sprintf("CMP $%d, %s\nBEQ %s\n", lane+1, t.n.name, done)
		}
	}
	return s + done + ":"
}
