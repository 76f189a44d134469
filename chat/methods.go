package chat

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// method calls a method of a value. The first argument is its name.
func method(e *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	g := guardOf(e.Environment)
	if in.IsError() {
		return g.failed(in)
	}
	name := params.Args[0].String()
	args := rest(params)
	if err := cmp.Or(g.spendFlat(in), g.spendOn(args)); err != nil {
		return g.failed(err)
	}
	var v any
	var err error
	switch {
	case in.IsString():
		v, err = textMethod(g, in, name, args)
	case in.IsDict():
		v, err = mappingMethod(in, name, args)
	case in.IsList():
		v, err = listMethod(in, name, args)
	default:
		if f, ok := in.GetAttribute(name); ok { // of a loop
			return call(e, f, name, args)
		}
		err = noMethod(name)
	}
	return g.or(err, exec.ToValue(v))
}

func noMethod(name string) error { return fmt.Errorf("no method %s of such a value", name) }

// textMethods are those of the library's whose result is not much longer than what they
// are given, or is paid for by textMethod.
var textMethods = func() map[string]exec.Method[string] {
	m := map[string]exec.Method[string]{}
	for _, name := range strings.Fields(`capitalize casefold count endswith find isalnum isalpha isascii isdecimal isdigit
		islower isnumeric isprintable isspace istitle isupper join lower lstrip partition removeprefix removesuffix replace
		rfind rpartition rsplit rstrip split splitlines startswith strip swapcase title upper`) {
		f, ok := builtins.Methods.Str.Get(name)
		if !ok {
			panic("no method " + name) // the library has it
		}
		m[name] = f
	}
	return m
}()

func textMethod(g *guard, in *exec.Value, name string, args *exec.VarArgs) (any, error) {
	f, ok := textMethods[name]
	if !ok {
		return nil, noMethod(name)
	}
	text := in.String()
	switch name {
	case "join":
		if err := g.spend(flat(args.First()), len(text)); err != nil {
			return nil, err
		}
	case "replace":
		if err := g.spendReplace(text, args.Args); err != nil {
			return nil, err
		}
	}
	v, err := f(text, in, args)
	if parts := exec.AsValue(v); err == nil && parts.IsList() {
		l := list{}
		parts.Iterate(func(_, _ int, x, _ *exec.Value) bool { l = append(l, x.String()); return true }, func() {})
		return l, nil
	}
	return v, err
}

// spendReplace pays for the text that comes of replacing; args begin with old and new.
func (g *guard) spendReplace(text string, args []*exec.Value) error {
	if len(args) < 2 {
		return errors.New("replace wants what to replace by what")
	}
	n := utf8.RuneCountInString(text) + 1
	if old := args[0].String(); old != "" {
		n = strings.Count(text, old)
	}
	return g.spend(n, len(args[1].String()))
}

func mappingMethod(in *exec.Value, name string, args *exec.VarArgs) (any, error) {
	switch name {
	case "items":
		return items(in), nil
	case "keys", "values":
		l := list{}
		for _, pair := range items(in) {
			l = append(l, pair.(list)[map[string]int{"keys": 0, "values": 1}[name]])
		}
		return l, nil
	case "get":
		if len(args.Args) < 1 || len(args.Args) > 2 {
			return nil, errors.New("get wants a key and perhaps a default")
		}
		if v, ok := in.GetItem(args.Args[0].Interface()); ok {
			return v.Interface(), nil
		}
		if len(args.Args) == 2 {
			return args.Args[1].Interface(), nil
		}
		return nil, nil
	}
	return nil, noMethod(name)
}

// items are the keys and values of a mapping, each pair a list.
func items(in *exec.Value) list {
	pairs := list{}
	for _, key := range in.Keys() {
		value, _ := in.GetItem(key.Interface())
		pairs = append(pairs, list{key.Interface(), value.Interface()})
	}
	return pairs
}

// listMethod changes lists that the template has made.
func listMethod(in *exec.Value, name string, args *exec.VarArgs) (any, error) {
	l, grows := in.Interface().(*list)
	switch {
	case name != "append" && name != "pop":
		return nil, noMethod(name)
	case !grows:
		return nil, fmt.Errorf("%s: not a list that the template has made", name)
	case name == "append":
		if len(args.Args) != 1 {
			return nil, errors.New("append wants one value")
		}
		*l = append(*l, args.Args[0].Interface())
		return nil, nil
	}
	at := len(*l) - 1
	if len(args.Args) > 0 {
		if at = args.Args[0].Integer(); at < 0 {
			at += len(*l)
		}
	}
	if at < 0 || at >= len(*l) {
		return nil, errors.New("pop: no such element")
	}
	v := (*l)[at]
	*l = slices.Delete(*l, at, at+1)
	return v, nil
}
