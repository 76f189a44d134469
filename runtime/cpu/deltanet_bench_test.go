package cpu

import (
	"fmt"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
	"github.com/deltaloom/deltaloom/runtime/runtimetest"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// BenchmarkDeltaBlock is a delta_block of Qwen3.5-0.8B on one thread.
func BenchmarkDeltaBlock(b *testing.B) {
	for _, set := range isa.Available()[1:] {
		for _, T := range []int{1, 512} {
			b.Run(fmt.Sprintf("%v/%d tokens", set, T), func(b *testing.B) {
				backend, err := New(Options{Threads: 1, ISA: set.String()})
				if err != nil {
					b.Fatal(err)
				}
				defer backend.Close()
				run := deltaBlockRun(b, backend, T, 16, 16, 128)
				for b.Loop() {
					run()
				}
			})
		}
	}
}

// deltaBlockRun returns what runs a node over T tokens, Hk and H heads of D channels.
func deltaBlockRun(b *testing.B, backend *Backend, T, Hk, H, D int) func() {
	n, tensors, err := runtimetest.DeltaBlock(T, Hk, H, D)
	if err != nil {
		b.Fatal(err)
	}
	tensors = append(tensors, graph.NewTensor(n.Out(0).Shape()))
	call, bind := sched.Call{Node: n}, sched.Bindings{}
	for i, x := range tensors {
		h := sched.HostOf(x)
		bind = append(bind, sched.Span{Buf: h, Len: h.Size()})
		call.In = append(call.In, sched.Arg{Storage: i, Shape: x.Shape})
	}
	y := call.In[len(call.In)-1]
	call.In = call.In[:n.NumIn()]
	call.Out = []sched.Arg{y, call.In[0], call.In[1]}
	e, err := backend.Compile(&sched.Partition{Calls: []sched.Call{call}})
	if err != nil {
		b.Fatal(err)
	}
	return func() {
		if err := e.Run(b.Context(), bind); err != nil {
			b.Fatal(err)
		}
	}
}
