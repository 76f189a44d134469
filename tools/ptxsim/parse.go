package ptxsim

import (
	"fmt"
	"strconv"
	"strings"
)

// Parse reads and compiles a module. What it does not know, an instruction, a
// register or a directive, is an error with the line.
func Parse(src string) (*Module, error) {
	p := &parser{scanner: scanner{src: src, line: 1}, m: &Module{kernels: map[string]*Kernel{}, globals: map[string]*variable{}}}
	for {
		s, err := p.next()
		if err != nil {
			return nil, err
		}
		if s.kind == endOfText {
			break
		}
		if err := p.statement(s); err != nil {
			if s.kind == closeBrace { // of a kernel, whose instructions name their lines
				return nil, fmt.Errorf("ptx: %w", err)
			}
			return nil, fmt.Errorf("ptx: line %d: %s: %w", s.line, short(s.text), err)
		}
	}
	if p.f != nil {
		return nil, fmt.Errorf("ptx: the text ends within %s", p.f.k.Name)
	}
	return p.m, nil
}

func short(s string) string {
	if s = strings.Join(strings.Fields(s), " "); len(s) > 100 {
		s = s[:100] + "…"
	}
	return s
}

// variable is named memory.
type variable struct {
	space  string // global, const, shared or local
	offset int    // within the space of a kernel
	size   int
	data   []byte // initial value of module memory
}

type parser struct {
	scanner
	m     *Module
	f     *function // the kernel whose body is being read
	depth int       // of braces in it
	last  string    // label
}

// statement handles one statement, a brace or a label.
func (p *parser) statement(s statement) error {
	switch s.kind {
	case openBrace:
		if p.f == nil {
			return fmt.Errorf("a brace outside of a kernel")
		}
		p.depth++
		return nil
	case closeBrace:
		if p.f == nil || p.depth == 0 {
			return fmt.Errorf("line %d: a closing brace without its opening one", s.line)
		}
		if p.depth--; p.depth > 0 {
			return nil
		}
		f := p.f
		p.f = nil
		return f.compile()
	case label:
		if p.f == nil {
			return fmt.Errorf("a label outside of a kernel")
		}
		p.last = s.text
		return p.f.label(s.text)
	}
	if !strings.HasPrefix(s.text, ".") {
		if p.f == nil {
			return fmt.Errorf("an instruction outside of a kernel")
		}
		return p.f.instruction(s)
	}
	return p.directive(s)
}

func (p *parser) directive(s statement) error {
	words := strings.Fields(s.text)
	for len(words) > 0 && (words[0] == ".visible" || words[0] == ".weak" || words[0] == ".extern") {
		words = words[1:]
	}
	if len(words) == 0 {
		return fmt.Errorf("an empty directive")
	}
	switch words[0] {
	case ".version", ".target", ".address_size":
		if len(words) < 2 {
			return fmt.Errorf("nothing behind it")
		}
		switch words[0] {
		case ".version":
			p.m.Version = words[1]
		case ".target":
			p.m.Target = strings.TrimRight(words[1], ",")
		}
		return nil
	case ".entry":
		return p.entry(s)
	case ".func":
		return fmt.Errorf("functions are not simulated: inline them")
	case ".global", ".const", ".shared", ".local":
		return p.memory(words[0][1:], s.text)
	case ".reg":
		if p.f == nil {
			return fmt.Errorf("a register outside of a kernel")
		}
		return p.f.registers(words[1:])
	case ".branchtargets":
		if p.f == nil || p.last == "" {
			return fmt.Errorf("branch targets without a label")
		}
		p.f.targets[p.last] = splitArgs(strings.TrimSpace(strings.TrimPrefix(s.text, ".branchtargets")))
		return nil
	case ".pragma", ".loc", ".file", ".section", ".maxnreg", ".minnctapersm", ".alias":
		return nil
	}
	return fmt.Errorf("an unknown directive")
}

// sizes are the bytes of the types.
var sizes = map[string]int{
	"b8": 1, "u8": 1, "s8": 1, "b16": 2, "u16": 2, "s16": 2, "f16": 2, "bf16": 2,
	"b32": 4, "u32": 4, "s32": 4, "f32": 4, "f16x2": 4, "bf16x2": 4,
	"b64": 8, "u64": 8, "s64": 8, "f64": 8, "pred": 1, "b128": 16,
}

// declaration is what a line such as .param .align 4 .b8 name[16] declares.
type declaration struct {
	name        string
	align, size int
	open        bool // an array without a size
	elem        int  // bytes of an element
}

const mostBytes = 1 << 28 // of one variable

