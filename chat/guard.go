package chat

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// guard counts the work of one Render: nodes of the template that run, values and bytes
// that they look at or make. What a template could do without an end, or to fill memory
// with, is paid for before it is done.
type guard struct {
	left  int64
	depth int   // of macros that call macros
	cause error // the first error, without what the library says around it
}

const (
	guardName = "deltaloom guard" // no name that a template can write
	baseWork  = 1 << 22           // a short conversation takes some ten thousand
	workAByte = 1 << 7            // and for each byte and value of a request
	nodeWork  = 4                 // of a node that runs, against a byte or value that it looks at
	maxMacros = 64
	maxDepth  = 200 // of values in values, and of expressions and blocks in each other
)

var (
	errWork = errors.New("the template does too much, or makes too much text")
	errDeep = errors.New("values lie too deep in each other")
)

// newGuard returns a guard for a request with these values.
func newGuard(values ...any) (*guard, error) {
	g := &guard{left: math.MaxInt64}
	for _, v := range values {
		if err := g.spendAll(v); err != nil {
			return nil, err
		}
	}
	g.left = baseWork + workAByte*(math.MaxInt64-g.left)
	return g, nil
}

func guardOf(e *exec.Environment) *guard {
	g, _ := e.Context.Get(guardName)
	return g.(*guard)
}

// spend takes n times each from what is left.
func (g *guard) spend(n, each int) error {
	if int64(n) > g.left/int64(max(each, 1)) {
		g.left = -1 // and nothing more
		return errWork
	}
	g.left -= int64(n) * int64(each)
	return nil
}

// spendFlat pays for the elements of a value, or the bytes of a text.
func (g *guard) spendFlat(v *exec.Value) error { return g.spend(flat(v)+1, 1) }

// flat is how many elements a value has, or bytes.
func flat(v *exec.Value) int {
	switch {
	case v.IsString():
		return len(v.String())
	case v.IsIterable():
		return v.Len()
	}
	return 0
}

// spendAll pays for a value and all that is in it, and refuses values that lie in
// themselves: who writes or compares them would never end.
func (g *guard) spendAll(v any) error {
	if v == nil {
		return g.spend(1, 1)
	}
	return g.walk(reflect.ValueOf(v), 0)
}

func (g *guard) walk(v reflect.Value, depth int) error {
	if depth > maxDepth {
		return errDeep
	}
	for v.IsValid() && (v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer) {
		if x, ok := v.Interface().(*exec.Value); ok {
			return g.walk(x.Val, depth)
		}
		v = v.Elem()
	}
	if !v.IsValid() {
		return g.spend(1, 1)
	}
	each := func(x reflect.Value) error { return g.walk(x, depth+1) }
	switch v.Kind() {
	case reflect.String:
		return g.spend(v.Len()+1, 1)
	case reflect.Slice, reflect.Array:
		if err := g.spend(1, 1); err != nil {
			return err
		}
		for i := range v.Len() {
			if err := each(v.Index(i)); err != nil {
				return err
			}
		}
		return nil
	case reflect.Map:
		if err := g.spend(1, 1); err != nil {
			return err
		}
		for it := v.MapRange(); it.Next(); {
			if err := cmp.Or(each(it.Key()), each(it.Value())); err != nil {
				return err
			}
		}
		return nil
	}
	if d, ok := v.Interface().(exec.Dict); ok {
		for _, pair := range d.Pairs {
			if err := cmp.Or(each(reflect.ValueOf(pair.Key)), each(reflect.ValueOf(pair.Value))); err != nil {
				return err
			}
		}
	}
	return g.spend(1, 1)
}

// spendOn pays for the arguments of a call.
func (g *guard) spendOn(params *exec.VarArgs) error {
	for _, a := range params.Args {
		if err := g.spendAll(a); err != nil {
			return err
		}
	}
	for _, a := range params.KwArgs {
		if err := g.spendAll(a); err != nil {
			return err
		}
	}
	return nil
}

// failed returns an error as a value, and notes it if it is the first.
func (g *guard) failed(err error) *exec.Value {
	if v, ok := err.(*exec.Value); ok {
		return g.failed(v.Interface().(error))
	}
	if g.cause == nil {
		g.cause = err
	}
	return exec.AsValue(err)
}

// or returns an error as a value, or a value if there is none; a value that is an error
// goes first.
func (g *guard) or(err error, v *exec.Value) *exec.Value {
	switch {
	case v.IsError():
		return g.failed(v)
	case err != nil:
		return g.failed(err)
	}
	return v
}

// explained returns the cause of an error of a Render and the line where it was, without
// all that the library says around it.
func (g *guard) explained(err error) error {
	text := err.Error()
	line := "?"
	for _, m := range atLine.FindAllStringSubmatchIndex(text, -1) {
		line, err = text[m[2]:m[3]], errors.New(text[m[1]:])
	}
	if g.cause != nil && strings.Contains(text, g.cause.Error()) {
		err = g.cause
	}
	return fmt.Errorf("line %s: %w", line, err)
}

var atLine = regexp.MustCompile(`Unable to (?:execute controlStructure|render expression|render condition) at line (\d+): `)

// counted returns a macro whose calls are paid for, each with the weight of its body.
func (g *guard) counted(f exec.Macro, weight int) exec.Macro {
	return func(params *exec.VarArgs) *exec.Value {
		if g.depth == maxMacros {
			return g.failed(fmt.Errorf("more than %d macros call each other", maxMacros))
		}
		if err := g.spend(weight+nodeWork, 1); err != nil {
			return g.failed(err)
		}
		g.depth++
		defer func() { g.depth-- }()
		return f(params)
	}
}
