package ptxsim

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Limits of what a text may claim, in bytes.
const (
	maxShared  = 227 << 10 // of a block, dynamic memory included
	maxLocal   = 16 << 10  // of a thread
	maxStatics = 16 << 20  // of a module's .global and .const
	maxParams  = 4352
)

// Parse reads a module and decodes its kernels. Errors name the line.
func Parse(src string) (*Module, error) {
	toks, err := lex(src)
	if err != nil {
		return nil, fmt.Errorf("ptxsim: %w", err)
	}
	p := &parser{src: src, toks: toks, m: &Module{kernels: map[string]*Kernel{}, vars: map[string]*variable{}}}
	if err := p.module(); err != nil {
		return nil, fmt.Errorf("ptxsim: %w", err)
	}
	return p.m, nil
}

type parser struct {
	src     string
	toks    []token
	pos     int
	m       *Module
	statics int // bytes
}

func (p *parser) peek() token { return p.toks[p.pos] }

func (p *parser) next() token {
	t := p.toks[p.pos]
	if t.text != "" {
		p.pos++
	}
	return t
}

// accept takes the next token if it is this one.
func (p *parser) accept(text string) bool {
	if p.peek().text != text {
		return false
	}
	p.pos++
	return true
}

func (p *parser) expect(text string) error {
	if !p.accept(text) {
		return p.errorf("%q instead of %q", p.peek().text, text)
	}
	return nil
}

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("line %d: %w", p.peek().line, fmt.Errorf(format, args...))
}

func (p *parser) word() (string, error) {
	if !p.peek().isWord() {
		return "", p.errorf("%q instead of a name", p.peek().text)
	}
	return p.next().text, nil
}

// size reads a number that counts bytes, threads, elements.
func (p *parser) size() (int, error) {
	n, err := strconv.ParseUint(strings.TrimSuffix(p.peek().text, "U"), 0, 31)
	if err != nil {
		return 0, p.errorf("%q is no size", p.peek().text)
	}
	p.next()
	return int(n), nil
}

func (p *parser) skipLine() {
	for line := p.peek().line; p.peek().text != "" && p.peek().line == line; {
		p.next()
	}
}

func (p *parser) skipBraces() error {
	for depth := 0; ; {
		switch p.next().text {
		case "{":
			depth++
		case "}":
			if depth--; depth == 0 {
				return nil
			}
		case "":
			return p.errorf("a brace is not closed")
		}
	}
}

func (p *parser) module() error {
	for {
		extern := false
		for {
			t := p.peek().text
			if t != ".visible" && t != ".extern" && t != ".weak" && t != ".common" {
				break
			}
			extern = extern || t == ".extern"
			p.next()
		}
		t := p.peek()
		var err error
		switch t.text {
		case "":
			return nil
		case ".version", ".target", ".address_size", ".file", ".loc":
			p.skipLine()
		case ".pragma":
			err = p.pragma()
		case ".section":
			err = p.skipBraces()
		case ".entry":
			p.next()
			err = p.entry()
		case ".global", ".const", ".shared":
			p.next()
			err = p.declaration(t.text[1:], extern, p.declare)
		case ".func":
			err = p.errorf("functions are not simulated: inline them")
		default:
			err = p.errorf("unexpected %q", t.text)
		}
		if err != nil {
			return err
		}
	}
}

func (p *parser) pragma() error {
	p.next()
	p.next()
	return p.expect(";")
}

// declare notes a variable of the module.
func (p *parser) declare(v *variable) error {
	if p.m.vars[v.name] != nil {
		return p.errorf("%s is declared twice", v.name)
	}
	p.m.vars[v.name] = v
	if v.space != "shared" {
		if v.extern {
			return p.errorf("%s lies in another module", v.name)
		}
		if p.statics += v.size; v.size > maxStatics || p.statics > maxStatics {
			return p.errorf("more than %d bytes of variables", maxStatics)
		}
	}
	return nil
}

// declaration reads what follows .global, .shared, …: [.align n] .type name[n] [= init];
func (p *parser) declaration(space string, extern bool, declare func(*variable) error) error {
	v, err := p.variable(space)
	if err != nil {
		return err
	}
	v.extern = extern
	if space == "shared" && v.init != nil {
		return p.errorf("shared memory cannot be initialised")
	}
	if err := declare(v); err != nil {
		return err
	}
	return p.expect(";")
}

