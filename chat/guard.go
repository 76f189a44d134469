package chat

import (
	"errors"
	"fmt"
	"reflect"

	controls "github.com/nikolalohinski/gonja/v2/builtins/control_structures"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
)

// What a hostile template could use to run forever or to fill the stack, which ends a
// program, is counted by a guard, one for each Render.
type guard struct {
	numbers int   // that ranges may still give
	calls   int   // that macros may still have
	depth   int   // of macros that call macros
	mutable []any // what a template can put values into
}

const (
	guardName   = "deltaloom guard" // no name that a template can write
	maxNumbers  = 1 << 20
	maxCalls    = 1 << 16
	maxMacros   = 64
	maxDepth    = 200     // of values in values
	maxValues   = 1 << 20 // below what can be changed
	maxBrackets = 200     // of expressions in expressions
)

func newGuard() *guard { return &guard{numbers: maxNumbers, calls: maxCalls} }

func guardOf(r *exec.Renderer) *guard {
	g, _ := r.Environment.Context.Get(guardName)
	return g.(*guard)
}

// controlStructures are the library's without those that load other templates, and
// with guards.
func controlStructures() *exec.ControlStructureSet {
	set := map[string]parser.ControlStructureParser{}
	for _, name := range []string{"for", "if", "macro", "raw", "set", "with", "do", "break", "continue", "call", "filter"} {
		parse, ok := controls.All.Get(name)
		if !ok {
			panic("no control structure " + name) // the library has it
		}
		switch name {
		case "macro", "set", "do":
			parse = guarded(parse)
		}
		set[name] = parse
	}
	return exec.NewControlStructureSet(set)
}

func guarded(parse parser.ControlStructureParser) parser.ControlStructureParser {
	return func(p, args *parser.Parser) (nodes.ControlStructure, error) {
		node, err := parse(p, args)
		if err != nil {
			return nil, err
		}
		return &guardedControl{node.(exec.ControlStructure)}, nil
	}
}

type guardedControl struct{ exec.ControlStructure }

func (c *guardedControl) Execute(r *exec.Renderer, tag *nodes.ControlStructureBlock) error {
	if err := c.ControlStructure.Execute(r, tag); err != nil {
		return err
	}
	g := guardOf(r)
	macro, ok := c.ControlStructure.(*controls.MacroControlStructure)
	if !ok {
		return g.check()
	}
	f, _ := r.Environment.Context.Get(macro.Name)
	r.Environment.Context.Set(macro.Name, g.counted(f.(exec.Macro)))
	return nil
}

// counted returns a macro whose calls are counted.
func (g *guard) counted(f exec.Macro) exec.Macro {
	return func(params *exec.VarArgs) *exec.Value {
		g.calls--
		g.depth++
		defer func() { g.depth-- }()
		if g.calls < 0 || g.depth > maxMacros {
			return exec.AsValue(errors.New("macros call each other too often"))
		}
		return f(params)
	}
}

// namespace is a mapping that a template can change.
func (g *guard) namespace(params *exec.VarArgs) map[string]any {
	ns := map[string]any{}
	for name, value := range params.KwArgs {
		ns[name] = value
	}
	g.mutable = append(g.mutable, ns)
	return ns
}

// check refuses values that lie in themselves: whoever writes them would never end.
func (g *guard) check() error {
	left := maxValues
	var walk func(v reflect.Value, depth int) error
	walk = func(v reflect.Value, depth int) error {
		if left--; left < 0 || depth > maxDepth {
			return errors.New("values lie too deep in each other, or are too many")
		}
		for v.IsValid() && (v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer) {
			if x, ok := v.Interface().(*exec.Value); ok {
				v = x.Val
				continue
			}
			if d, ok := v.Interface().(*exec.Dict); ok {
				for _, pair := range d.Pairs {
					if err := walk(pair.Value.Val, depth+1); err != nil {
						return err
					}
				}
				return nil
			}
			v = v.Elem()
		}
		switch v.Kind() {
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				if err := walk(v.Index(i), depth+1); err != nil {
					return err
				}
			}
		case reflect.Map:
			for _, key := range v.MapKeys() {
				if err := walk(v.MapIndex(key), depth+1); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, m := range g.mutable {
		if err := walk(reflect.ValueOf(m), 0); err != nil {
			return err
		}
	}
	return nil
}

// rangeOf is the function range.
func (g *guard) rangeOf(args *exec.VarArgs) ([]int, error) {
	ints := []int{0, 0, 1}
	if n := len(args.Args); n == 0 || n > len(ints) {
		return nil, fmt.Errorf("range of %d arguments, want one to three", n)
	}
	for i, a := range args.Args {
		if !a.IsInteger() {
			return nil, fmt.Errorf("range: %s is no integer", a)
		}
		ints[i] = a.Integer()
	}
	if len(args.Args) == 1 {
		ints[0], ints[1] = 0, ints[0]
	}
	start, stop, step := ints[0], ints[1], ints[2]
	if step == 0 {
		return nil, errors.New("range: a step of 0")
	}
	list := []int{}
	for v := start; step > 0 && v < stop || step < 0 && v > stop; v += step {
		if g.numbers--; g.numbers < 0 {
			return nil, fmt.Errorf("ranges of more than %d numbers", maxNumbers)
		}
		list = append(list, v)
	}
	return list, nil
}

// nested tells whether brackets lie deeper in each other than an expression needs.
func nested(source string) bool {
	depth := 0
	for _, r := range source {
		switch r {
		case '(', '[', '{':
			if depth++; depth > maxBrackets {
				return true
			}
		case ')', ']', '}':
			depth = max(0, depth-1)
		}
	}
	return false
}
