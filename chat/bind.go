package chat

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	controls "github.com/nikolalohinski/gonja/v2/builtins/control_structures"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// binder goes once through a parsed template, weighs it, and puts filters of this
// package where the library would do things without a bound: operators that make
// values, calls, loops. Their names have a space, so that no template has them.
type binder struct {
	filters *exec.FilterSet

	weight int // of nodes and of bytes of text that were seen
	depth  int
	err    error
}

const (
	opAdd    = "op +"
	opTimes  = "op *"
	opConcat = "op ~"
	opList   = "op list"   // a list that can grow
	opEach   = "op each"   // pays for a loop over a value
	opFlat   = "op flat"   // pays for a value's elements
	opAll    = "op all"    // pays for all of a value
	opKey    = "op key"    // refuses what cannot be a key
	opCall   = "op call"   // calls a function
	opMethod = "op method" // calls a method

	opMissing = "op missing" // stands for a filter that there is not
)

// tags are what a template may do: what loads other templates, and what nobody's chat
// template uses, is not there.
func tags() *exec.ControlStructureSet {
	set := map[string]parser.ControlStructureParser{"set": parseSet}
	for _, name := range []string{"for", "if", "macro", "raw", "do", "break", "continue"} {
		parse, ok := controls.All.Get(name)
		if !ok {
			panic("no control structure " + name) // the library has it
		}
		set[name] = parse
	}
	return exec.NewControlStructureSet(set)
}

func (b *binder) fail(at nodes.Node, format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("line %d: %w", at.Position().Line, fmt.Errorf(format, args...))
	}
}

// enter tells whether a node is not too deep in others.
func (b *binder) enter(n nodes.Node) bool {
	b.weight += nodeWork
	if b.depth++; b.depth > maxDepth {
		b.fail(n, "more than %d expressions or blocks in each other", maxDepth)
		return false
	}
	return true
}

func (b *binder) block(children []nodes.Node) {
	for _, n := range children {
		b.statement(n)
	}
}

func (b *binder) wrapper(w *nodes.Wrapper) {
	if w != nil {
		b.block(w.Nodes)
	}
}

// weigh returns the weight of what f goes through, which counts once for what is around.
func (b *binder) weigh(f func()) int {
	before := b.weight
	f()
	return b.weight - before
}

func (b *binder) statement(n nodes.Node) {
	if b.err != nil || !b.enter(n) {
		return
	}
	defer func() { b.depth-- }()
	switch n := n.(type) {
	case *nodes.Data:
		b.weight += dataWeight(n)
	case *nodes.Comment:
	case *nodes.Output:
		n.Expression = inserted(b.expr(n.Expression), opAll)
		n.Condition = b.expr(n.Condition)
		if n.Alternative != nil {
			n.Alternative = inserted(b.expr(n.Alternative), opAll)
		}
	case *nodes.ControlStructureBlock:
		switch c := n.ControlStructure.(type) {
		case *controls.ForControlStructure:
			if c.Recursive {
				b.fail(c, "recursive loops are not supported")
			}
			weight := b.weigh(func() {
				c.IfCondition = b.expr(c.IfCondition)
				b.wrapper(c.BodyWrapper)
				b.wrapper(c.EmptyWrapper)
			})
			c.ObjectEvaluator = inserted(b.expr(c.ObjectEvaluator), opEach, &nodes.Integer{Val: weight})
		case *controls.IfControlStructure:
			b.list(c.Conditions)
			for _, w := range c.Wrappers {
				b.wrapper(w)
			}
		case *controls.MacroControlStructure:
			weight := b.weigh(func() {
				for _, p := range c.Kwargs {
					p.Value = b.expr(p.Value)
				}
				b.wrapper(c.Wrapper)
			})
			n.ControlStructure = &macro{c, weight}
		case *set:
			b.set(c)
		case *controls.DoControlStructure:
			c.Expression = b.expr(c.Expression)
		case *controls.RawControlStructure:
			b.weight += len(c.Position().Val)
		}
	default:
		b.fail(n, "a %T is not supported", n)
	}
}

// dataWeight is the bytes of text that a node writes, and a little for those, mostly of
// indentation, that it trims.
func dataWeight(n *nodes.Data) int {
	text := n.Data.Val
	if n.Trim.Left {
		text = strings.TrimLeft(text, " \r\n\t")
	}
	if n.Trim.Right {
		text = strings.TrimRight(text, " \r\n\t")
	}
	return len(text) + len(n.Data.Val)/64
}

func (b *binder) list(l []nodes.Expression) {
	for i := range l {
		l[i] = b.expr(l[i])
	}
}

