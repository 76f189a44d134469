package sched_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/quant"
	"github.com/deltaloom/deltaloom/runtime/interp"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// sums returns a graph over T tokens [2]: each sequence's running sum is kept in
// the pool "sum" f16[3 2], its number of tokens in "count" f32[3]; "y" is the sum.
// The pools are written in place.
func sums(t *testing.T, B, T int) *graph.Graph {
	t.Helper()
	b := graph.NewBuilder()
	x, slots := b.Input("x", f32(B, T, 2)), b.Input("slots", i32(B))
	sum, count := b.State("sum", f16(3, 2)), b.State("count", f32(3))
	y := ops.Rows(sum, slots)
	for i := range T {
		y = ops.Add(y, ops.Reshape(ops.Slice(x, 1, i, 1), B, 2))
	}
	b.Output("y", y)
	b.SetState(sum, ops.ScatterRows(sum, slots, y))
	b.SetState(count, ops.ScatterRows(count, slots, ops.AddScalar(ops.Rows(count, slots), float32(T))))
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// backendsOfStates are a host and a device, with and without ops of their own.
func backendsOfStates() [][]sched.Backend {
	return [][]sched.Backend{
		{interp.New()}, {newDevice("dev")},
		{newDevice("dev", "scatter_rows"), interp.New()}, {newPicky("cpu", "add", "rows"), newDevice("dev")},
	}
}

type tester struct {
	*testing.T
	s *sched.Session
}

// step adds tokens, x and 2x each, to the sums of slots and returns these.
func (t tester) step(slots []int32, x ...float32) []float32 {
	t.Helper()
	B, T := len(slots), len(x)/len(slots)
	in := graph.NewTensor(f32(B, T, 2))
	for i, v := range x {
		in.F[2*i], in.F[2*i+1] = v, 2*v
	}
	out, err := t.s.Run(t.Context(), sums(t.T, B, T), map[string]graph.Tensor{"x": in, "slots": {Shape: i32(B), I: slots}})
	if err != nil {
		t.Fatal(err)
	}
	return out["y"].F
}

func (t tester) want(got []float32, want ...float32) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("have %v, want %v", got, want)
	}
}

func (t tester) acquire(want int) {
	t.Helper()
	if slot, err := t.s.Acquire(); err != nil || slot != want {
		t.Errorf("acquired slot %d, %v, want %d", slot, err, want)
	}
}

