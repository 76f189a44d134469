package simd

import (
	"fmt"
	"strings"
)

// V is a vector of Lanes float32.
type V int

const none V = -1

// instr is one step of straight code. Its result may have to stand in the
// register of an operand (tied), which x86's and arm64's multiply-adds overwrite.
type instr struct {
	def, tied V
	uses      []V
	text      func(reg func(V) int) string
}

func (a *Asm) newV() V {
	a.values = append(a.values, value{reg: -1, constant: -1})
	return V(len(a.values) - 1)
}

// Pin returns a value that keeps its register to the end of the function; it is
// set by the methods whose names end in To.
func (a *Asm) Pin() V {
	for r := range a.registers() {
		if v, ok := a.pin(r); ok {
			return v
		}
	}
	panic("no register left to pin")
}

// pin pins register r, if none has it.
func (a *Asm) pin(r int) (V, bool) {
	for _, w := range a.values {
		if w.pinned && w.reg == r {
			return none, false
		}
	}
	v := a.newV()
	a.values[v].pinned, a.values[v].reg = true, r
	return v, true
}

// Pins returns n pinned values.
func (a *Asm) Pins(n int) []V {
	v := make([]V, n)
	for i := range v {
		v[i] = a.Pin()
	}
	return v
}

// Release gives the registers of pinned values back after their last use in the
// run being written.
func (a *Asm) Release(v ...V) {
	for _, v := range v {
		a.values[v].pinned = false
	}
}

func (a *Asm) registers() int {
	if a.Set == AVX2 {
		return 16
	}
	return 32
}

// emit appends one step; def may be none.
func (a *Asm) emit(def, tied V, uses []V, text func(reg func(V) int) string) V {
	a.run = append(a.run, instr{def, tied, uses, text})
	return def
}

// flush gives out registers for the collected run and writes it. Values that are
// not pinned end with it.
func (a *Asm) flush() {
	last := map[V]int{}
	for i, in := range a.run {
		for _, u := range in.uses {
			last[u] = i
		}
	}
	var free []int
	used := map[int]bool{}
	for _, w := range a.values {
		if w.reg >= 0 {
			used[w.reg] = true
		}
	}
	for r := range a.registers() {
		if !used[r] {
			free = append(free, r)
		}
	}
	reg := func(v V) int {
		if r := a.values[v].reg; r >= 0 {
			return r
		}
		panic(fmt.Sprintf("value %d has no register: it was set in another run", v))
	}
	for i, in := range a.run {
		dies := func(v V) bool { return last[v] == i && !a.values[v].pinned }
		move := ""
		if d := in.def; d != none && a.values[d].reg < 0 {
			take := -1
			for _, u := range in.uses { // a tied result overwrites that operand only
				if dies(u) && (in.tied == none || in.tied == u) {
					take = reg(u)
					break
				}
			}
			if take < 0 {
				if len(free) == 0 {
					panic("out of vector registers")
				}
				take, free = free[0], free[1:]
			}
			a.touched[take] = true
			a.values[d].reg = take
		}
		if in.tied != none && reg(in.tied) != reg(in.def) {
			move = a.move(reg(in.tied), reg(in.def))
		}
		for _, line := range strings.Split(strings.TrimRight(move+in.text(reg), "\n"), "\n") {
			if !strings.HasSuffix(line, ":") {
				line = "\t" + line
			}
			fmt.Fprintln(&a.body, line)
		}
		released := map[int]bool{}
		for _, u := range in.uses {
			if r := reg(u); dies(u) && !released[r] && (in.def == none || reg(in.def) != r) {
				released[r] = true
				free = append(free, r)
			}
		}
		if d := in.def; d != none && !a.values[d].pinned {
			if _, ok := last[d]; !ok { // a result nobody uses
				free = append(free, reg(d))
			}
		}
	}
	for i := range a.values {
		if !a.values[i].pinned {
			a.values[i].reg = -1
		}
	}
	a.run = nil
}

func (a *Asm) move(from, to int) string {
	if a.Set == NEON {
		return neon("orr", to, from, from)
	}
	return fmt.Sprintf("VMOVAPS %s, %s\n", a.name(from), a.name(to))
}

// name is the assembler's name of a vector register.
func (a *Asm) name(r int) string {
	return fmt.Sprintf("%s%d", [...]string{"V", "Y", "Z"}[a.Set], r)
}