func (b *binder) arguments(args []nodes.Expression, named map[string]nodes.Expression) {
	b.list(args)
	for _, name := range slices.Sorted(maps.Keys(named)) {
		named[name] = b.expr(named[name])
	}
}

// expr returns what stands for an expression; nil for nil.
func (b *binder) expr(e nodes.Node) nodes.Expression {
	if e == nil || b.err != nil {
		return e
	}
	if !b.enter(e) {
		return e
	}
	defer func() { b.depth-- }()
	switch n := e.(type) {
	case *nodes.None, *nodes.String, *nodes.Integer, *nodes.Float, *nodes.Bool, *nodes.Name, *nodes.Error:
	case *nodes.List:
		b.list(n.Val)
		return inserted(n, opList)
	case *nodes.Tuple:
		b.list(n.Val)
	case *nodes.Dict:
		for _, p := range n.Pairs {
			p.Key, p.Value = inserted(b.expr(p.Key), opKey), b.expr(p.Value)
		}
	case *nodes.GetItem:
		n.Node, n.Arg = b.expr(n.Node), b.expr(n.Arg)
	case *nodes.GetAttribute:
		n.Node = b.expr(n.Node)
	case *nodes.GetSlice:
		n.Node = inserted(b.expr(n.Node), opFlat)
		n.Start, n.End, n.Step = b.expr(n.Start), b.expr(n.End), b.expr(n.Step)
	case *nodes.Negation:
		n.Term = b.expr(n.Term)
	case *nodes.UnaryExpression:
		n.Term = b.expr(n.Term)
	case *nodes.BinaryExpression:
		return b.binary(n)
	case *nodes.FilteredExpression:
		n.Expression = b.expr(n.Expression)
		for _, f := range n.Filters {
			b.weight += nodeWork
			b.arguments(f.Args, f.Kwargs)
			if !b.filters.Exists(f.Name) {
				f.Name, f.Args = opMissing, []nodes.Expression{&nodes.String{Location: f.Token, Val: f.Name}}
			}
		}
		if len(n.Filters) > maxDepth {
			b.fail(n, "more than %d filters of one value", maxDepth)
		}
	case *nodes.TestExpression:
		n.Expression = b.expr(n.Expression)
		b.arguments(n.Test.Args, n.Test.Kwargs)
		if len(n.Test.Args) > 0 { // it compares
			n.Expression = inserted(n.Expression, opAll)
			for i, a := range n.Test.Args {
				n.Test.Args[i] = inserted(a, opAll)
			}
		}
	case *nodes.Call:
		return b.call(n)
	default:
		b.fail(n, "a %T is not supported", n)
	}
	return e
}

func (b *binder) binary(n *nodes.BinaryExpression) nodes.Expression {
	left, right := b.expr(n.Left), b.expr(n.Right)
	switch n.Operator.Token.Type {
	case tokens.Addition:
		return inserted(left, opAdd, right)
	case tokens.Multiply:
		return inserted(left, opTimes, right)
	case tokens.Tilde:
		return inserted(left, opConcat, right)
	case tokens.And, tokens.Or:
		n.Left, n.Right = left, right
	default:
		n.Left, n.Right = inserted(left, opAll), inserted(right, opAll)
	}
	return n
}

// call makes a call a filter of the function, or of the value whose method it is: the
// library evaluates such a value twice, and writes it as text each time.
func (b *binder) call(n *nodes.Call) nodes.Expression {
	b.arguments(n.Args, n.Kwargs)
	op, of, name := opCall, n.Func, "what is called"
	switch f := n.Func.(type) {
	case *nodes.Name:
		name = f.Name.Val
	case *nodes.GetAttribute:
		op, of, name = opMethod, f.Node, f.Attribute
	}
	args := append([]nodes.Expression{&nodes.String{Location: n.Location, Val: name}}, n.Args...)
	call := inserted(b.expr(of), op, args...)
	call.Filters[0].Kwargs = n.Kwargs
	return call
}

// inserted returns an expression with a filter of this package.
func inserted(e nodes.Expression, name string, args ...nodes.Expression) *nodes.FilteredExpression {
	return &nodes.FilteredExpression{Expression: e, Filters: []*nodes.FilterCall{{Name: name, Args: args}}}
}

// macro is a tag that defines a macro whose calls are paid for.
type macro struct {
	*controls.MacroControlStructure
	weight int
}

func (m *macro) Execute(r *exec.Renderer, tag *nodes.ControlStructureBlock) error {
	f, err := exec.MacroNodeToFunc(m.Macro, r)
	if err != nil {
		return err
	}
	r.Environment.Context.Set(m.Name, guardOf(r.Environment).counted(f, m.weight))
	return nil
}