func (t tester) snapshot(slot int) map[string]graph.Tensor {
	t.Helper()
	rows, err := t.s.Snapshot(slot, 0)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func f16(dims ...int) graph.Shape { return graph.ShapeOf(graph.F16, dims...) }

// widened returns the numbers of a tensor of f16.
func widened(t *testing.T, x graph.Tensor) []float32 {
	t.Helper()
	y := make([]float32, x.Shape.Len())
	if err := quant.Unpack(x.Shape.DType, y, x.Raw); err != nil {
		t.Fatal(err)
	}
	return y
}

func (t tester) must(err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// Plans of different lengths and batches work on the same states; slots keep
// sequences apart and begin at zero every time.
func TestSlots(t *testing.T) {
	for _, backends := range backendsOfStates() {
		s := tester{t, newSession(t, newRunner(t, nil, backends...), 3)}
		s.acquire(0)
		s.want(s.step([]int32{0}, 1, 2, 3, 4, 5), 15, 30)
		s.want(s.step([]int32{0}, 1), 16, 32)
		s.acquire(1)
		s.acquire(2)
		if _, err := s.s.Acquire(); !errors.Is(err, sched.ErrNoSlot) {
			t.Errorf("a fourth slot of three: %v", err)
		}
		s.want(s.step([]int32{2, 0}, 7, 1), 7, 14, 17, 34)
		s.want(widened(t, s.snapshot(2)["sum"]), 7, 14)
		s.want(s.snapshot(0)["count"].F, 7)
		s.want(s.snapshot(1)["count"].F, 0)

		s.must(s.s.Release(0, 0))
		wantError(t, s.s.Release(0, 0), "slot 0 is not in use")
		s.acquire(0)
		s.want(s.snapshot(0)["count"].F, 0)
		s.want(s.step([]int32{0, 2}, 1, 1), 1, 2, 8, 16)
	}
}

func TestSnapshotRestoreFork(t *testing.T) {
	for _, backends := range backendsOfStates() {
		r := newRunner(t, nil, backends...)
		s := tester{t, newSession(t, r, 3)}
		s.acquire(0)
		empty := s.snapshot(0)
		s.step([]int32{0}, 1, 2)
		snap := s.snapshot(0)
		if got := snap["sum"].Shape; got != f16(2) || snap["count"].Shape != f32() || len(snap) != 2 {
			t.Errorf("rows %v", snap)
		}
		s.want(s.step([]int32{0}, 10), 13, 26)
		s.must(s.s.Restore(0, snap))
		s.want(s.step([]int32{0}, 20), 23, 46)

		s.acquire(1)
		s.must(s.s.Fork(1, 0, 0))
		s.must(s.s.Fork(1, 1, 0))
		s.want(s.step([]int32{1, 0}, 1, 2), 24, 48, 25, 50)
		s.must(s.s.Restore(1, empty)) // before any state was known
		s.want(s.step([]int32{1, 0}, 1, 2), 1, 2, 27, 54)

		// Into a session that has not run, whose graphs find the state there.
		other := tester{t, newSession(t, r, 3)}
		other.acquire(0)
		other.must(other.s.Restore(0, snap))
		other.want(other.step([]int32{0}, 100), 103, 206)
		other.want(other.snapshot(0)["count"].F, 3)

		bad := map[string]graph.Tensor{"sum": snap["count"], "count": snap["count"]}
		wantError(t, s.s.Restore(0, bad), `state "sum"`)
		wantError(t, s.s.Restore(0, map[string]graph.Tensor{"sum": {Shape: f16(2)}}), `state "sum"`)
		wantError(t, s.s.Restore(2, snap), "slot 2 is not in use")
		wantError(t, s.s.Fork(0, 2, 0), "slot 2 is not in use")
		if _, err := s.s.Snapshot(-1, 0); err == nil {
			t.Error("a snapshot of slot -1")
		}
		s.want(s.snapshot(0)["count"].F, 5) // as it was
	}
}

func TestStateShapes(t *testing.T) {
	state := func(shape string) *graph.Graph {
		return parse(t, `%0 = state "sum" : `+shape+`
%1 = neg(%0)
next %0 = %1
`)
	}
	r := newRunner(t, nil, interp.New())
	s := newSession(t, r, 3)
	if _, err := s.Run(t.Context(), state("f32[3 2]"), nil); err != nil {
		t.Fatal(err)
	}
	_, err := s.Run(t.Context(), state("f32[3 4]"), nil)
	wantError(t, err, `state "sum": have f32[3 2], want f32[3 4]`)
	_, err = newSession(t, r, 3).Run(t.Context(), state("f32[4 2]"), nil)
	wantError(t, err, `state "sum": f32[4 2], want 3 slots as the outermost axis`)
	if _, err = newSession(t, r, 0).Run(t.Context(), state("f32[4 2]"), nil); err != nil {
		t.Errorf("without slots a state may have any shape: %v", err)
	}
	if _, err := r.NewSession(-1, nil); err == nil {
		t.Error("a session of -1 slots")
	}
	if _, err := newSession(t, r, 0).Acquire(); !errors.Is(err, sched.ErrNoSlot) {
		t.Errorf("a slot of a session without slots: %v", err)
	}
}

func TestClosed(t *testing.T) {
	d := newDevice("dev")
	r := newRunner(t, nil, d)
	s := tester{t, newSession(t, r, 3)}
	s.acquire(0)
	s.step([]int32{0}, 1)
	s.must(s.s.Close())
	s.must(s.s.Close())
	if n := d.live.Load(); n != 1 {
		t.Errorf("%d things on the device, want the plan", n)
	}
	_, err := s.s.Run(t.Context(), sums(t, 1, 1), map[string]graph.Tensor{"x": graph.NewTensor(f32(1, 1, 2)), "slots": graph.NewTensor(i32(1))})
	wantError(t, err, "the session is closed")
	_, err = s.s.Acquire()
	wantError(t, err, "the session is closed")
	wantError(t, s.s.Release(0, 0), "the session is closed")
}
