package sched_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// fetching is a device that hands its results out later. It counts those under way.
type fetching struct {
	*device
	flying int
}

type fetched struct {
	d    *fetching
	data []byte // as it was
}

func (d *fetching) Fetch(src sched.Span) (sched.Fetched, error) {
	if err := d.wear(); err != nil {
		return nil, err
	}
	own, _ := d.own(src)
	d.flying++
	return &fetched{d, slices.Clone(own.Bytes())}, nil
}

func (f *fetched) Wait(dst []byte) error {
	f.d.flying--
	copy(dst, f.data)
	return f.d.wear()
}

// ahead binds running sums of a device that fetches.
func ahead(t *testing.T) (d *fetching, b *sched.Bound, x, y []float32, s tester) {
	t.Helper()
	d = &fetching{device: newDevice("dev")}
	s = tester{t, newSession(t, newRunner(t, nil, d), 3)}
	s.acquire(0)
	in := map[string]graph.Tensor{"x": graph.NewTensor(f32(1, 1, 2)), "slots": graph.NewTensor(i32(1))}
	out := map[string]graph.Tensor{}
	b, err := s.s.Bind(t.Context(), sums(t, 1, 1), in, out)
	s.must(err)
	return d, b, in["x"].F, out["y"].F, s
}

// Runs that are started before earlier ones have ended give what runs one by one give.
func TestAhead(t *testing.T) {
	d, b, x, y, s := ahead(t)
	if !b.Ahead() {
		t.Error("a graph of one device cannot go ahead")
	}
	start := func(v float32) {
		t.Helper()
		x[0], x[1] = v, 2*v
		s.must(b.Start(t.Context()))
	}
	wait := func(v float32) {
		t.Helper()
		s.must(b.Wait())
		s.want(y, v, 2*v)
	}
	start(1)
	s.want(y, 0, 0)
	start(2)
	wait(1)
	start(3)
	wait(3)
	wait(6)
	x[0], x[1] = 4, 8
	s.must(b.Run(t.Context())) // waits itself
	s.want(y, 10, 20)
	start(5)
	start(6)
	s.must(b.Close())
	if d.flying != 0 {
		t.Errorf("%d results are still under way", d.flying)
	}
	s.want(y, 10, 20)
}

// Where anything is computed on the host, or a device has no later, runs are not ahead.
func TestNotAhead(t *testing.T) {
	for name, backends := range map[string][]sched.Backend{
		"host": {newPicky("cpu")}, "a node on the host": {&fetching{device: newDevice("dev", "add")}, newPicky("cpu")}, "device": {newDevice("dev")},
	} {
		s := tester{t, newSession(t, newRunner(t, nil, backends...), 3)}
		s.acquire(0)
		in := map[string]graph.Tensor{"x": graph.NewTensor(f32(1, 1, 2)), "slots": graph.NewTensor(i32(1))}
		out := map[string]graph.Tensor{}
		b, err := s.s.Bind(t.Context(), sums(t, 1, 1), in, out)
		s.must(err)
		if b.Ahead() {
			t.Errorf("%s: goes ahead", name)
		}
		for i := range 3 {
			in["x"].F[0], in["x"].F[1] = 1, 2
			s.must(b.Start(t.Context()))
			s.must(b.Wait())
			s.want(out["y"].F, float32(i+1), 2*float32(i+1))
		}
	}
}

// Whatever call of the device fails, it is reported and nothing stays under way.
func TestAheadFails(t *testing.T) {
	for calls := int32(1); ; calls++ {
		d, b, x, _, s := ahead(t)
		x[0] = 1
		s.must(b.Start(t.Context()))
		d.healthy.Store(calls)
		err := errors.Join(b.Start(t.Context()), b.Wait(), b.Wait())
		healthy := d.healthy.Swap(0) > 0
		if err == nil && !healthy || err != nil && !errors.Is(err, errBroken) {
			t.Errorf("call %d: %v", calls, err)
		}
		s.must(b.Close())
		if d.flying != 0 {
			t.Errorf("call %d: %d results are under way", calls, d.flying)
		}
		if healthy {
			return
		}
	}
}
