package ptxsim

import (
	"errors"
	"fmt"
)

type operandKind uint8

const (
	regOperand operandKind = iota
	intOperand
	floatOperand
	nameOperand    // a label or variable
	specialOperand // %tid.x, …
	memOperand     // [base+offset]
	vecOperand     // {a, b, …}
	sinkOperand    // _
)

type operand struct {
	kind   operandKind
	reg    register
	value  uint64 // of literals: the integer, or the bits of the float64
	name   string
	not    bool // !p
	offset uint64
	base   *operand  // of memOperand
	elems  []operand // of vecOperand
	second *operand  // the predicate of d|p
}

// operand reads one operand. Registers and special registers are known by their names.
func (p *parser) operand(f *function, depth int) (operand, error) {
	if depth > 2 {
		return operand{}, errors.New("operands nested too deep")
	}
	t := p.next()
	switch {
	case t.text == "[":
		base, err := p.operand(f, depth+1)
		if err != nil {
			return base, err
		}
		o := operand{kind: memOperand, base: &base}
		if p.accept("+") {
			minus := p.accept("-")
			x, float, err := number(p.next().text)
			if err != nil || float {
				return o, errors.New("an offset that is no number")
			}
			if o.offset = x; minus {
				o.offset = -x
			}
		} else if p.accept("-") {
			x, float, err := number(p.next().text)
			if err != nil || float {
				return o, errors.New("an offset that is no number")
			}
			o.offset = -x
		}
		if !p.accept("]") {
			return o, fmt.Errorf("%q instead of \"]\"", p.peek().text)
		}
		return o, nil
	case t.text == "{":
		o := operand{kind: vecOperand}
		for !p.accept("}") {
			e, err := p.operand(f, depth+1)
			if err != nil {
				return o, err
			}
			o.elems = append(o.elems, e)
			if !p.accept(",") && p.peek().text != "}" {
				return o, fmt.Errorf("%q instead of \",\"", p.peek().text)
			}
		}
		return o, nil
	case t.text == "!":
		o, err := p.operand(f, depth+1)
		o.not = true
		return o, err
	case t.text == "-":
		x, float, err := number(p.next().text)
		if err != nil {
			return operand{}, errors.New("a minus sign before what is no number")
		}
		if float {
			return operand{kind: floatOperand, value: x ^ 1<<63}, nil
		}
		return operand{kind: intOperand, value: -x}, nil
	case t.text == "_":
		return operand{kind: sinkOperand}, nil
	case !t.isWord():
		return operand{}, fmt.Errorf("unexpected %q", t.text)
	case '0' <= t.text[0] && t.text[0] <= '9':
		x, float, err := number(t.text)
		if err != nil {
			return operand{}, fmt.Errorf("%q is no number", t.text)
		}
		if float {
			return operand{kind: floatOperand, value: x}, nil
		}
		return operand{kind: intOperand, value: x}, nil
	}
	o := operand{kind: nameOperand, name: t.text}
	if r, ok := f.register(t.text); ok {
		o.kind, o.reg = regOperand, r
	} else if _, ok := specials[t.text]; ok {
		o.kind = specialOperand
	} else if t.text[0] == '%' {
		return o, fmt.Errorf("unknown register %s", t.text)
	}
	if p.accept("|") {
		second, err := p.operand(f, depth+1)
		if err != nil {
			return o, err
		}
		o.second = &second
	}
	return o, nil
}
