package cpu

import (
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// A plan that is kept has no scratch memory of its own.
func TestScratchIsShared(t *testing.T) {
	b, err := New(Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	r, err := sched.NewRunner(nil, b)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	load := func(rows int) int64 {
		gb := graph.NewBuilder()
		x, w := gb.Input("x", graph.ShapeOf(graph.F32, rows, 256)), gb.Input("w", graph.ShapeOf(graph.F32, 8, 256))
		gb.Output("y", ops.MatMul(x, w))
		g, err := gb.Build()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Load(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		return b.Scratch()
	}
	one, many := load(1), load(64)
	if one == 0 || many <= one || load(32) != many {
		t.Errorf("%d bytes for one row, %d for 64, %d with 32 more", one, many, b.Scratch())
	}
}
