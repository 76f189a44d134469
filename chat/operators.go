package chat

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// operators are the filters that a binder puts into templates.
func operators() map[string]exec.FilterFunction {
	return map[string]exec.FilterFunction{
		opAll: func(e *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
			g := guardOf(e.Environment)
			return g.or(g.spendAll(in), in)
		},
		opFlat: func(e *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
			g := guardOf(e.Environment)
			return g.or(g.spendFlat(in), in)
		},
		opEach: func(e *exec.Evaluator, in *exec.Value, args *exec.VarArgs) *exec.Value {
			g := guardOf(e.Environment)
			return g.or(g.spend(flat(in)+1, args.Args[0].Integer()+nodeWork), in)
		},
		opList: func(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
			l := list{}
			in.Iterate(func(_, _ int, v, _ *exec.Value) bool { l = append(l, v.Interface()); return true }, func() {})
			return exec.AsValue(&l)
		},
		opKey: func(e *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
			if in.IsList() || in.IsDict() {
				return guardOf(e.Environment).failed(errors.New("a list or mapping is no key"))
			}
			return in
		},
		opMissing: func(e *exec.Evaluator, in *exec.Value, args *exec.VarArgs) *exec.Value {
			g := guardOf(e.Environment)
			return g.or(fmt.Errorf("no filter %s", args.Args[0].String()), in)
		},
		opAdd:    binary(add),
		opTimes:  binary(times),
		opConcat: binary(concat),
		opCall: func(e *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
			return call(e, in, params.Args[0].String(), rest(params))
		},
		opMethod: method,
	}
}

// rest are the arguments of a call, of which the first one here is its name.
func rest(params *exec.VarArgs) *exec.VarArgs {
	return &exec.VarArgs{Args: params.Args[1:], KwArgs: params.KwArgs}
}

// binary makes a filter of an operator and pays for its operands, and as much for what
// comes of them.
func binary(op func(g *guard, a, b *exec.Value) (any, error)) exec.FilterFunction {
	return func(e *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
		g := guardOf(e.Environment)
		other := params.Args[0]
		if in.IsError() {
			return g.failed(in)
		}
		if err := cmp.Or(g.spendAll(in), g.spendAll(other)); err != nil {
			return g.failed(err)
		}
		v, err := op(g, in, other)
		return g.or(err, exec.AsValue(v))
	}
}

func add(_ *guard, a, b *exec.Value) (any, error) {
	switch {
	case a.IsList() && b.IsList():
		sum := list{}
		for _, v := range []*exec.Value{a, b} {
			v.Iterate(func(_, _ int, x, _ *exec.Value) bool { sum = append(sum, x.Interface()); return true }, func() {})
		}
		return &sum, nil
	case a.IsString() || b.IsString():
		return a.String() + b.String(), nil
	case a.IsFloat() || b.IsFloat():
		return a.Float() + b.Float(), nil
	case a.IsInteger() && b.IsInteger():
		return a.Integer() + b.Integer(), nil
	}
	return nil, errors.New("+ wants two numbers, texts or lists")
}

func times(g *guard, a, b *exec.Value) (any, error) {
	if a.IsInteger() && b.IsString() {
		a, b = b, a
	}
	switch {
	case a.IsString() && b.IsInteger():
		n := max(0, b.Integer())
		if err := g.spend(n, len(a.String())); err != nil {
			return nil, err
		}
		return strings.Repeat(a.String(), n), nil
	case a.IsInteger() && b.IsInteger():
		return a.Integer() * b.Integer(), nil
	case a.IsNumber() && b.IsNumber():
		return a.Float() * b.Float(), nil
	}
	return nil, errors.New("* wants two numbers, or a text and a whole one")
}

func concat(_ *guard, a, b *exec.Value) (any, error) { return a.String() + b.String(), nil }
