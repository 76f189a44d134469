package ptxsim

import (
	"fmt"
	"strconv"
	"strings"
)

// builders compile instructions by name. Each file of instructions adds its own.
var builders = map[string]func(c *compiler){}

// compiler compiles one instruction. The first error sticks.
type compiler struct {
	f   *function
	raw *rawInstr
	in  instr
	err error
}

func (c *compiler) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// mods are the modifiers behind the name.
func (c *compiler) mods() []string { return c.raw.op[1:] }

func (c *compiler) has(mod string) bool {
	for _, m := range c.mods() {
		if m == mod {
			return true
		}
	}
	return false
}

// only wants modifiers to be types or among those of the list, and so many operands
// at least.
func (c *compiler) only(operands int, list string) {
	allowed := strings.Fields(list)
next:
	for _, m := range c.mods() {
		if sizes[m] > 0 {
			continue
		}
		for _, a := range allowed {
			if m == a {
				continue next
			}
		}
		c.fail("unknown modifier .%s", m)
	}
	if len(c.raw.args) < operands {
		c.fail("%d operands, want %d", len(c.raw.args), operands)
	}
}

// types lists the modifiers that are types.
func (c *compiler) types() []string {
	var list []string
	for _, m := range c.mods() {
		if sizes[m] > 0 {
			list = append(list, m)
		}
	}
	return list
}

// typ is the last type.
func (c *compiler) typ() string {
	t := c.types()
	if len(t) == 0 {
		c.fail("no type")
		return "b32"
	}
	return t[len(t)-1]
}

// arg is the text of operand i.
func (c *compiler) arg(i int) string {
	if i >= len(c.raw.args) || c.raw.args[i] == "" {
		c.fail("no operand %d", i)
		return "0"
	}
	return c.raw.args[i]
}

// dst is the slot of the register that operand i is; "_" is a slot nobody reads.
func (c *compiler) dst(i int) int { return c.dstNamed(c.arg(i)) }

func (c *compiler) dstNamed(name string) int {
	if name == "_" {
		return c.f.special("_")
	}
	slot, ok := c.f.register(name)
	if !ok {
		c.fail("unknown register %s", name)
	}
	return slot
}

// cutConstant makes operand i, where it is a number, one of the type's own bits.
func (c *compiler) cutConstant(i int, k func(uint64) uint64) {
	if s := c.raw.args[i]; s != "" && (s[0] == '-' || s[0] >= '0' && s[0] <= '9') {
		if v, err := number(s); err == nil {
			c.raw.args[i] = strconv.FormatUint(k(v), 10)
		}
	}
}

// extend returns what widens a value of a type to the register that takes it: with its
// sign, where it has one.
func (c *compiler) extend(t, name string) func(uint64) uint64 {
	_, bytes, ok := c.f.find(name)
	if !ok || t[0] != 's' || bytes <= sizes[t] {
		return func(x uint64) uint64 { return x }
	}
	k := cut(map[int]string{2: "b16", 4: "b32", 8: "b64"}[bytes])
	return func(x uint64) uint64 { return k(uint64(signed(t, x))) }
}

// src is the slot that holds operand i.
func (c *compiler) src(i int) int { return c.value(c.arg(i)) }

// value is the slot that holds a register, a number, the address of a variable or
// what a thread is told of itself.
func (c *compiler) value(s string) int {
	switch {
	case s == "":
		c.fail("an operand is missing")
		return 0
	case s[0] == '%':
		if slot, ok := c.f.register(s); ok {
			return slot
		}
		if _, ok := specials[s]; ok {
			return c.f.special(s)
		}
		c.fail("unknown register %s", s)
		return 0
	case s[0] == '-' || s[0] >= '0' && s[0] <= '9':
		v, err := number(s)
		if err != nil {
			c.fail("number %s", s)
		}
		return c.f.constant(v)
	}
	name, offset := addend(s)
	at, ok := c.symbol(name)
	if !ok {
		c.fail("unknown symbol %s", s)
	}
	return c.f.constant(at + uint64(offset))
}

// addend splits name+4, name+-4.
func addend(s string) (name string, offset int64) {
	name, rest, ok := strings.Cut(s, "+")
	if !ok {
		return s, 0
	}
	n, err := number(strings.TrimSpace(rest))
	if err != nil {
		return s, 0
	}
	return strings.TrimSpace(name), int64(n)
}