func (p *parser) variable(space string) (*variable, error) {
	v := &variable{space: space}
	var t typ
	pointee := false
	vector := 1
	for strings.HasPrefix(p.peek().text, ".") {
		d := p.next().text[1:]
		switch d {
		case "ptr":
			pointee = true
		case "align":
			n, err := p.size()
			if err != nil {
				return nil, err
			}
			if n == 0 || n&(n-1) != 0 || n > 1<<16 {
				return nil, p.errorf("alignment %d", n)
			}
			if !pointee { // else it is that of what a parameter points to
				v.align = n
			}
		case "v2":
			vector = 2
		case "v4":
			vector = 4
		case "global", "shared", "const", "local":
			if !pointee {
				return nil, p.errorf("unexpected .%s", d)
			}
		default:
			var ok bool
			if t, ok = types[d]; !ok || t.class == predClass {
				return nil, p.errorf("unknown type .%s", d)
			}
		}
	}
	if t.bits == 0 {
		return nil, p.errorf("a variable without type")
	}
	var err error
	if v.name, err = p.word(); err != nil {
		return nil, err
	}
	elements := vector
	for p.accept("[") {
		n := 0
		if !p.accept("]") {
			if n, err = p.size(); err != nil {
				return nil, err
			}
			if err := p.expect("]"); err != nil {
				return nil, err
			}
		}
		if elements *= n; elements > 1<<31 {
			return nil, p.errorf("%s is too large", v.name)
		}
	}
	v.size = elements * t.bytes()
	if v.align == 0 {
		v.align = t.bytes() * vector
	}
	if p.accept("=") {
		if err := p.initialiser(v, t, 0); err != nil {
			return nil, err
		}
		if len(v.init) > v.size {
			return nil, p.errorf("%s has more values than places", v.name)
		}
	}
	return v, nil
}

func (p *parser) initialiser(v *variable, t typ, depth int) error {
	if p.accept("{") {
		if depth > 8 {
			return p.errorf("braces nested too deep")
		}
		for !p.accept("}") {
			if err := p.initialiser(v, t, depth+1); err != nil {
				return err
			}
			if !p.accept(",") && p.peek().text != "}" {
				return p.errorf("%q instead of \",\"", p.peek().text)
			}
		}
		return nil
	}
	minus := p.accept("-")
	x, float, err := number(p.peek().text)
	if err != nil {
		return p.errorf("%s: %w", v.name, err)
	}
	p.next()
	if minus {
		x = -x
	}
	if float {
		x = floatBits(x, t)
	}
	for i := range t.bytes() {
		v.init = append(v.init, byte(x>>(8*i)))
	}
	return nil
}

// number reads a literal: an integer, or a float as the bits of its float64.
func number(s string) (x uint64, float bool, err error) {
	switch {
	case len(s) == 10 && (s[:2] == "0f" || s[:2] == "0F"):
		x, err = strconv.ParseUint(s[2:], 16, 32)
		return math.Float64bits(float64(math.Float32frombits(uint32(x)))), true, err
	case len(s) == 18 && (s[:2] == "0d" || s[:2] == "0D"):
		x, err = strconv.ParseUint(s[2:], 16, 64)
		return x, true, err
	case strings.Contains(s, ".") && s[0] >= '0' && s[0] <= '9':
		f, err := strconv.ParseFloat(s, 64)
		return math.Float64bits(f), true, err
	}
	x, err = strconv.ParseUint(strings.TrimSuffix(s, "U"), 0, 64)
	return x, false, err
}

// floatBits gives the float64 with bits x in type t.
func floatBits(x uint64, t typ) uint64 {
	if t.bits == 32 {
		return uint64(math.Float32bits(float32(math.Float64frombits(x))))
	}
	return x
}

func (p *parser) entry() error {
	name, err := p.word()
	if err != nil {
		return err
	}
	if p.m.kernels[name] != nil {
		return p.errorf("%s is defined twice", name)
	}
	f := newFunction(&Kernel{Name: name, module: p.m})
	if p.accept("(") {
		for !p.accept(")") {
			if err := p.expect(".param"); err != nil {
				return err
			}
			v, err := p.variable("param")
			if err != nil {
				return err
			}
			if err := f.param(v); err != nil {
				return p.errorf("%w", err)
			}
			if !p.accept(",") && p.peek().text != ")" {
				return p.errorf("%q instead of \",\"", p.peek().text)
			}
		}
	}
	for !p.accept("{") {
		switch d := p.next().text; d {
		case ".maxntid", ".reqntid":
			f.k.MaxThreads = 1
			for {
				n, err := p.size()
				if err != nil {
					return err
				}
				if f.k.MaxThreads *= n; n < 1 || f.k.MaxThreads > 1024 {
					return p.errorf("%s asks for more than 1024 threads", d)
				}
				if !p.accept(",") {
					break
				}
			}
		case ".minnctapersm", ".maxnreg", ".maxnctapersm":
			if _, err := p.size(); err != nil {
				return err
			}
		case ".noreturn":
		case ".pragma":
			p.pos--
			if err := p.pragma(); err != nil {
				return err
			}
		default:
			return p.errorf("unexpected %q before the body of %s", d, name)
		}
	}
	if err := p.body(f); err != nil {
		return err
	}
	if err := f.finish(); err != nil {
		return err
	}
	p.m.kernels[name] = f.k
	p.m.names = append(p.m.names, name)
	return nil
}

