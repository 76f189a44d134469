package cpu

import (
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// BenchmarkChain runs six elementwise functions in a row over a prompt's worth of
// elements, joined and one by one. On one thread: what joining gains is that
// memory is passed over once.
func BenchmarkChain(b *testing.B) {
	gb := graph.NewBuilder()
	shape := graph.ShapeOf(graph.F32, 512, 3584)
	x, gate := gb.Input("x", shape), gb.Input("gate", shape)
	row, scale := gb.Input("row", graph.ShapeOf(graph.F32, 3584)), gb.Input("scale", graph.ShapeOf(graph.F32, 512, 1))
	y := ops.Mul(ops.Scale(x, 0.5), row)
	y = ops.Mul(y, scale)
	y = ops.Mul(ops.AddScalar(y, 1), ops.Silu(gate))
	gb.Output("y", y)
	g, err := gb.Build()
	if err != nil {
		b.Fatal(err)
	}
	feeds := map[string]graph.Tensor{}
	for _, v := range []graph.Value{x, gate, row, scale} {
		feeds[v.Node().Name()] = graph.NewTensor(v.Shape())
	}
	outputs := map[string]graph.Tensor{"y": graph.NewTensor(shape)}
	backend, err := New(Options{Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer backend.Close()
	for name, by := range map[string]sched.Backend{"joined": backend, "apart": apart{backend}} {
		b.Run(name, func(b *testing.B) {
			r, err := sched.NewRunner(nil, by)
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			s, err := r.NewSession(0, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			for b.Loop() {
				if err := s.RunInto(b.Context(), g, feeds, outputs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
