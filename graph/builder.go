package graph

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
)

// Builder makes graphs. Nodes are interned, so common subexpressions are one
// node. The first error sticks, with the caller's file and line, and Build
// returns it; after it every call is harmless. A Builder is not for concurrent
// use.
type Builder struct {
	nodes   []*Node
	table   table
	names   map[string]leafKey
	scope   []string
	outputs []Output
	states  []StateNext
	origin  origin // of the nodes that are made, where given
	given   bool
	err     error
}

// NewBuilder returns an empty builder.
func NewBuilder() *Builder {
	return &Builder{names: map[string]leafKey{}}
}

// Scope names the nodes made until the returned function is called; scopes nest
// with dots.
//
//	defer b.Scope("blk.3")()
func (b *Builder) Scope(name string) (end func()) {
	if scope := b.within(); scope != "" {
		name = strings.TrimSuffix(scope+"."+name, ".")
	}
	return b.Within(name)
}

// Within is Scope with a whole path: it replaces the scopes around it.
func (b *Builder) Within(path string) (end func()) {
	depth := len(b.scope)
	b.scope = append(b.scope, path)
	return func() { b.scope = b.scope[:min(depth, len(b.scope))] } // harmless when called twice
}

// within returns the scope in force.
func (b *Builder) within() string {
	if n := len(b.scope); n > 0 {
		return b.scope[n-1]
	}
	return ""
}

// Apply adds op(in...) to the builder of its operands, or returns the node that
// is there already. Operators are free functions around it.
func Apply(op *Op, a Attrs, in ...Value) *Node {
	for _, v := range in {
		if b := v.Builder(); b != nil {
			first := len(b.nodes)
			n := b.apply(op, a, in)
			b.locate(n, first)
			return n
		}
	}
	return nil
}

// Apply is the package's Apply for ops that may have no operands.
func (b *Builder) Apply(op *Op, a Attrs, in ...Value) *Node {
	first := len(b.nodes)
	n := b.apply(op, a, in)
	b.locate(n, first)
	return n
}

func (b *Builder) apply(op *Op, a Attrs, in []Value) *Node {
	if op == nil || op.Infer == nil {
		b.fail(op, errors.New("not an op that can be applied"))
		return &Node{op: op, b: b}
	}
	if a == nil {
		a = op.Attrs
	}
	shapes, err := b.check(op, a, in)
	if err != nil {
		b.fail(op, err)
		return &Node{op: op, b: b}
	}
	out, err := op.Infer(shapes, a)
	if err == nil && len(out) == 0 {
		err = errors.New("gives no result")
	}
	if err == nil {
		for i, s := range out {
			if !s.Valid() {
				err = fmt.Errorf("result %d of operands %v has no valid shape", i, shapes)
			}
		}
	}
	if err != nil {
		b.fail(op, err)
		return &Node{op: op, b: b}
	}
	return b.intern(Node{op: op, attrs: a, out: out, kind: kind(op, a), scope: b.within(), from: b.origin}, in)
}

// Clone applies the op of n to other operands; n may belong to another builder.
func (b *Builder) Clone(n *Node, in ...Value) *Node {
	if n == nil {
		b.fail(nil, errors.New("no node to clone"))
		return &Node{b: b}
	}
	same := b.err == nil && !isLeaf(n.op) && len(n.out) > 0 && len(in) == len(n.in)
	for i, v := range in {
		same = same && v.Builder() == b && v.Shape() == n.in[i].Shape()
	}
	if !same {
		defer b.From(n)()
		return b.apply(n.op, n.attrs, in)
	}
	return b.intern(Node{op: n.op, attrs: n.attrs, out: n.out, kind: n.kind, scope: n.scope, from: n.from}, in)
}

func (b *Builder) check(op *Op, a Attrs, in []Value) ([]Shape, error) {
	if b.err != nil {
		return nil, b.err
	}
	if len(in) != op.Arity && (op.Arity >= 0 || len(in) < -op.Arity) {
		return nil, fmt.Errorf("%d operands, want %s", len(in), arity(op))
	}
	if t := reflect.TypeOf(a); t != reflect.TypeOf(op.Attrs) {
		return nil, fmt.Errorf("attributes are a %T, want a %T", a, op.Attrs)
	} else if t != nil && !t.Comparable() {
		return nil, fmt.Errorf("attributes of type %T cannot be compared", a)
	}
	shapes := make([]Shape, len(in))
	for i, v := range in {
		switch {
		case v.Builder() == nil:
			return nil, fmt.Errorf("operand %d is the zero Value", i)
		case v.Builder() != b:
			return nil, fmt.Errorf("operand %d belongs to another builder", i)
		case !v.Shape().Valid():
			return nil, fmt.Errorf("operand %d: %s has no result %d", i, v.n.op.Name, v.i)
		}
		shapes[i] = v.Shape()
	}
	if l, ok := a.(LeafAttrs); ok && isLeaf(op) {
		return nil, b.declare(op, l)
	}
	return shapes, nil
}