// body reads declarations and instructions up to the brace that closes the kernel.
func (p *parser) body(f *function) error {
	for {
		t := p.peek()
		var err error
		switch {
		case t.text == "":
			return p.errorf("%s has no end", f.k.Name)
		case t.text == "{":
			p.next()
			f.open()
		case t.text == "}":
			p.next()
			if !f.close() {
				return nil
			}
		case t.text == ";":
			p.next()
		case t.text == ".reg":
			p.next()
			err = p.registers(f)
		case t.text == ".shared" || t.text == ".local" || t.text == ".param":
			p.next()
			err = p.declaration(t.text[1:], false, func(v *variable) error {
				if err := f.declare(v); err != nil {
					return p.errorf("%w", err)
				}
				return nil
			})
		case t.text == ".pragma":
			err = p.pragma()
		case t.text == ".loc" || t.text == ".file":
			p.skipLine()
		case t.isWord() && p.toks[p.pos+1].text == ":":
			p.pos += 2
			if p.accept(".branchtargets") {
				err = p.branchTargets(f, t.text)
			} else if !f.label(t.text) {
				err = p.errorf("label %s is defined twice", t.text)
			}
		case t.text == "@" || t.isWord() && t.text[0] != '.':
			err = p.instruction(f)
		default:
			err = p.errorf("unexpected %q", t.text)
		}
		if err != nil {
			return err
		}
	}
}

func (p *parser) registers(f *function) error {
	t, ok := types[strings.TrimPrefix(p.peek().text, ".")]
	if !ok {
		return p.errorf("unknown register type %q", p.peek().text)
	}
	p.next()
	for {
		name, err := p.word()
		if err != nil {
			return err
		}
		n := -1
		if p.accept("<") {
			if n, err = p.size(); err != nil {
				return err
			}
			if err := p.expect(">"); err != nil {
				return err
			}
		}
		f.registers(name, n, t)
		if p.accept(";") {
			return nil
		}
		if err := p.expect(","); err != nil {
			return err
		}
	}
}

func (p *parser) branchTargets(f *function, name string) error {
	var labels []string
	for {
		l, err := p.word()
		if err != nil {
			return err
		}
		labels = append(labels, l)
		if p.accept(";") {
			if !f.table(name, labels) {
				return p.errorf("%s is defined twice", name)
			}
			return nil
		}
		if err := p.expect(","); err != nil {
			return err
		}
	}
}

// instruction reads [@[!]p] mnemonic operands ; and decodes it.
func (p *parser) instruction(f *function) error {
	start := p.peek()
	fail := func(err error) error {
		end := p.pos
		for end < len(p.toks)-1 && p.toks[end].text != ";" && p.toks[end].line == start.line {
			end++
		}
		return fmt.Errorf("%s: line %d: %s: %w", f.k.Name, start.line, statement(p.src[start.start:p.toks[end].start]), err)
	}
	var guard *operand
	if p.accept("@") {
		not := p.accept("!")
		o, err := p.operand(f, 0)
		if err != nil {
			return fail(err)
		}
		o.not = not
		guard = &o
	}
	mnemonic, err := p.word()
	if err != nil {
		return err
	}
	var args []operand
	for p.peek().text != ";" {
		o, err := p.operand(f, 0)
		if err != nil {
			return fail(err)
		}
		args = append(args, o)
		if !p.accept(",") && p.peek().text != ";" {
			return fail(fmt.Errorf("unexpected %q", p.peek().text))
		}
	}
	text := statement(p.src[start.start:p.peek().start])
	if err := f.instruction(guard, mnemonic, args, start.line, text); err != nil {
		return fail(err)
	}
	p.next()
	return nil
}

// statement puts a statement on one line, for messages.
func statement(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return s
}