func declare(text string) (declaration, error) {
	d := declaration{align: 1}
	words := strings.Fields(strings.NewReplacer("[", " [", "]", "] ").Replace(text))
	pointee := false
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case w == ".ptr":
			pointee = true
		case w == ".align" && i+1 < len(words):
			n, err := strconv.Atoi(words[i+1])
			if err != nil || n < 1 || n > 1<<16 || n&(n-1) != 0 {
				return d, fmt.Errorf("alignment %s", words[i+1])
			}
			if !pointee { // else of what it points to
				d.align = n
			}
			i++
		case strings.HasPrefix(w, "[") && strings.HasSuffix(w, "]"):
			if w == "[]" {
				d.open, d.size = true, 0
				continue
			}
			n, err := strconv.Atoi(w[1 : len(w)-1])
			if err != nil || n < 0 || d.size > 0 && n > mostBytes/d.size {
				return d, fmt.Errorf("extent %s", w)
			}
			d.size *= n
		case strings.HasPrefix(w, "."):
			if n := sizes[w[1:]]; n > 0 {
				d.size, d.elem = n, n
				d.align = max(d.align, n)
			}
		default:
			d.name = w
		}
	}
	if d.name == "" || d.elem == 0 {
		return d, fmt.Errorf("no name or no type")
	}
	return d, nil
}

func alignUp(n, a int) int { return (n + a - 1) / a * a }

// entry begins a kernel.
func (p *parser) entry(s statement) error {
	if p.f != nil {
		return fmt.Errorf("a kernel within %s", p.f.k.Name)
	}
	_, rest, _ := strings.Cut(s.text, ".entry")
	name, rest, _ := strings.Cut(rest, "(")
	params, attributes, _ := strings.Cut(rest, ")")
	name = strings.TrimSpace(name)
	if name == "" || p.m.kernels[name] != nil {
		return fmt.Errorf("a kernel without a name of its own")
	}
	p.f = newFunction(p.m, name)
	k := p.f.k
	for _, text := range strings.Split(params, ",") {
		if strings.TrimSpace(text) == "" {
			continue
		}
		d, err := declare(text)
		if err != nil {
			return fmt.Errorf("parameter %q: %w", strings.TrimSpace(text), err)
		}
		k.paramLen = alignUp(k.paramLen, d.align)
		p.f.params[d.name] = k.paramLen
		k.params = append(k.params, Param{k.paramLen, d.size})
		k.paramLen += d.size
	}
	words := strings.Fields(strings.ReplaceAll(attributes, ",", " "))
	for i, w := range words {
		if w != ".maxntid" && w != ".reqntid" {
			continue
		}
		k.MaxThreads = 1
		for _, n := range words[i+1:] {
			if v, err := strconv.Atoi(n); err == nil && v > 0 && v <= 1024 {
				k.MaxThreads *= v
			} else {
				break
			}
		}
	}
	p.m.kernels[name] = k
	p.m.names = append(p.m.names, name)
	return nil
}

// memory declares a variable.
func (p *parser) memory(space, text string) error {
	head, values, initialised := strings.Cut(text, "=")
	_, head, _ = strings.Cut(head, "."+space)
	d, err := declare(head)
	if err != nil {
		return err
	}
	v := &variable{space: space, size: d.size}
	if initialised {
		if v.data, err = initial(values, d); err != nil {
			return err
		}
	}
	switch {
	case space == "global" || space == "const":
		if v.data == nil {
			v.data = make([]byte, d.size)
		}
		p.m.globals[d.name] = v
	case space == "shared" && p.f == nil:
		p.m.globals[d.name] = v // of the kernels that name it
	case p.f == nil:
		return fmt.Errorf("local memory outside of a kernel")
	case space == "shared":
		p.f.shared(d.name, v, d.align)
	default:
		p.f.k.local = alignUp(p.f.k.local, d.align)
		v.offset = p.f.k.local
		p.f.k.local += d.size
		p.f.vars[d.name] = v
	}
	return nil
}

// initial reads the values behind an =.
func initial(text string, d declaration) ([]byte, error) {
	data := make([]byte, d.size)
	text = strings.Trim(strings.TrimSpace(text), "{}")
	at := 0
	for _, word := range strings.Split(text, ",") {
		word = strings.TrimSpace(word)
		if word == "" {
			continue
		}
		v, err := number(word)
		if err != nil {
			return nil, err
		}
		if at+d.elem > len(data) {
			return nil, fmt.Errorf("more values than elements")
		}
		for i := range d.elem {
			data[at+i] = byte(v >> (8 * i))
		}
		at += d.elem
	}
	return data, nil
}

// number reads an integer, 0f…, or 0d….
func number(s string) (uint64, error) {
	switch {
	case strings.HasPrefix(s, "0f"), strings.HasPrefix(s, "0F"):
		return strconv.ParseUint(s[2:], 16, 32)
	case strings.HasPrefix(s, "0d"), strings.HasPrefix(s, "0D"):
		return strconv.ParseUint(s[2:], 16, 64)
	}
	if n, err := strconv.ParseInt(s, 0, 64); err == nil {
		return uint64(n), nil
	}
	return strconv.ParseUint(strings.TrimSuffix(s, "U"), 0, 64)
}
