package sched_test

import (
	"context"
	"errors"
	"testing"

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

// A partition is recorded at its second run and replayed from then on, until its
// memory moves.
func TestCapture(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		d := &tape{device: newDevice("dev"), refuse: refuse}
		s := tester{t, newSession(t, newRunner(t, nil, d), 3)}
		s.acquire(0)
		s.want(s.step([]int32{0}, 1), 1, 2)
		expect := func(made, runs, closed int) {
			t.Helper()
			if refuse {
				made, runs, closed = 0, 0, 0
			}
			if d.made != made || d.runs != runs || d.closed != closed {
				t.Errorf("recorded %d, replayed %d, dropped %d, want %d, %d, %d", d.made, d.runs, d.closed, made, runs, closed)
			}
		}
		expect(0, 0, 0)
		s.want(s.step([]int32{0}, 1), 2, 4)
		expect(1, 1, 0)
		s.want(s.step([]int32{0}, 1), 3, 6)
		expect(1, 2, 0)
		s.step([]int32{0}, make([]float32, 100)...) // the arena grows
		expect(1, 2, 1)
		s.want(s.step([]int32{0}, 1), 4, 8)
		s.want(s.step([]int32{0}, 1), 5, 10)
		expect(2, 3, 1)
		s.must(s.s.Close())
		expect(2, 3, 2)
	}
}