func arity(op *Op) string {
	if op.Arity < 0 {
		return fmt.Sprintf("at least %d", -op.Arity)
	}
	return fmt.Sprint(op.Arity)
}

// intern returns the node with n's op and attributes and these operands: the one
// that is there already, or n.
func (b *Builder) intern(n Node, in []Value) *Node {
	var swapped [2]Value
	if n.op.Commutative && len(in) == 2 && in[0].after(in[1]) {
		swapped = [2]Value{in[1], in[0]}
		in = swapped[:]
	}
	n.hash = hashOf(n.kind, in)
	if had := b.table.find(n.hash, n.op, n.attrs, in); had != nil {
		return had
	}
	made := new(Node) // not n itself, which needs no memory where it is not kept
	*made = n
	made.id, made.b, made.in = len(b.nodes), b, slices.Clone(in)
	made.fixed = n.op == ConstOp || len(in) > 0
	made.static = made.fixed || n.op == WeightOp
	for _, v := range in {
		made.fixed = made.fixed && v.n.fixed
		made.static = made.static && v.n.static
	}
	b.nodes = append(b.nodes, made)
	b.table.add(made)
	return made
}

func (v Value) after(w Value) bool { return v.n.id > w.n.id || v.n.id == w.n.id && v.i > w.i }

// Nodes returns the nodes made so far, operands before users. The slice is not to
// be changed.
func (b *Builder) Nodes() []*Node { return b.nodes }

// Len returns the number of nodes made so far, an upper bound of their IDs.
func (b *Builder) Len() int { return len(b.nodes) }

// Err returns the first error.
func (b *Builder) Err() error { return b.err }

// Fail records an error as if an op had found it; scope and caller are added.
func (b *Builder) Fail(err error) { b.fail(nil, err) }

func (b *Builder) fail(op *Op, err error) {
	if b.err != nil {
		return
	}
	if op != nil {
		err = fmt.Errorf("%s: %w", op.Name, err)
	}
	if scope := b.within(); scope != "" {
		err = fmt.Errorf("%s: %w", scope, err)
	}
	if at := caller(); at != "" {
		err = fmt.Errorf("%s: %w", at, err)
	}
	b.err = err
}

// caller returns file:line of the first frame outside the packages that define
// the vocabulary: there stands the call that the user wrote.
func caller() string {
	var pcs [24]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if f.File != "" && !vocabulary(f.Function) {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		if !more {
			return ""
		}
	}
}

func vocabulary(function string) bool {
	const module = "github.com/deltaloom/deltaloom/"
	return strings.HasPrefix(function, module+"graph.") || strings.HasPrefix(function, module+"ops.")
}

// Output makes v a result of the graph.
func (b *Builder) Output(name string, v Value) {
	for _, o := range b.outputs {
		if o.Name == name {
			b.Fail(fmt.Errorf("output %q is declared twice", name))
			return
		}
	}
	if !b.owns(v) {
		b.Fail(fmt.Errorf("output %q is not a value of this builder", name))
		return
	}
	b.outputs = append(b.outputs, Output{name, v})
}

// SetState makes next the value that state has at the following run. A state
// has one writer.
func (b *Builder) SetState(state, next Value) {
	switch {
	case !b.owns(state) || state.n.op != StateOp:
		b.Fail(errors.New("SetState wants a state of this builder"))
		return
	case !b.owns(next):
		b.Fail(fmt.Errorf("next value of state %q is not a value of this builder", state.n.Name()))
		return
	case next.Shape() != state.Shape():
		b.Fail(fmt.Errorf("state %q is %v, its next value %v", state.n.Name(), state.Shape(), next.Shape()))
		return
	}
	for _, s := range b.states {
		if s.State == state {
			b.Fail(fmt.Errorf("state %q has two writers", state.n.Name()))
			return
		}
	}
	b.states = append(b.states, StateNext{state, next})
}

func (b *Builder) owns(v Value) bool { return v.Builder() == b && v.Shape().Valid() }

// With returns the graph of other results over the nodes of this builder: what a
// pass leaves behind.
func (b *Builder) With(outputs []Output, states []StateNext) (*Graph, error) {
	if b.err != nil {
		return nil, b.err
	}
	return newGraph(b, outputs, states), nil
}

// Build returns the graph of the declared outputs and states, or the first
// error.
func (b *Builder) Build() (*Graph, error) {
	if b.err != nil {
		return nil, b.err
	}
	if len(b.outputs)+len(b.states) == 0 {
		return nil, errors.New("graph: no output and no state to compute")
	}
	return newGraph(b, append([]Output(nil), b.outputs...), append([]StateNext(nil), b.states...)), nil
}
