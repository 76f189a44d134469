package ptxsim

import (
	"fmt"
	"math"
	"strconv"
)

// A register is a slot of the register file, or for predicates of the predicate file.
type register struct {
	slot int
	t    typ
}

// A scope holds the names between two braces.
type scope struct {
	outer  *scope
	regs   map[string]register
	ranges map[string]registerRange // by prefix: %r<100>
	vars   map[string]*variable
	labels map[string]int
	tables map[string][]string
}

type registerRange struct {
	n int
	t typ
}

func newScope(outer *scope) *scope {
	return &scope{outer, map[string]register{}, map[string]registerRange{}, map[string]*variable{}, map[string]int{}, map[string][]string{}}
}

// A jump is a branch whose label may still come.
type jump struct {
	in    int
	label string // or table
	from  *scope
}

// A function is a kernel being decoded.
type function struct {
	k     *Kernel
	scope *scope
	jumps []jump

	literals map[uint64]int    // slots
	symbols  map[*variable]int // slots of addresses
	special  map[string]int
}

func newFunction(k *Kernel) *function {
	return &function{k: k, scope: newScope(nil), literals: map[uint64]int{}, symbols: map[*variable]int{}, special: map[string]int{}}
}

func (f *function) open() { f.scope = newScope(f.scope) }

// close says whether the brace closed an inner scope.
func (f *function) close() bool {
	inner := f.scope.outer != nil
	if inner {
		f.scope = f.scope.outer
	}
	return inner
}

func (f *function) slot(v initial) int {
	f.k.template = append(f.k.template, v)
	return len(f.k.template) - 1
}

// registers declares one register, or n of them as name0, name1, …; slots are taken at first use.
func (f *function) registers(name string, n int, t typ) {
	if n >= 0 {
		f.scope.ranges[name] = registerRange{n, t}
		return
	}
	f.scope.regs[name] = f.newRegister(t)
}

func (f *function) newRegister(t typ) register {
	if t.class == predClass {
		f.k.preds++
		return register{f.k.preds - 1, t}
	}
	return register{f.slot(initial{value: t.mask()}), t} // poison
}

func (f *function) register(name string) (register, bool) {
	digits := len(name)
	for digits > 0 && name[digits-1] >= '0' && name[digits-1] <= '9' {
		digits--
	}
	for s := f.scope; s != nil; s = s.outer {
		if r, ok := s.regs[name]; ok {
			return r, true
		}
		// %r12 may be the register 12 of %r, or 2 of %r1.
		for i := digits; i < len(name); i++ {
			if g, ok := s.ranges[name[:i]]; ok {
				n, err := strconv.Atoi(name[i:])
				if err != nil || n >= g.n || i+1 < len(name) && name[i] == '0' {
					continue
				}
				r := f.newRegister(g.t)
				s.regs[name] = r
				return r, true
			}
		}
	}
	return register{}, false
}

func (f *function) param(v *variable) error {
	if v.init != nil || v.size == 0 {
		return fmt.Errorf("parameter %s", v.name)
	}
	v.offset = alignUp(f.k.paramBytes(), v.align)
	if v.size > maxParams || v.offset+v.size > maxParams {
		return fmt.Errorf("more than %d bytes of parameters", maxParams)
	}
	f.k.params = append(f.k.params, Param{v.offset, v.size})
	f.scope.vars[v.name] = v
	return nil
}

// declare notes a variable of the kernel's own.
func (f *function) declare(v *variable) error {
	switch {
	case v.space == "param" || v.init != nil:
		return fmt.Errorf("%s: such variables are not simulated", v.name)
	case v.space == "local":
		v.offset = alignUp(f.k.local, v.align)
		if v.size > maxLocal || v.offset+v.size > maxLocal {
			return fmt.Errorf("more than %d bytes of local memory", maxLocal)
		}
		f.k.local = v.offset + v.size
	default:
		if err := f.placeShared(v); err != nil {
			return err
		}
	}
	f.scope.vars[v.name] = v
	return nil
}

// placeShared gives a shared variable its place in this kernel.
func (f *function) placeShared(v *variable) error {
	offset := alignUp(f.k.Shared, v.align)
	if v.size > maxShared || offset+v.size > maxShared {
		return fmt.Errorf("more than %d bytes of shared memory", maxShared)
	}
	f.k.Shared = offset + v.size
	v.offset = offset
	return nil
}

// variable looks a name up. A shared variable of the module gets a place of its own in each
// kernel that names it.
func (f *function) variable(name string) (*variable, error) {
	for s := f.scope; s != nil; s = s.outer {
		if v, ok := s.vars[name]; ok {
			return v, nil
		}
	}
	g := f.k.module.vars[name]
	if g == nil {
		return nil, fmt.Errorf("unknown name %s", name)
	}
	if g.space != "shared" {
		return g, nil
	}
	v := *g
	outermost := f.scope
	for outermost.outer != nil {
		outermost = outermost.outer
	}
	if v.extern {
		f.k.dynAlign = max(f.k.dynAlign, v.align)
	} else if err := f.placeShared(&v); err != nil {
		return nil, err
	}
	outermost.vars[name] = &v
	return &v, nil
}

func (f *function) literal(x uint64) int {
	s, ok := f.literals[x]
	if !ok {
		s = f.slot(initial{value: x})
		f.literals[x] = s
	}
	return s
}

func (f *function) symbol(v *variable) int {
	s, ok := f.symbols[v]
	if !ok {
		s = f.slot(initial{sym: v})
		f.symbols[v] = s
	}
	return s
}

func (f *function) specialSlot(name string) int {
	s, ok := f.special[name]
	if !ok {
		s = f.slot(initial{})
		f.special[name] = s
		f.k.specials = append(f.k.specials, special{s, specials[name]})
	}
	return s
}

func (f *function) label(name string) bool {
	if _, ok := f.scope.labels[name]; ok {
		return false
	}
	f.scope.labels[name] = len(f.k.code)
	return true
}

func (f *function) table(name string, labels []string) bool {
	if _, ok := f.scope.tables[name]; ok {
		return false
	}
	f.scope.tables[name] = labels
	return true
}

// finish resolves the branches and lays out dynamic shared memory.
func (f *function) finish() error {
	find := func(s *scope, label string) (int, bool) {
		for ; s != nil; s = s.outer {
			if pc, ok := s.labels[label]; ok {
				return pc, true
			}
		}
		return 0, false
	}
	for _, j := range f.jumps {
		in := &f.k.code[j.in]
		labels := []string{j.label}
		if in.control == indexed {
			labels = nil
			for s := j.from; s != nil && labels == nil; s = s.outer {
				labels = s.tables[j.label]
			}
		}
		for _, l := range labels {
			pc, ok := find(j.from, l)
			if !ok {
				return fmt.Errorf("%s: line %d: %s: unknown label %s", f.k.Name, in.line, in.text, l)
			}
			in.target = pc
			in.targets = append(in.targets, pc)
		}
		if len(labels) == 0 {
			return fmt.Errorf("%s: line %d: %s: unknown table %s", f.k.Name, in.line, in.text, j.label)
		}
	}
	// A kernel ends at its last line, ret or no ret.
	f.k.code = append(f.k.code, instr{pred: -1, control: exit, text: "end of " + f.k.Name})
	f.k.dynAlign = max(f.k.dynAlign, 16)
	if len(f.k.code) > math.MaxInt32 {
		return fmt.Errorf("%s is too long", f.k.Name)
	}
	return nil
}
