package cpu

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
	"github.com/deltaloom/deltaloom/runtime/runtimetest"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

func TestConformance(t *testing.T) {
	for _, set := range isa.Available() {
		for _, threads := range []int{1, 3} {
			t.Run(fmt.Sprintf("%v, %d threads", set, threads), func(t *testing.T) {
				b, err := New(Options{Threads: threads, ISA: set.String()})
				if err != nil {
					t.Fatal(err)
				}
				defer b.Close()
				runtimetest.RunAll(t, b)
			})
		}
	}
}

// A result has the same bits for any number of threads.
func TestThreads(t *testing.T) {
	for _, op := range graph.Ops() {
		if op.Cases == nil {
			continue
		}
		for c := range op.Cases {
			in, err := ops.Operands(c, rand.New(rand.NewPCG(3, 4)))
			if errors.Is(err, errors.ErrUnsupported) {
				continue
			} else if err != nil {
				t.Fatal(err)
			}
			var want []graph.Tensor
			for _, threads := range []int{1, 2, 5} {
				got := runCase(t, op, c, in, threads)
				if want == nil {
					want = got
				}
				for i := range want {
					if !bytes.Equal(sched.HostOf(got[i]).Bytes(), sched.HostOf(want[i]).Bytes()) {
						t.Errorf("%s %s: result %d differs between 1 and %d threads", op.Name, c.Name, i, threads)
					}
				}
			}
		}
	}
}

// runCase runs one node; nil stands for one that is not supported.
func runCase(t *testing.T, op *graph.Op, c graph.Case, in []graph.Tensor, threads int) (out []graph.Tensor) {
	t.Helper()
	b, err := New(Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	gb := graph.NewBuilder()
	vs := make([]graph.Value, len(in))
	call, bind := sched.Call{}, sched.Bindings{}
	arg := func(x graph.Tensor) sched.Arg {
		h := sched.HostOf(x)
		bind = append(bind, sched.Span{Buf: h, Len: h.Size()})
		return sched.Arg{Storage: len(bind) - 1, Shape: x.Shape}
	}
	for i, x := range in {
		vs[i] = gb.Input(fmt.Sprint(i), x.Shape)
		call.In = append(call.In, arg(x))
	}
	call.Node = gb.Apply(op, c.Attrs, vs...)
	if err := b.Supports(call.Node); err != nil {
		return nil
	}
	for i := range call.Node.NumOut() {
		out = append(out, graph.NewTensor(call.Node.Out(i).Shape()))
		call.Out = append(call.Out, arg(out[i]))
	}
	e, err := b.Compile(&sched.Partition{Calls: []sched.Call{call}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Run(t.Context(), bind); err != nil {
		t.Fatal(err)
	}
	return out
}

// An index outside of its table ends the run, on every worker, and the backend
// goes on working.
func TestBadIndex(t *testing.T) {
	b, err := New(Options{Threads: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	r, err := sched.NewRunner(nil, b)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, err := r.NewSession(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	gb := graph.NewBuilder()
	defer gb.Scope("embed")()
	x, idx := gb.Input("x", graph.ShapeOf(graph.F32, 7, 4)), gb.Input("i", graph.ShapeOf(graph.I32, 4000))
	gb.Output("y", ops.Exp(ops.Rows(x, idx)))
	g, err := gb.Build()
	if err != nil {
		t.Fatal(err)
	}
	feeds := map[string]graph.Tensor{"x": graph.NewTensor(x.Shape()), "i": graph.NewTensor(idx.Shape())}
	for _, bad := range []int32{-1, 7, 1 << 30} {
		feeds["i"].I[3999] = bad
		want := fmt.Sprintf("embed: rows: cpu: index %d is not in 0..6", bad)
		if _, err := s.Run(t.Context(), g, feeds); err == nil || err.Error() != want {
			t.Errorf("index %d: %v, want %s", bad, err, want)
		}
	}
	feeds["i"].I[3999] = 6
	out, err := s.Run(t.Context(), g, feeds)
	if err != nil || out["y"].F[0] != 1 {
		t.Errorf("afterwards: %v", err)
	}
}
