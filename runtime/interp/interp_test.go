package interp_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/quant"
	"github.com/deltaloom/deltaloom/runtime/interp"
	"github.com/deltaloom/deltaloom/runtime/runtimetest"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

func TestConformance(t *testing.T) { runtimetest.RunAll(t, interp.New()) }

// The option reaches the products: a quantised weight sees rounded activations.
func TestRoundActivations(t *testing.T) {
	b := graph.NewBuilder()
	x, w := graph.ShapeOf(graph.F32, 3, 64), graph.ShapeOf(graph.Q8_0, 5, 64)
	b.Output("y", ops.Linear(b.Input("x", x), b.Weight("w", w)))
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	in, err := ops.Operands(graph.Case{In: []graph.Shape{x, w}}, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	feeds := map[string]graph.Tensor{"x": in[0], "w": in[1]}
	results := map[bool][]float32{}
	for _, round := range []bool{false, true} {
		var opts []ops.Option
		if round {
			opts = append(opts, ops.RoundActivations(quant.GGML))
		}
		want, err := ops.Run(g, feeds, opts...)
		if err != nil {
			t.Fatal(err)
		}
		r, err := sched.NewRunner(sched.Tensors(feeds), interp.New(opts...))
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.NewSession(0, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Run(t.Context(), g, feeds)
		if err != nil {
			t.Fatal(err)
		}
		results[round] = got["y"].F
		if !slices.Equal(got["y"].F, want.Outputs["y"].F) {
			t.Errorf("rounding %v: have %v, want %v", round, got["y"].F, want.Outputs["y"].F)
		}
	}
	if slices.Equal(results[false], results[true]) {
		t.Error("the option changes nothing")
	}
}