// symbol is the address of a variable in its space; that of a module's memory in
// all of it.
func (c *compiler) symbol(name string) (uint64, bool) {
	if at, ok := c.f.params[name]; ok {
		return uint64(at), true
	}
	if v, ok := c.f.vars[name]; ok {
		return uint64(v.offset), true
	}
	v, ok := c.f.m.globals[name]
	switch {
	case !ok:
		return 0, false
	case v.space == "shared" && v.size == 0: // extern: behind the kernel's own
		c.f.k.dynamic = true
		c.f.k.Shared = alignUp(c.f.k.Shared, 16)
		return uint64(c.f.k.Shared), true
	case v.space == "shared":
		own := &variable{space: "shared", size: v.size}
		c.f.shared(name, own, 16)
		return uint64(own.offset), true
	}
	return tableBase + uint64(c.f.m.table(v)), true
}

// vector lists the operands in braces, or the one without.
func (c *compiler) vector(i int) []string {
	s := c.arg(i)
	if s[0] != '{' {
		return []string{s}
	}
	return splitArgs(strings.Trim(s, "{}"))
}

// address is the slot and the offset of an operand in brackets.
func (c *compiler) address(i int) (slot int, offset uint64) {
	s := c.arg(i)
	if s[0] != '[' || s[len(s)-1] != ']' {
		c.fail("%s is no address", s)
		return 0, 0
	}
	name, off := addend(strings.TrimSpace(s[1 : len(s)-1]))
	return c.value(name), uint64(off)
}

// target is the index of the instruction behind a label.
func (c *compiler) target(name string) int {
	at, ok := c.f.labels[name]
	if !ok {
		c.fail("unknown label %s", name)
	}
	return at
}

// run sets what the instruction does.
func (c *compiler) run(f func(w *warp, in *instr, mask uint32)) { c.in.exec = f }

// each2 and each3 set it to a loop over all lanes, the fast way for what is run most:
// lanes that take no part are computed too, and left alone.
func (c *compiler) each2(loop func(d, x, y *lanes)) {
	d, a, b := c.dst(0), c.src(1), c.src(2)
	c.run(func(w *warp, _ *instr, mask uint32) {
		if mask == allLanes {
			loop(&w.r[d], &w.r[a], &w.r[b])
			return
		}
		loop(&w.spare, &w.r[a], &w.r[b])
		w.keep(d, mask)
	})
}

func (c *compiler) each3(loop func(d, x, y, z *lanes)) {
	d, a, b, e := c.dst(0), c.src(1), c.src(2), c.src(3)
	c.run(func(w *warp, _ *instr, mask uint32) {
		if mask == allLanes {
			loop(&w.r[d], &w.r[a], &w.r[b], &w.r[e])
			return
		}
		loop(&w.spare, &w.r[a], &w.r[b], &w.r[e])
		w.keep(d, mask)
	})
}

// keep stores the lanes of mask that a loop has left in spare.
func (w *warp) keep(d int, mask uint32) {
	D := &w.r[d]
	for ; mask != 0; mask &= mask - 1 {
		l := lowest(mask)
		D[l] = w.spare[l]
	}
}

// unary, binary and ternary set it to a function of each lane's operands.
func (c *compiler) unary(f func(x uint64) uint64) {
	d, a := c.dst(0), c.src(1)
	c.run(func(w *warp, _ *instr, mask uint32) {
		D, A := &w.r[d], &w.r[a]
		if mask == allLanes {
			for l := range D {
				D[l] = f(A[l])
			}
			return
		}
		for ; mask != 0; mask &= mask - 1 {
			l := lowest(mask)
			D[l] = f(A[l])
		}
	})
}

func (c *compiler) binary(f func(x, y uint64) uint64) {
	d, a, b := c.dst(0), c.src(1), c.src(2)
	c.run(func(w *warp, _ *instr, mask uint32) {
		D, A, B := &w.r[d], &w.r[a], &w.r[b]
		if mask == allLanes {
			for l := range D {
				D[l] = f(A[l], B[l])
			}
			return
		}
		for ; mask != 0; mask &= mask - 1 {
			l := lowest(mask)
			D[l] = f(A[l], B[l])
		}
	})
}

func (c *compiler) ternary(f func(x, y, z uint64) uint64) {
	d, a, b, e := c.dst(0), c.src(1), c.src(2), c.src(3)
	c.run(func(w *warp, _ *instr, mask uint32) {
		D, A, B, E := &w.r[d], &w.r[a], &w.r[b], &w.r[e]
		if mask == allLanes {
			for l := range D {
				D[l] = f(A[l], B[l], E[l])
			}
			return
		}
		for ; mask != 0; mask &= mask - 1 {
			l := lowest(mask)
			D[l] = f(A[l], B[l], E[l])
		}
	})
}
