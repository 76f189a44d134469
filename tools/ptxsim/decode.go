package ptxsim

import (
	"errors"
	"fmt"
	"strings"
)

// lanes is one register of a warp. It holds values of fewer than 64 bits with zeros above.
type lanes [32]uint64

const allLanes = 0xffffffff

// A decoder turns one instruction into what runs. Its methods take the parts of the mnemonic and
// the operands one by one; the first error sticks, and what nobody took is an error at the end.
type decoder struct {
	f    *function
	in   *instr
	mods []string
	args []operand
	used int
	err  error

	before []func(*warp) // what the instruction must do first
}

// opcodes has every instruction by the first word of its mnemonic. The families are tables in
// files of their own.
var opcodes = func() map[string]func(*decoder) {
	m := map[string]func(*decoder){}
	for _, family := range []map[string]func(*decoder){
		arithmetic, bitwise, transcendental, conversions, predicates, controls, accesses, warpWide, atomics, matrices, asynchronous,
	} {
		for name, decode := range family {
			m[name] = decode
		}
	}
	return m
}()

func (f *function) instruction(guard *operand, mnemonic string, args []operand, line int, text string) error {
	in := instr{pred: -1, line: line, text: text}
	mods := strings.Split(mnemonic, ".")
	d := &decoder{f: f, in: &in, mods: mods[1:], args: args}
	if guard != nil {
		if guard.kind != regOperand || guard.reg.t.class != predClass {
			return errors.New("the guard is no predicate register")
		}
		in.pred = guard.reg.slot
		if guard.not {
			in.flip = allLanes
		}
	}
	decode := opcodes[mods[0]]
	if decode == nil {
		return fmt.Errorf("unknown instruction %s", mods[0])
	}
	decode(d)
	switch {
	case d.err != nil:
		return d.err
	case len(d.mods) > 0:
		return fmt.Errorf("%s with .%s is not simulated", mods[0], d.mods[0])
	case d.used < len(args):
		return fmt.Errorf("%d operands instead of %d", len(args), d.used)
	}
	if exec := in.exec; len(d.before) > 0 && exec != nil {
		in.exec = func(w *warp, m uint32) {
			for _, f := range d.before {
				f(w)
			}
			exec(w, m)
		}
	}
	f.k.code = append(f.k.code, in)
	return nil
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
}

// take removes the first part of the mnemonic that is one of names, and returns it, or "".
func (d *decoder) take(names ...string) string {
	for i, m := range d.mods {
		for _, n := range names {
			if m == n {
				d.mods = append(d.mods[:i:i], d.mods[i+1:]...)
				return m
			}
		}
	}
	return ""
}

// must is take of a part that has to be there.
func (d *decoder) must(names ...string) string {
	m := d.take(names...)
	if m == "" {
		d.fail("none of .%s", strings.Join(names, " ."))
	}
	return m
}

// typ takes the last part of the mnemonic, a type.
func (d *decoder) typ() typ {
	if n := len(d.mods); n > 0 {
		if t, ok := types[d.mods[n-1]]; ok {
			d.mods = d.mods[:n-1]
			return t
		}
	}
	d.fail("no type")
	return types["b32"]
}

func (d *decoder) arg(i int) operand {
	d.used = max(d.used, i+1)
	if i >= len(d.args) {
		d.fail("too few operands")
		return operand{kind: sinkOperand}
	}
	return d.args[i]
}

// has says whether there is an operand i.
func (d *decoder) has(i int) bool { return i < len(d.args) }

// dst gives the slot of a register that is written as type t. Nothing reads the slot of a "_".
func (d *decoder) dst(i int, t typ) int { return d.dstOf(d.arg(i), t, false) }

func (d *decoder) dstOf(o operand, t typ, wider bool) int {
	if o.kind == sinkOperand {
		return d.f.slot(initial{})
	}
	if o.kind != regOperand {
		d.fail("the destination is no register")
		return 0
	}
	return d.register(o.reg, t, wider)
}

func (d *decoder) register(r register, t typ, wider bool) int {
	switch {
	case r.t.class == predClass:
		d.fail("a predicate register where a .%s is wanted", t.name)
	case wider && r.t.bits < t.bits, !wider && r.t.bits != t.bits, !wider && !t.accepts(r.t):
		d.fail("a .%s register where a .%s is wanted", r.t.name, t.name)
	}
	return r.slot
}

// src gives the slot of what is read as type t: a register, literal, address or special register.
func (d *decoder) src(i int, t typ) int { return d.srcOf(d.arg(i), t, false) }

