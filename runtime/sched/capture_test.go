package sched_test

import (
	"context"
	"errors"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// tape is a device that records partitions.
type tape struct {
	*device
	refuse             bool
	made, runs, closed int
}

type recording struct {
	t    *tape
	of   sched.Executable
	with sched.Bindings
}

func (d *tape) Capture(e sched.Executable, b sched.Bindings) (sched.Executable, error) {
	if d.refuse {
		return nil, errors.ErrUnsupported
	}
	d.made++
	return &recording{d, e, b}, nil
}

func (r *recording) Run(ctx context.Context, b sched.Bindings) error {
	for _, i := range r.of.(*deviceRun).p.Uses {
		if b[i] != r.with[i] {
			return errors.New("replayed with other memory")
		}
	}
	r.t.runs++
	return r.of.Run(ctx, r.with)
}

func (r *recording) Close() error {
	r.t.closed++
	return nil
}

// A partition of a Bound is recorded at its second run and replayed from then on,
// until its memory moves.
func TestCapture(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		d := &tape{device: newDevice("dev"), refuse: refuse}
		s := tester{t, newSession(t, newRunner(t, nil, d), 3)}
		s.acquire(0)
		in := map[string]graph.Tensor{"x": graph.NewTensor(f32(1, 1, 2)), "slots": graph.NewTensor(i32(1))}
		out := map[string]graph.Tensor{}
		b, err := s.s.Bind(t.Context(), sums(t, 1, 1), in, out)
		s.must(err)
		step := func(x float32, want ...float32) {
			t.Helper()
			in["x"].F[0], in["x"].F[1] = x, 2*x
			s.must(b.Run(t.Context()))
			s.want(out["y"].F, want...)
		}
		expect := func(made, runs, closed int) {
			t.Helper()
			if refuse {
				made, runs, closed = 0, 0, 0
			}
			if d.made != made || d.runs != runs || d.closed != closed {
				t.Errorf("recorded %d, replayed %d, dropped %d, want %d, %d, %d", d.made, d.runs, d.closed, made, runs, closed)
			}
		}
		step(1, 1, 2)
		expect(0, 0, 0)
		step(2, 3, 6)
		expect(1, 1, 0)
		step(1, 4, 8)
		expect(1, 2, 0)
		s.step([]int32{0}, make([]float32, 100)...) // the arena grows
		expect(1, 2, 1)
		step(1, 5, 10)
		step(1, 6, 12)
		expect(2, 3, 1)
		s.must(s.s.Close())
		expect(2, 3, 2)
		if err := b.Run(t.Context()); err == nil {
			t.Error("a run after the session has been closed")
		}
		s.must(b.Close())
	}
}
