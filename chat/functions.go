package chat

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// function is what a template can call, beside the macros that it defines.
type function func(*exec.VarArgs) *exec.Value

func call(e *exec.Evaluator, in *exec.Value, name string, params *exec.VarArgs) *exec.Value {
	g := guardOf(e.Environment)
	if in.IsError() {
		return g.failed(in)
	}
	if err := g.spendOn(params); err != nil {
		return g.failed(err)
	}
	switch f := in.Interface().(type) {
	case function:
		return g.or(nil, f(params))
	case exec.Macro:
		return g.or(nil, f(params))
	case func(*exec.VarArgs) *exec.Value: // of the library's loops
		return g.or(nil, f(params))
	}
	return g.failed(fmt.Errorf("%s is no function", name))
}

// functions are those of one Render.
func functions(g *guard, now func() time.Time) map[string]any {
	return map[string]any{
		"namespace": function(func(args *exec.VarArgs) *exec.Value {
			ns := namespace{}
			for name, v := range args.KwArgs {
				ns[name] = v.Interface()
			}
			return exec.AsValue(ns)
		}),
		"dict": function(func(args *exec.VarArgs) *exec.Value {
			d := dict()
			for _, name := range slices.Sorted(maps.Keys(args.KwArgs)) {
				d.Pairs = append(d.Pairs, dict(name, args.KwArgs[name].Interface()).Pairs...)
			}
			return exec.AsValue(d)
		}),
		"range": function(func(args *exec.VarArgs) *exec.Value {
			l, err := g.numbers(args.Args)
			return g.or(err, exec.AsValue(l))
		}),
		"raise_exception": function(func(args *exec.VarArgs) *exec.Value {
			return exec.AsValue(errors.New(cmp.Or(args.First().String(), "the template raises an exception")))
		}),
		"strftime_now": function(func(args *exec.VarArgs) *exec.Value {
			return exec.AsValue(strftime(now(), args.First().String()))
		}),
	}
}

// namespace is a mapping that a template can set values of.
type namespace map[string]any

// numbers are those of range.
func (g *guard) numbers(args []*exec.Value) (list, error) {
	ints := []int{0, 0, 1}
	if n := len(args); n == 0 || n > len(ints) {
		return nil, fmt.Errorf("range of %d arguments, want one to three", n)
	}
	for i, a := range args {
		if !a.IsInteger() {
			return nil, errors.New("range of what is no whole number")
		}
		ints[i] = a.Integer()
	}
	if len(args) == 1 {
		ints[0], ints[1] = 0, ints[0]
	}
	start, stop, step := ints[0], ints[1], ints[2]
	if step == 0 {
		return nil, errors.New("range: a step of 0")
	}
	l := list{}
	for v := start; step > 0 && v < stop || step < 0 && v > stop; {
		if err := g.spend(1, 1); err != nil {
			return nil, err
		}
		l = append(l, v)
		if next := v + step; (next > v) == (step > 0) {
			v = next
			continue
		}
		break // past the last integer there is
	}
	return l, nil
}

// strftime formats a time by the letters of C's function that templates use.
func strftime(t time.Time, format string) string {
	layouts := map[byte]string{'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'y': "06",
		'B': "January", 'b': "Jan", 'A': "Monday", 'a': "Mon", 'I': "03", 'p': "PM", 'j': "002", 'Z': "MST", 'z': "-0700"}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		if layout, ok := layouts[format[i]]; ok {
			b.WriteString(t.Format(layout))
		} else if format[i] == '%' {
			b.WriteByte('%')
		} else {
			b.WriteString(format[i-1 : i+1])
		}
	}
	return b.String()
}
