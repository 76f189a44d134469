// Package runtimetest holds every backend to the same tests.
package runtimetest

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// RunAll tests the memory of a backend, and every case of every registered op
// that it supports against the op's Eval: with results in memory of their own,
// over each operand that the op may write over, and with each operand that the
// backend reads through strides laid out in another order. A case that the
// backend does not support is skipped with the backend's reason.
func RunAll(t *testing.T, b sched.Backend) {
	t.Run("memory", func(t *testing.T) { testMemory(t, b) })
	t.Run("cancel", func(t *testing.T) { testCancel(t, b) })
	t.Run("concurrent", func(t *testing.T) { testConcurrent(t, b) })
	for _, op := range graph.Ops() {
		if op.Cases != nil {
			RunCases(t, b, op, op.Cases)
		}
	}
}

// RunCases does for some cases of an op what RunAll does for those of the op.
func RunCases(t *testing.T, b sched.Backend, op *graph.Op, cases iter.Seq[graph.Case]) {
	t.Run(op.Name, func(t *testing.T) {
		for c := range cases {
			t.Run(c.Name, func(t *testing.T) { testCase(t, b, op, c) })
		}
	})
}

func testCase(t *testing.T, b sched.Backend, op *graph.Op, c graph.Case) {
	in, err := ops.Operands(c, rand.New(rand.NewPCG(1, 2)))
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	n := caseNode(t, op, c)
	if err := b.Supports(n); errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	} else if err != nil {
		t.Fatalf("Supports: %v, which does not wrap errors.ErrUnsupported", err)
	}
	want := make([]graph.Tensor, n.NumOut())
	for i := range want {
		want[i] = graph.NewTensor(n.Out(i).Shape())
	}
	if err := ops.EvalNode(n, in, want); err != nil {
		t.Fatal(err)
	}
	limit := c.NMSE
	if limit == 0 {
		limit = 1e-7
	}
	variants := []variant{{over: none, strided: -1}}
	for _, alias := range op.InPlace {
		if n.In(alias.Operand).Shape() == n.Out(alias.Result).Shape() {
			variants = append(variants, variant{over: alias, strided: -1})
		}
	}
	if s, ok := b.(sched.StridedBackend); ok {
		for i := range in {
			if in[i].F != nil && s.Strided(n, i) {
				variants = append(variants, variant{over: none, strided: i})
			}
		}
	}
	for _, v := range variants {
		got := v.run(t, b, n, in)
		for i := range want {
			if err := near(got[i], want[i], limit); err != nil {
				t.Errorf("%v: result %d: %v", v, i, err)
			}
		}
	}
}

// variant is a way to lay out the tensors of a node.
type variant struct {
	over    graph.Alias
	strided int // an operand, or -1
}

var none = graph.Alias{Result: -1, Operand: -1}

func (v variant) String() string {
	switch {
	case v.over != none:
		return fmt.Sprintf("result %d over operand %d", v.over.Result, v.over.Operand)
	case v.strided >= 0:
		return fmt.Sprintf("operand %d with strides", v.strided)
	}
	return "dense"
}

func caseNode(t *testing.T, op *graph.Op, c graph.Case) *graph.Node {
	t.Helper()
	b := graph.NewBuilder()
	in := make([]graph.Value, len(c.In))
	for i, s := range c.In {
		in[i] = b.Input(fmt.Sprint("x", i), s)
	}
	n := b.Apply(op, c.Attrs, in...)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}

// run compiles a partition of one node, by hand, since a plan would find the
// same places for operands every time and would compute no view. Results are
// filled with NaNs first: an element that the kernel leaves out shows.
func (v variant) run(t *testing.T, b sched.Backend, n *graph.Node, in []graph.Tensor) []graph.Tensor {
	t.Helper()
	call := sched.Call{Node: n}
	var bind sched.Bindings
	stored := append([]graph.Tensor(nil), in...)
	for i, x := range in {
		a := sched.Arg{Storage: i, Shape: x.Shape}
		if i == v.strided {
			stored[i], a.Off, a.Strides = backToFront(x)
		}
		call.In = append(call.In, a)
		bind = append(bind, upload(t, b, stored[i]))
	}
	for i := range n.NumOut() {
		a := sched.Arg{Storage: len(bind), Shape: n.Out(i).Shape()}
		if i == v.over.Result {
			a.Storage = v.over.Operand
		} else {
			bind = append(bind, upload(t, b, poison(a.Shape)))
		}
		call.Out = append(call.Out, a)
	}
	p := &sched.Partition{Backend: b.Name(), Calls: []sched.Call{call}}
	for i, s := range bind {
		p.Uses = append(p.Uses, i)
		defer s.Buf.Free()
	}
	exec, err := b.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Close()
	if err := exec.Run(t.Context(), bind); err != nil {
		t.Fatal(err)
	}
	out := make([]graph.Tensor, len(call.Out))
	for i, a := range call.Out {
		out[i] = download(t, b, bind.Span(a), a.Shape)
	}
	for i, x := range stored {
		if i != v.over.Operand && !same(download(t, b, bind[i], x.Shape), x) {
			t.Errorf("%v: operand %d was written to", v, i)
		}
	}
	return out
}

// backToFront lays x out with the first axis innermost, two elements apart, and
// NaNs in front and in between.
func backToFront(x graph.Tensor) (stored graph.Tensor, off int64, strides []int) {
	const first, step = 3, 2
	stored = poison(graph.ShapeOf(graph.F32, first+step*x.Shape.Len()))
	strides = make([]int, x.Shape.Rank())
	next := step
	for axis := range strides {
		strides[axis] = next
		next *= x.Shape.Dim(axis)
	}
	for i, e := range x.F {
		at := first
		for axis := len(strides) - 1; axis >= 0; axis-- {
			at += i % x.Shape.Dim(axis) * strides[axis]
			i /= x.Shape.Dim(axis)
		}
		stored.F[at] = e
	}
	return stored, first * 4, strides
}

func poison(s graph.Shape) graph.Tensor {
	x := graph.NewTensor(s)
	for i := range x.F {
		x.F[i] = float32(math.NaN())
	}
	for i := range x.I {
		x.I[i] = math.MinInt32
	}
	for i := range x.Raw {
		x.Raw[i] = 0xff
	}
	return x
}

func upload(t *testing.T, b sched.Backend, x graph.Tensor) sched.Span {
	t.Helper()
	h := sched.HostOf(x)
	buf, err := b.Alloc(h.Size())
	if err != nil {
		t.Fatal(err)
	}
	s := sched.Span{Buf: buf, Len: h.Size()}
	if err := b.Copy(s, sched.Span{Buf: h, Len: h.Size()}); err != nil {
		t.Fatal(err)
	}
	return s
}

func download(t *testing.T, b sched.Backend, s sched.Span, shape graph.Shape) graph.Tensor {
	t.Helper()
	x := graph.NewTensor(shape)
	if err := b.Copy(sched.Span{Buf: sched.HostOf(x), Len: s.Len}, s); err != nil {
		t.Fatal(err)
	}
	return x
}
