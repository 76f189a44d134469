package graph

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Parse reads the text form that String writes. Blank lines and lines that
// begin with # are passed over; the type after the colon may be left out of
// every line but a leaf's. Errors carry the line number.
func Parse(text string) (*Graph, error) {
	p := parser{b: NewBuilder(), vals: map[string]Value{}, bodies: map[int]*Graph{}}
	no := 0
	for line := range strings.Lines(text) {
		no++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		p.b.Line(no)
		if err := p.line(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", no, err)
		}
	}
	if p.inner != nil {
		return nil, fmt.Errorf("line %d: body %d has no end", no, p.number)
	}
	return p.b.Build()
}

type parser struct {
	b      *Builder
	vals   map[string]Value
	bodies map[int]*Graph
	inner  *parser // reads body number, while that is open
	number int
}

func (p *parser) line(s string) error {
	if done, err := p.body(s); done || err != nil {
		return err
	}
	at := indexUnquoted(s, " = ")
	if at < 0 {
		return fmt.Errorf("%q is not of the form results = op(operands)", s)
	}
	left, right := strings.TrimSpace(s[:at]), strings.TrimSpace(s[at+3:])
	if name, ok := strings.CutPrefix(left, "output "); ok {
		name, err := strconv.Unquote(name)
		if err != nil {
			return fmt.Errorf("output name: %w", err)
		}
		v, err := p.value(right)
		if err == nil {
			p.b.Output(name, v)
			err = p.stuck()
		}
		return err
	}
	if state, ok := strings.CutPrefix(left, "next "); ok {
		s, err := p.value(state)
		if err != nil {
			return err
		}
		v, err := p.value(right)
		if err == nil {
			p.b.SetState(s, v)
			err = p.stuck()
		}
		return err
	}
	return p.node(left, right)
}

// stuck returns the builder's error without the place in this file where the
// builder was called.
func (p *parser) stuck() error {
	if p.b.err == nil {
		return nil
	}
	if e := errors.Unwrap(p.b.err); e != nil && caller() != "" {
		return e
	}
	return p.b.err
}

func (p *parser) value(name string) (Value, error) {
	name = strings.TrimSpace(name)
	v, ok := p.vals[name]
	if !ok {
		return Value{}, fmt.Errorf("%s is not defined before its use (a cycle, or a line missing)", name)
	}
	return v, nil
}

// node reads: op "name" : type | op 0.5 : type | op(a, b) {attrs} : types @scope
func (p *parser) node(left, right string) error {
	end := strings.IndexAny(right, " (")
	if end < 0 {
		return fmt.Errorf("%q is not an op with operands", right)
	}
	op := Lookup(right[:end])
	if op == nil {
		return fmt.Errorf("unknown op %q", right[:end])
	}
	rest := strings.TrimSpace(right[end:])
	var scope string
	if i := indexUnquoted(rest, " @"); i >= 0 {
		rest, scope = rest[:i], strings.TrimSpace(rest[i+2:])
	}
	if strings.HasPrefix(scope, `"`) {
		s, err := strconv.Unquote(scope)
		if err != nil {
			return fmt.Errorf("scope %s: %w", scope, err)
		}
		scope = s
	}
	defer p.b.Within(scope)()
	var n *Node
	var types string
	var err error
	switch {
	case op == ConstOp:
		rest, types, _ = strings.Cut(rest, ":")
		x, perr := strconv.ParseFloat(strings.TrimSpace(rest), 32)
		if perr != nil {
			return fmt.Errorf("const: %w", perr)
		}
		n = p.b.Const(float32(x)).Node()
	case isLeaf(op):
		n, err = p.leaf(op, rest)
	default:
		n, types, err = p.apply(op, rest)
	}
	if err != nil {
		return err
	}
	if err := p.stuck(); err != nil {
		return err
	}
	return p.define(n, left, strings.TrimSpace(types))
}

func (p *parser) leaf(op *Op, rest string) (*Node, error) {
	i := strings.LastIndex(rest, " : ")
	if i < 0 {
		return nil, fmt.Errorf("%s: want \"name\" : type", op.Name)
	}
	name, err := strconv.Unquote(strings.TrimSpace(rest[:i]))
	if err != nil {
		return nil, fmt.Errorf("%s name: %w", op.Name, err)
	}
	shape, err := ParseShape(strings.TrimSpace(rest[i+3:]))
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", op.Name, name, err)
	}
	return p.b.leaf(op, name, shape).Node(), nil
}

func (p *parser) apply(op *Op, rest string) (n *Node, types string, err error) {
	rest, ok := strings.CutPrefix(rest, "(")
	if !ok {
		return nil, "", fmt.Errorf("%s: no opening parenthesis", op.Name)
	}
	args, rest, ok := strings.Cut(rest, ")")
	if !ok {
		return nil, "", fmt.Errorf("%s: no closing parenthesis", op.Name)
	}
	var in []Value
	for _, name := range splitTop(args) {
		v, err := p.value(name)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", op.Name, err)
		}
		in = append(in, v)
	}
	rest = strings.TrimSpace(rest)
	attrText := ""
	if strings.HasPrefix(rest, "{") {
		end := indexUnquoted(rest, "}")
		if end < 0 {
			return nil, "", fmt.Errorf("%s: no closing brace", op.Name)
		}
		attrText, rest = rest[1:end], strings.TrimSpace(rest[end+1:])
	}
	a, err := parseAttrs(op.Attrs, attrText, p.bodies)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", op.Name, err)
	}
	if rest != "" && rest[0] != ':' {
		return nil, "", fmt.Errorf("%s: unexpected %q", op.Name, rest)
	}
	return p.b.Apply(op, a, in...), strings.TrimPrefix(rest, ":"), nil
}

func (p *parser) define(n *Node, left, types string) error {
	names := splitTop(left)
	if len(names) != n.NumOut() {
		return fmt.Errorf("%s gives %d results, %d are named", n.op.Name, n.NumOut(), len(names))
	}
	if types != "" {
		var have []string
		for _, s := range n.out {
			have = append(have, s.String())
		}
		if got := strings.Join(splitTop(types), ", "); got != strings.Join(have, ", ") {
			return fmt.Errorf("%s: the text says %s, the operands give %s", n.op.Name, got, strings.Join(have, ", "))
		}
	}
	for i, name := range names {
		if !strings.HasPrefix(name, "%") || len(name) == 1 {
			return fmt.Errorf("%q is not a value name such as %%7", name)
		}
		if _, dup := p.vals[name]; dup {
			return fmt.Errorf("%s is defined twice", name)
		}
		p.vals[name] = n.Out(i)
	}
	return nil
}

// ParseShape reads the form that Shape.String writes, such as f32[2 3].
func ParseShape(s string) (Shape, error) {
	name, dims, ok := strings.Cut(s, "[")
	if !ok {
		return Shape{}, fmt.Errorf("%q is not a shape such as f32[2 3]", s)
	}
	dt, err := ParseDType(name)
	if err != nil {
		return Shape{}, err
	}
	var l Ints
	if err := l.UnmarshalText([]byte("[" + dims)); err != nil {
		return Shape{}, fmt.Errorf("%q: %w", s, err)
	}
	if err := CheckDims(l.Slice()); err != nil {
		return Shape{}, err
	}
	return ShapeOf(dt, l.Slice()...), nil
}
