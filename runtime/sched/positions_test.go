package sched_test

import (
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// written returns a graph that writes x f32[1 2] to a row of the state "cache" f32[2 4 2],
// 2 slots of 4 positions, counted over both, and adds it to the slot's row of "sum" f32[2 2].
func written(t *testing.T) *graph.Graph {
	t.Helper()
	b := graph.NewBuilder()
	x, slot, row := b.Input("x", f32(1, 2)), b.Input("slot", i32(1)), b.Input("row", i32(1))
	cache, sum := b.State("cache", f32(2, 4, 2)), b.State("sum", f32(2, 2))
	b.SetState(cache, ops.Reshape(ops.ScatterRows(ops.Reshape(cache, 8, 2), row, x), 2, 4, 2))
	b.SetState(sum, ops.ScatterRows(sum, slot, ops.Add(ops.Rows(sum, slot), x)))
	b.Output("y", x)
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// A cache is copied as far as it is filled, and a slot is given back with what has been
// written of it zeroed.
func TestPositions(t *testing.T) {
	for _, backends := range [][]sched.Backend{{newDevice("dev")}, backendsOfStates()[0]} {
		r := newRunner(t, nil, backends...)
		s, err := r.NewSession(2, func(state string) int {
			if state == "cache" {
				return 4
			}
			return 0
		})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		w, g := tester{t, s}, written(t)
		write := func(slot, position int32, v float32) {
			t.Helper()
			_, err := s.Run(t.Context(), g, map[string]graph.Tensor{
				"x":    {Shape: f32(1, 2), F: []float32{v, -v}},
				"slot": {Shape: i32(1), I: []int32{slot}}, "row": {Shape: i32(1), I: []int32{4*slot + position}},
			})
			w.must(err)
		}
		rows := func(slot, n int) map[string]graph.Tensor {
			t.Helper()
			rows, err := s.Snapshot(slot, n)
			w.must(err)
			return rows
		}
		w.acquire(0)
		w.acquire(1)
		for p, v := range []float32{1, 2, 3} {
			write(0, int32(p), v)
		}
		write(1, 0, 9)

		snap := rows(0, 2)
		w.want(snap["cache"].F, 1, -1, 2, -2)
		w.want(snap["sum"].F, 6, -6)
		if _, ok := rows(0, 0)["cache"]; ok {
			t.Error("no positions, and the cache all the same")
		}
		_, err = s.Snapshot(0, 5)
		wantError(t, err, `state "cache": 5 of 4 positions`)

		w.must(s.Fork(1, 0, 3))
		w.want(rows(1, 4)["cache"].F, 1, -1, 2, -2, 3, -3, 0, 0)
		w.must(s.Forget(0, 1, 3))
		w.want(rows(0, 4)["cache"].F, 1, -1, 0, 0, 0, 0, 0, 0)
		w.want(rows(0, 4)["sum"].F, 6, -6)

		w.must(s.Restore(0, map[string]graph.Tensor{"sum": snap["sum"]})) // positions stay
		w.want(rows(0, 2)["cache"].F, 1, -1, 0, 0)
		w.must(s.Restore(0, snap))
		w.want(rows(0, 3)["cache"].F, 1, -1, 2, -2, 0, 0)
		wantError(t, s.Restore(0, map[string]graph.Tensor{"cache": graph.NewTensor(f32(5, 2))}), "for 4 positions")

		w.must(s.Release(0, 2))
		w.acquire(0)
		w.want(rows(0, 4)["cache"].F, make([]float32, 8)...)
		w.want(rows(0, 4)["sum"].F, 0, 0)
		w.want(rows(1, 1)["cache"].F, 1, -1)
	}
}
