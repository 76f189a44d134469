package ops_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// A model is free functions over values; Run evaluates it.
func Example() {
	b := graph.NewBuilder()
	x := b.Input("x", graph.ShapeOf(graph.F32, 1, 3))
	w := b.Weight("w", graph.ShapeOf(graph.F32, 2, 3))
	b.Output("y", ops.Relu(ops.Linear(x, w)))
	g, err := b.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(g)
	r, err := ops.Run(g, map[string]graph.Tensor{
		"x": {Shape: x.Shape(), F: []float32{1, 2, 3}},
		"w": {Shape: w.Shape(), F: []float32{1, 1, 1, 0, 0, -1}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Outputs["y"].F)
	// Output:
	// %0 = input "x" : f32[1 3]
	// %1 = weight "w" : f32[2 3]
	// %2 = matmul(%0, %1) : f32[1 2]
	// %3 = relu(%2) : f32[1 2]
	// output "y" = %3
	// [6 0]
}

func TestErrorsNameTheCaller(t *testing.T) {
	b := graph.NewBuilder()
	ops.Transpose(b.Input("v", graph.ShapeOf(graph.F32, 4)))
	if err := b.Err(); err == nil || !strings.Contains(err.Error(), "example_test.go:") {
		t.Error(err)
	}
}
