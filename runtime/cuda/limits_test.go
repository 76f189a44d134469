package cuda_test

import (
	"errors"
	"math"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// What a grid has no room for is refused before there is a launch.
func TestTooLargeForAGrid(t *testing.T) {
	b := simulated(t)
	g := graph.NewBuilder()
	in := func(name string, dt graph.DType, dims ...int) graph.Value {
		return g.Input(name, graph.ShapeOf(dt, dims...))
	}
	const many = 1 << 16
	for name, v := range map[string]graph.Value{
		"sequences of a convolution": ops.CausalConv(in("x", graph.F32, many, 4, 1), in("taps", graph.F32, 1, 4)),
		"matrices":                   ops.MatMul(in("a", graph.F32, many, 2, 3), in("b", graph.F32, many, 2, 3)),
		"rows of a weight":           ops.MatMul(in("acts", graph.F32, 9, 32), in("w", graph.F32, many*64, 32)),
		"elements of a row":          ops.Rows(in("table", graph.F32, 2, many*128), in("rows", graph.I32, 1)),
	} {
		if err := g.Err(); err != nil {
			t.Fatal(err)
		}
		if err := b.Supports(v.Node()); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A size that no card has is refused, however large.
func TestAllocTooLarge(t *testing.T) {
	b := simulated(t)
	for _, bytes := range []int64{-1, 1 << 50, math.MaxInt64 - 1, math.MaxInt64} {
		if m, err := b.Alloc(bytes); err == nil {
			m.Free()
			t.Errorf("%d bytes were allocated", bytes)
		}
	}
}
