package ptxsim

import (
	"fmt"
	"strconv"
	"strings"
)

// function is a kernel while its body is being read.
type function struct {
	m        *Module
	k        *Kernel
	params   map[string]int // offset
	vars     map[string]*variable
	regs     map[string]register // by name, or by the name in front of the number
	consts   map[uint64]int      // slot
	specials map[string]int      // slot
	labels   map[string]int
	targets  map[string][]string // of .branchtargets
	raw      []rawInstr
}

// register is a range of them under one name; count 0: no number behind the name.
type register struct{ slot, count, bytes int }

// rawInstr is an instruction whose operands are not resolved yet.
type rawInstr struct {
	op   []string // the name and its modifiers
	args []string
	instr
}

const mostSlots = 1 << 16

func newFunction(m *Module, name string) *function {
	return &function{m: m, k: &Kernel{Name: name, module: m}, params: map[string]int{}, vars: map[string]*variable{}, regs: map[string]register{},
		consts: map[uint64]int{}, specials: map[string]int{}, labels: map[string]int{}, targets: map[string][]string{}}
}

// registers declares what stands behind .reg: a type, then names or name<count>.
func (f *function) registers(words []string) error {
	if len(words) < 2 || sizes[strings.TrimPrefix(words[0], ".")] == 0 {
		return fmt.Errorf("no registers")
	}
	for _, name := range strings.Split(strings.Join(words[1:], ""), ",") {
		n := 1
		base, count, numbered := strings.Cut(name, "<")
		if numbered {
			var err error
			if n, err = strconv.Atoi(strings.TrimSuffix(count, ">")); err != nil || n < 0 {
				return fmt.Errorf("registers %s", name)
			}
		}
		if n > mostSlots-f.k.slots {
			return fmt.Errorf("more than %d registers", mostSlots)
		}
		r := register{slot: f.k.slots, bytes: sizes[words[0][1:]]}
		if numbered {
			r.count = n
		}
		f.regs[base] = r
		f.k.slots += n
	}
	return nil
}

// register returns the slot of a name.
func (f *function) register(name string) (int, bool) {
	slot, _, ok := f.find(name)
	return slot, ok
}

// find returns the slot of a register and its bytes.
func (f *function) find(name string) (slot, bytes int, ok bool) {
	if r, ok := f.regs[name]; ok && r.count == 0 {
		return r.slot, r.bytes, true
	}
	i := len(name)
	for i > 0 && name[i-1] >= '0' && name[i-1] <= '9' {
		i--
	}
	r, ok := f.regs[name[:i]]
	n, err := strconv.Atoi(name[i:])
	if !ok || err != nil || n < 0 || n >= r.count {
		return 0, 0, false
	}
	return r.slot + n, r.bytes, true
}

// constant returns a slot that holds v.
func (f *function) constant(v uint64) int {
	slot, ok := f.consts[v]
	if !ok {
		slot = f.k.slots
		f.k.slots++
		f.consts[v] = slot
		f.k.consts = append(f.k.consts, constant{slot, v})
	}
	return slot
}

func (f *function) special(name string) int {
	slot, ok := f.specials[name]
	if !ok {
		slot = f.k.slots
		f.k.slots++
		f.specials[name] = slot
		f.k.specials = append(f.k.specials, special{slot, name})
	}
	return slot
}

// shared gives a variable its place in the kernel's shared memory.
func (f *function) shared(name string, v *variable, align int) {
	f.k.Shared = alignUp(f.k.Shared, align)
	v.offset = f.k.Shared
	f.k.Shared += v.size
	f.vars[name] = v
}

func (f *function) label(name string) error {
	if _, had := f.labels[name]; had {
		return fmt.Errorf("a label that is there already")
	}
	f.labels[name] = len(f.raw)
	return nil
}

func (f *function) instruction(s statement) error {
	in := rawInstr{instr: instr{line: s.line, text: short(s.text), pred: -1}}
	text := s.text
	if strings.HasPrefix(text, "@") {
		pred, rest, ok := cutSpace(text[1:])
		if !ok {
			return fmt.Errorf("a predicate without an instruction")
		}
		if strings.HasPrefix(pred, "!") {
			in.negate, pred = true, pred[1:]
		}
		slot, ok := f.register(pred)
		if !ok {
			return fmt.Errorf("unknown register %s", pred)
		}
		in.pred, text = slot, rest
	}
	op, rest, _ := cutSpace(text)
	in.op = strings.Split(op, ".")
	in.args = splitArgs(rest)
	f.raw = append(f.raw, in)
	return nil
}

func cutSpace(s string) (before, after string, ok bool) {
	i := strings.IndexAny(s, " \t\n")
	if i < 0 {
		return s, "", false
	}
	return s[:i], strings.TrimSpace(s[i:]), true
}

// splitArgs cuts at commas outside of brackets and braces.
func splitArgs(s string) []string {
	var args []string
	depth, from := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '{', '[', '(':
			depth++
		case '}', ']', ')':
			depth--
		case ',':
			if depth == 0 {
				args = append(args, strings.TrimSpace(s[from:i]))
				from = i + 1
			}
		}
	}
	if last := strings.TrimSpace(s[from:]); last != "" || len(args) > 0 {
		args = append(args, last)
	}
	return args
}

// compile resolves the operands, all labels being known.
func (f *function) compile() error {
	f.k.code = make([]instr, 0, len(f.raw)+1)
	for i := range f.raw {
		r := &f.raw[i]
		build, ok := builders[r.op[0]]
		if !ok {
			return fmt.Errorf("%s: line %d: %s: an unknown instruction", f.k.Name, r.line, r.text)
		}
		c := &compiler{f: f, raw: r, in: r.instr}
		build(c)
		if c.err != nil {
			return fmt.Errorf("%s: line %d: %s: %w", f.k.Name, r.line, r.text, c.err)
		}
		f.k.code = append(f.k.code, c.in)
	}
	f.k.code = append(f.k.code, instr{text: "(end)", pred: -1, kind: leave})
	return nil
}
