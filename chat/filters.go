package chat

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// filters are those of the library that look through a value once, some whose result
// can be paid for before, and ours: tojson as Python writes it, items in their order.
func filters() *exec.FilterSet {
	set := operators()
	for _, name := range strings.Fields(`abs capitalize d default dictsort e escape float groupby indent int join lower
		max min replace round safe sort sum title trim truncate unique upper urlencode wordcount`) {
		set[name] = paid(name, library(name), (*guard).spendAll)
	}
	flatly := func(g *guard, in any) error { return g.spendFlat(in.(*exec.Value)) }
	for _, name := range strings.Fields("first last list map reject rejectattr reverse select selectattr") {
		set[name] = paid(name, library(name), flatly)
	}
	for _, name := range []string{"count", "length"} { // of lists they are known
		set[name] = paid(name, library(name), func(g *guard, in any) error {
			if in.(*exec.Value).IsList() {
				return g.spend(1, 1)
			}
			return flatly(g, in)
		})
	}
	set["tojson"] = paid("tojson", toJSON, (*guard).spendAll)
	set["string"] = paid("string", text, (*guard).spendAll)
	set["items"] = paid("items", itemsFilter, flatly)
	return exec.NewFilterSet(set)
}

// tests are the library's that do not write a value as text.
func tests() *exec.TestSet {
	set := map[string]exec.TestFunction{}
	for _, name := range strings.Fields(`boolean callable defined divisibleby eq equalto == even false float ge >= gt greaterthan >
		in integer iterable le <= lower lt lessthan < mapping ne != none number odd sameas string true undefined upper`) {
		test, ok := builtins.Tests.Get(name)
		if !ok {
			panic("no test " + name) // the library has it
		}
		set[name] = test
	}
	// In Jinja texts and mappings are sequences too.
	set["sequence"] = func(_ *exec.Context, in *exec.Value, _ *exec.VarArgs) (bool, error) { return in.IsIterable(), nil }
	return exec.NewTestSet(set)
}

func library(name string) exec.FilterFunction {
	f, ok := builtins.Filters.Get(name)
	if !ok {
		panic("no filter " + name) // the library has it
	}
	return f
}

// paid returns a filter that first pays for what it is given, by spend, and for its
// arguments, and for what they make of it.
func paid(name string, f exec.FilterFunction, spend func(*guard, any) error) exec.FilterFunction {
	return func(e *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
		g := guardOf(e.Environment)
		if in.IsError() {
			return g.failed(in)
		}
		before := g.left
		if err := g.spendOn(params); err != nil {
			return g.failed(err)
		}
		arguments := int(before - g.left)
		err := spend(g, in)
		if err == nil {
			switch name {
			case "join", "select", "selectattr", "reject", "rejectattr": // an element with an argument each
				err = g.spend(flat(in), arguments)
			case "dictsort", "groupby", "sort": // an element with some others
				err = g.spend(flat(in), 64)
			case "replace":
				err = g.spendReplace(in.String(), params.Args)
			case "indent":
				width := params.KwArgs["width"]
				if len(params.Args) > 0 {
					width = params.Args[0]
				}
				each := 4
				if width != nil && width.IsInteger() {
					each = max(0, width.Integer())
				} else if width != nil {
					each = len(width.String())
				}
				err = g.spend(strings.Count(in.String(), "\n")+1, each)
			}
		}
		if err != nil {
			return g.failed(err)
		}
		return g.or(nil, f(e, in, params))
	}
}

// text is the filter string. A null of an argument is None, as in Python.
func text(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
	if in.IsNil() {
		return exec.AsValue("None")
	}
	return exec.AsValue(in.String())
}

func toJSON(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	o := jsonStyle{comma: ", ", colon: ": "}
	for name, v := range params.KwArgs {
		switch {
		case name == "indent" && v.IsInteger():
			o.indent, o.comma = strings.Repeat(" ", max(0, min(v.Integer(), 16))), ","
		case name == "indent" && v.IsNil():
		case name == "ensure_ascii" && v.IsBool():
			o.ascii = v.Bool()
		case name == "sort_keys" && v.IsBool():
			o.sorted = v.Bool()
		default:
			return exec.AsValue(fmt.Errorf("tojson: such a value of %s is not supported", name))
		}
	}
	var b strings.Builder
	if err := o.write(&b, in.Interface(), 0); err != nil {
		return exec.AsValue(fmt.Errorf("tojson: %w", err))
	}
	return exec.AsSafeValue(b.String())
}

func itemsFilter(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
	switch {
	case in.IsNil():
		return exec.AsValue(list{})
	case !in.IsDict():
		return exec.AsValue(errors.New("items wants a mapping"))
	}
	return exec.AsValue(items(in))
}