func (d *decoder) srcOf(o operand, t typ, wider bool) int {
	if o.not {
		d.fail("! before what is no predicate")
	}
	switch o.kind {
	case regOperand:
		return d.register(o.reg, t, wider)
	case intOperand:
		if t.class == floatClass && t.bits >= 32 && t.name != "f16x2" && t.name != "bf16x2" {
			d.fail("an integer where a .%s is wanted", t.name)
		}
		return d.f.literal(o.value & t.mask())
	case floatOperand:
		if t.class != floatClass && t.class != bitsClass || t.bits < 32 {
			d.fail("a float where a .%s is wanted", t.name)
		}
		return d.f.literal(floatBits(o.value, t))
	case specialOperand:
		s := specials[o.name]
		if t.class == floatClass || t.bits < s.bits && !wider {
			d.fail("%s where a .%s is wanted", o.name, t.name)
		}
		slot := d.f.specialSlot(o.name)
		if s.now {
			d.refresh(slot, s)
		}
		return slot
	case nameOperand:
		v, err := d.f.variable(o.name)
		if err != nil {
			d.fail("%w", err)
			return 0
		}
		if t.bits < 32 || t.class == floatClass || t.bits == 32 && v.space != "shared" && v.space != "param" && v.space != "local" {
			d.fail("the address of %s where a .%s is wanted", o.name, t.name)
		}
		return d.f.symbol(v)
	}
	d.fail("an operand that is no value")
	return 0
}

// pred gives a predicate register that is written.
func (d *decoder) pred(i int) int { return d.predOf(d.arg(i)) }

func (d *decoder) predOf(o operand) int {
	if o.kind == sinkOperand {
		return d.f.newRegister(types["pred"]).slot
	}
	if o.kind != regOperand || o.reg.t.class != predClass || o.not {
		d.fail("no predicate register")
		return 0
	}
	return o.reg.slot
}

// cond gives a predicate that is read: a register, !register or a literal.
func (d *decoder) cond(i int) func(w *warp) uint32 {
	o := d.arg(i)
	switch {
	case o.kind == intOperand && !o.not:
		v := uint32(0)
		if o.value != 0 {
			v = allLanes
		}
		return func(*warp) uint32 { return v }
	case o.kind == regOperand && o.reg.t.class == predClass:
		s, flip := o.reg.slot, uint32(0)
		if o.not {
			flip = allLanes
		}
		return func(w *warp) uint32 { return w.p[s] ^ flip }
	}
	d.fail("no predicate")
	return func(*warp) uint32 { return 0 }
}

// vector gives the elements of operand i, of which there must be one of the counts.
func (d *decoder) vector(i int, counts ...int) []operand {
	o := d.arg(i)
	elems := o.elems
	if o.kind != vecOperand {
		elems = []operand{o}
	}
	for _, n := range counts {
		if len(elems) == n {
			return elems
		}
	}
	d.fail("%d values in operand %d", len(elems), i+1)
	return make([]operand, counts[0])
}

type (
	op1 = func(d, a *lanes)
	op2 = func(d, a, b *lanes)
	op3 = func(d, a, b, c *lanes)
)

// The decoders below run an operation that is given for whole registers under a mask.

func (d *decoder) run1(dst, a int, f op1) {
	d.in.exec = func(w *warp, m uint32) {
		if m == allLanes {
			f(&w.r[dst], &w.r[a])
			return
		}
		f(&w.tmp, &w.r[a])
		w.r[dst].blend(&w.tmp, m)
	}
}

func (d *decoder) run2(dst, a, b int, f op2) {
	d.in.exec = func(w *warp, m uint32) {
		if m == allLanes {
			f(&w.r[dst], &w.r[a], &w.r[b])
			return
		}
		f(&w.tmp, &w.r[a], &w.r[b])
		w.r[dst].blend(&w.tmp, m)
	}
}

func (d *decoder) run3(dst, a, b, c int, f op3) {
	d.in.exec = func(w *warp, m uint32) {
		if m == allLanes {
			f(&w.r[dst], &w.r[a], &w.r[b], &w.r[c])
			return
		}
		f(&w.tmp, &w.r[a], &w.r[b], &w.r[c])
		w.r[dst].blend(&w.tmp, m)
	}
}

func each1(f func(a uint64) uint64) op1 {
	return func(d, a *lanes) {
		for i := range d {
			d[i] = f(a[i])
		}
	}
}

func each2(f func(a, b uint64) uint64) op2 {
	return func(d, a, b *lanes) {
		for i := range d {
			d[i] = f(a[i], b[i])
		}
	}
}

func each3(f func(a, b, c uint64) uint64) op3 {
	return func(d, a, b, c *lanes) {
		for i := range d {
			d[i] = f(a[i], b[i], c[i])
		}
	}
}

// same decodes an instruction whose operands all have its type; forms has the operation by type.
func same1(forms map[string]op1, mods ...string) func(*decoder) {
	return func(d *decoder) {
		t := d.typ()
		d.take(mods...)
		f := lookup(d, forms, t.name)
		dst, a := d.dst(0, t), d.src(1, t)
		d.run1(dst, a, f)
	}
}

func same2(forms map[string]op2, mods ...string) func(*decoder) {
	return func(d *decoder) {
		t := d.typ()
		d.take(mods...)
		f := lookup(d, forms, t.name)
		dst, a, b := d.dst(0, t), d.src(1, t), d.src(2, t)
		d.run2(dst, a, b, f)
	}
}

func lookup[F any](d *decoder, forms map[string]F, name string) F {
	f, ok := forms[name]
	if !ok {
		d.fail("no form for .%s", name)
	}
	return f
}

// blend copies the lanes of the mask.
func (l *lanes) blend(from *lanes, m uint32) {
	for i := range l {
		if m>>i&1 != 0 {
			l[i] = from[i]
		}
	}
}
