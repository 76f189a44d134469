package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
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
	C := (2*Hk + H) * D
	gb, r := graph.NewBuilder(), rand.New(rand.NewPCG(1, 2))
	var in []graph.Value
	call, bind := sched.Call{}, sched.Bindings{}
	operand := func(dt graph.DType, dims ...int) {
		s := graph.ShapeOf(dt, dims...)
		x := graph.NewTensor(s)
		for i := range x.F {
			x.F[i] = float32(r.NormFloat64())
		}
		in = append(in, gb.Input(fmt.Sprint(len(in)), s))
		h := sched.HostOf(x)
		bind = append(bind, sched.Span{Buf: h, Len: h.Size()})
		call.In = append(call.In, sched.Arg{Storage: len(bind) - 1, Shape: s})
	}
	operand(graph.F32, 1, 3, C)
	operand(graph.F32, 1, H, D, D)
	operand(graph.I32, 1)
	operand(graph.F32, 1, T, C)
	operand(graph.F32, C, 4)
	for _, dims := range [][]int{{1, T, H, 1}, {H, 1}, {H, 1}, {1, T, H, 1}, {D}, {1, T, H, D}} {
		operand(graph.F32, dims...)
	}
	for i := range H { // a state that decays
		a := sched.Bindings(bind).Tensor(call.In[7]).F
		a[i] = -max(a[i], -a[i])
	}
	net := func(in []graph.Value) []graph.Value {
		o, next := ops.DeltaNet(in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7], ops.GatedDeltaNetAttrs{Norm: ops.NormMax, Eps: 1e-6})
		return []graph.Value{o, next}
	}
	norm := func(in []graph.Value) []graph.Value {
		return []graph.Value{ops.GatedNorm(in[0], in[1], in[2], ops.Silu)}
	}
	out := ops.Wrap(ops.DeltaBlockOp, func(in []graph.Value) []graph.Value { return ops.DeltaBlock(Hk, net, norm, in...) }, in...)
	if err := gb.Err(); err != nil {
		b.Fatal(err)
	}
	call.Node = out[0].Node()
	y := sched.HostOf(graph.NewTensor(out[0].Shape()))
	bind = append(bind, sched.Span{Buf: y, Len: y.Size()})
	call.Out = []sched.Arg{{Storage: len(bind) - 1, Shape: out[0].Shape()}, call.In[0], call.In[1]}
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
