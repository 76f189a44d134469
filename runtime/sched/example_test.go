package sched_test

import (
	"context"
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/interp"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// A running sum of two sequences at once: each has a row of the pool "sum".
func ExampleSession() {
	b := graph.NewBuilder()
	x := b.Input("x", graph.ShapeOf(graph.F32, 2, 3))
	slots := b.Input("slots", graph.ShapeOf(graph.I32, 2))
	pool := b.State("sum", graph.ShapeOf(graph.F32, 4, 3))
	sum := ops.Add(ops.Rows(pool, slots), x)
	b.SetState(pool, ops.ScatterRows(pool, slots, sum))
	b.Output("sum", sum)
	g, err := b.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	runner, err := sched.NewRunner(nil, interp.New())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer runner.Close()
	session, err := runner.NewSession(4, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()
	one, _ := session.Acquire()
	two, _ := session.Acquire()
	for range 2 {
		out, err := session.Run(context.Background(), g, map[string]graph.Tensor{
			"x":     {Shape: x.Shape(), F: []float32{1, 2, 3, 10, 20, 30}},
			"slots": {Shape: slots.Shape(), I: []int32{int32(one), int32(two)}},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(out["sum"].F)
	}
	plan, _ := runner.Load(context.Background(), g)
	fmt.Print(plan)
	// Output:
	// [1 2 3 10 20 30]
	// [2 4 6 20 40 60]
	// arena host 64 bytes
	// run interp
	//   rows(state "sum", input "slots") -> host+0 f32[2 3]
	//   add(input "x", host+0) -> output "sum" f32[2 3]
	//   scatter_rows(state "sum", input "slots", output "sum") -> state "sum" f32[4 3]
}
