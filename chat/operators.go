package chat

import (
	"errors"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// operators are the filters that a binder puts into templates.
func operators() map[string]exec.FilterFunction {
	return map[string]exec.FilterFunction{
		opAll: func(e *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
			return or(guardOf(e.Environment).spendAll(in), in)
		},
		opFlat: func(e *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
			return or(guardOf(e.Environment).spendFlat(in), in)
		},
		opEach: func(e *exec.Evaluator, in *exec.Value, args *exec.VarArgs) *exec.Value {
			return or(guardOf(e.Environment).spend(flat(in)+1, args.Args[0].Integer()+1), in)
		},
		opList: func(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
			l := list{}
			in.Iterate(func(_, _ int, v, _ *exec.Value) bool { l = append(l, v.Interface()); return true }, func() {})
			return exec.AsValue(&l)
		},
		opAdd:    binary(add),
		opTimes:  binary(times),
		opConcat: binary(concat),
		opCall:   call,
		opMethod: method,
	}
}

// or returns an error as a value, or a value if there is none; a value that is an error
// goes first.
func or(err error, v *exec.Value) *exec.Value {
	if err != nil && !v.IsError() {
		return exec.AsValue(err)
	}
	return v
}

// binary makes a filter of an operator and pays for its operands, and as much for what
// comes of them.
func binary(op func(*guard, *exec.Value, *exec.Value) any) exec.FilterFunction {
	return func(e *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
		g := guardOf(e.Environment)
		if in.IsError() {
			return in
		}
		for _, v := range []*exec.Value{in, params.Args[0]} {
			if err := g.spendAll(v); err != nil {
				return exec.AsValue(err)
			}
		}
		return exec.AsValue(op(g, in, params.Args[0]))
	}
}

func add(_ *guard, a, b *exec.Value) any {
	switch {
	case a.IsList() && b.IsList():
		sum := list{}
		for _, v := range []*exec.Value{a, b} {
			v.Iterate(func(_, _ int, x, _ *exec.Value) bool { sum = append(sum, x.Interface()); return true }, func() {})
		}
		return &sum
	case a.IsString() || b.IsString():
		return a.String() + b.String()
	case a.IsFloat() || b.IsFloat():
		return a.Float() + b.Float()
	case a.IsInteger() && b.IsInteger():
		return a.Integer() + b.Integer()
	}
	return errors.New("+ wants two numbers, texts or lists")
}

func times(g *guard, a, b *exec.Value) any {
	if a.IsInteger() && b.IsString() {
		a, b = b, a
	}
	switch {
	case a.IsString() && b.IsInteger():
		n := max(0, b.Integer())
		if err := g.spend(n, len(a.String())); err != nil {
			return err
		}
		return strings.Repeat(a.String(), n)
	case a.IsInteger() && b.IsInteger():
		return a.Integer() * b.Integer()
	case a.IsNumber() && b.IsNumber():
		return a.Float() * b.Float()
	}
	return errors.New("* wants two numbers, or a text and a whole one")
}

func concat(_ *guard, a, b *exec.Value) any { return a.String() + b.String() }
