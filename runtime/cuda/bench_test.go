package cuda_test

import (
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cuda"
	"github.com/deltaloom/deltaloom/runtime/runtimetest"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// card returns the backend of this machine's card, and skips without one.
func card(b *testing.B) *cuda.Backend {
	b.Helper()
	c, err := cuda.New(cuda.Options{})
	if err != nil {
		b.Skipf("NO CARD: %v", err)
	}
	b.Cleanup(func() { c.Close() })
	b.Logf("card: %s", c.Card())
	return c
}

// BenchmarkGatedDeltaNet is a prompt's recurrence at the sizes that others publish,
// one layer, from operands to result: microseconds.
func BenchmarkGatedDeltaNet(b *testing.B) {
	for _, c := range []struct {
		name        string
		B, T, Hk, H int
		channels    bool
	}{
		{"heads 16 of 32, 1x2048", 1, 2048, 16, 32, false},
		{"heads 16 of 32, 1x8192", 1, 8192, 16, 32, false},
		{"heads 16 of 32, 1x32768", 1, 32768, 16, 32, false},
		{"heads 16 of 32, 4x8192", 4, 8192, 16, 32, false},
		{"channels, heads 32, 1x8192", 1, 8192, 32, 32, true},
		{"heads 16 of 32, 1x1", 1, 1, 16, 32, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			gpu := card(b)
			n, in, err := runtimetest.GatedDeltaNet(c.B, c.T, c.Hk, c.H, 128, c.channels)
			if err != nil {
				b.Fatal(err)
			}
			replay(b, gpu, n, in, map[int]int{1: 5}, 1)
		})
	}
}

// BenchmarkDeltaBlock is a token through the fused node of 36 layers, each with its
// own state, in one graph: microseconds a node.
func BenchmarkDeltaBlock(b *testing.B) {
	gpu := card(b)
	n, in, err := runtimetest.DeltaBlock(1, 16, 32, 128)
	if err != nil {
		b.Fatal(err)
	}
	replay(b, gpu, n, in, map[int]int{1: 0, 2: 1}, 36)
}

// replay captures count copies of a node, each with operands of its own, and
// measures a launch of the graph. inPlace maps results to the operands that they
// overwrite.
func replay(b *testing.B, c *cuda.Backend, n *graph.Node, in []graph.Tensor, inPlace map[int]int, count int) {
	part := &sched.Partition{Backend: c.Name()}
	var bind sched.Bindings
	alloc := func(s graph.Shape) sched.Arg {
		buf, err := c.Alloc(s.Bytes())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(buf.Free)
		bind = append(bind, sched.Span{Buf: buf, Len: s.Bytes()})
		return sched.Arg{Storage: len(bind) - 1, Shape: s}
	}
	for range count {
		call := sched.Call{Node: n}
		for _, x := range in {
			a := alloc(x.Shape)
			call.In = append(call.In, a)
			h := sched.HostOf(x)
			if err := c.Copy(bind[a.Storage], sched.Span{Buf: h, Len: h.Size()}); err != nil {
				b.Fatal(err)
			}
		}
		for i := range n.NumOut() {
			if operand, ok := inPlace[i]; ok {
				call.Out = append(call.Out, call.In[operand])
			} else {
				call.Out = append(call.Out, alloc(n.Out(i).Shape()))
			}
		}
		part.Calls = append(part.Calls, call)
	}
	e, err := c.Compile(part)
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	run := func(e sched.Executable) {
		if err := e.Run(b.Context(), bind); err != nil {
			b.Fatal(err)
		}
	}
	// wait copies a result back, which comes after all that was launched.
	last := part.Calls[count-1].Out[0]
	host := graph.NewTensor(last.Shape)
	wait := func() {
		h := sched.HostOf(host)
		if err := c.Copy(sched.Span{Buf: h, Len: 4}, sched.Span{Buf: bind[last.Storage].Buf, Len: 4}); err != nil {
			b.Fatal(err)
		}
	}
	run(e)
	g, err := c.Capture(e, bind)
	if err != nil {
		b.Fatal(err)
	}
	defer g.Close()
	run(g)
	wait()
	const graphs = 20
	for b.Loop() {
		for range graphs {
			run(g)
		}
		wait()
	}
	per := float64(b.Elapsed().Microseconds()) / float64(b.N) / graphs / float64(count)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(per, "µs/node")
	b.ReportMetric(float64(e.(sched.Launcher).Launches())/float64(count), "kernels/node")
}
