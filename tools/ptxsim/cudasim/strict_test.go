package cudasim_test

import (
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/runtime/cuda/driver"
	"github.com/deltaloom/deltaloom/tools/ptxsim/cudasim"
)

// simulated runs a test on a simulated driver.
func simulated(t *testing.T, f func(t *testing.T, c *card)) {
	t.Helper()
	d, err := cudasim.New(cudasim.Options{Memory: 1 << 20})
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(d.Close)
	api, err := driver.Bind(d.Lookup)
	check(t, err)
	f(t, open(t, &card{API: api, sim: d}))
}

// refused tells of the error that a call must give.
func refused(t *testing.T, what, want string, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

func (c *card) second(t *testing.T) (s driver.Stream, first, second driver.Event) {
	t.Helper()
	s, err := c.StreamCreate()
	check(t, err)
	first, err = c.EventCreate()
	check(t, err)
	second, err = c.EventCreate()
	check(t, err)
	return s, first, second
}

// A stream that does not wait for another one does not see what that does.
func TestMissingWait(t *testing.T) {
	simulated(t, func(t *testing.T, c *card) {
		other, done, _ := c.second(t)
		x := c.words(t, 1)
		check(t, c.StreamSynchronize(c.stream), c.Launch(other, c.launch(x, 10)))
		if v := c.read(t, x); v != 1 {
			t.Errorf("without a wait %d, want 1", v)
		}
		check(t, c.EventRecord(done, other), c.StreamWaitEvent(c.stream, done))
		if v := c.read(t, x); v != 11 {
			t.Errorf("with a wait %d, want 11", v)
		}
	})
}

// A branch of a graph that does not wait for the other one runs before it, though it
// was recorded later.
func TestMissingJoin(t *testing.T) {
	simulated(t, func(t *testing.T, c *card) {
		for _, waits := range []bool{false, true} {
			other, fork, join := c.second(t)
			x, y := c.words(t, 1), c.words(t, 0)
			check(t, c.StreamSynchronize(c.stream), c.StreamBeginCapture(c.stream, driver.CaptureRelaxed),
				c.EventRecord(fork, c.stream), c.StreamWaitEvent(other, fork),
				c.Launch(c.stream, c.launch(x, 10)))
			if waits {
				check(t, c.EventRecord(fork, c.stream), c.StreamWaitEvent(other, fork))
			}
			check(t, c.DtoD(y, x, 4, other), c.EventRecord(join, other), c.StreamWaitEvent(c.stream, join))
			g, err := c.StreamEndCapture(c.stream)
			check(t, err)
			e, err := c.GraphInstantiate(g)
			check(t, err, c.GraphLaunch(e, c.stream))
			want := map[bool]uint32{false: 1, true: 11}[waits]
			if v := c.read(t, y); v != want {
				t.Errorf("wait %v: %d, want %d", waits, v, want)
			}
		}
	})
}

// What spoils a capture, and the error it ends with.
func TestSpoiltCapture(t *testing.T) {
	for _, test := range []struct {
		name      string
		mode      driver.CaptureMode
		do        func(t *testing.T, c *card, x driver.Ptr) error
		want, end string // of the call and of the end; "" for success
	}{
		{"nothing", driver.CaptureThreadLocal, func(t *testing.T, c *card, x driver.Ptr) error { return nil }, "", ""},
		{"allocation", driver.CaptureThreadLocal, func(t *testing.T, c *card, x driver.Ptr) error {
			_, err := c.MemAlloc(1)
			return err
		}, "CAPTURE_UNSUPPORTED", "CAPTURE_INVALIDATED"},
		{"allocation that the mode allows", driver.CaptureRelaxed, func(t *testing.T, c *card, x driver.Ptr) error {
			_, err := c.MemAlloc(1)
			return err
		}, "", ""},
		{"allocation on another thread", driver.CaptureThreadLocal, func(t *testing.T, c *card, x driver.Ptr) error {
			return elsewhere(c, func() error {
				_, err := c.MemAlloc(1)
				return err
			})
		}, "", ""},
		{"code", driver.CaptureThreadLocal, func(t *testing.T, c *card, x driver.Ptr) error {
			_, err := c.ModuleLoadData(addOne)
			return err
		}, "CAPTURE_UNSUPPORTED", "CAPTURE_INVALIDATED"},
		{"pageable memory", driver.CaptureRelaxed, func(t *testing.T, c *card, x driver.Ptr) error {
			return c.HtoD(x, make([]byte, 4), c.stream)
		}, "CAPTURE_UNSUPPORTED", "CAPTURE_INVALIDATED"},
		{"its own event", driver.CaptureRelaxed, func(t *testing.T, c *card, x driver.Ptr) error {
			_, e, _ := c.second(t)
			check(t, c.EventRecord(e, c.stream))
			return c.EventSynchronize(e)
		}, "CAPTURED_EVENT", "CAPTURE_INVALIDATED"},
		{"work outside", driver.CaptureRelaxed, func(t *testing.T, c *card, x driver.Ptr) error {
			s, e, _ := c.second(t)
			check(t, c.Launch(s, c.launch(x, 1)), c.EventRecord(e, s))
			return c.StreamWaitEvent(c.stream, e)
		}, "CAPTURE_ISOLATION", "CAPTURE_INVALIDATED"},
		{"work after the join", driver.CaptureRelaxed, func(t *testing.T, c *card, x driver.Ptr) error {
			s, fork, join := c.second(t)
			return errors.Join(c.EventRecord(fork, c.stream), c.StreamWaitEvent(s, fork), c.Launch(s, c.launch(x, 1)),
				c.EventRecord(join, s), c.Launch(s, c.launch(x, 1)), c.StreamWaitEvent(c.stream, join))
		}, "", "CAPTURE_UNJOINED"},
	} {
		t.Run(test.name, func(t *testing.T) {
			simulated(t, func(t *testing.T, c *card) {
				x := c.words(t, 1)
				check(t, c.StreamSynchronize(c.stream), c.StreamBeginCapture(c.stream, test.mode), c.Launch(c.stream, c.launch(x, 1)))
				same(t, "the call", test.want, test.do(t, c, x))
				_, err := c.StreamEndCapture(c.stream)
				same(t, "the end", test.end, err)
			})
		})
	}
}

func same(t *testing.T, what, want string, err error) {
	t.Helper()
	if want == "" {
		check(t, err)
		return
	}
	refused(t, what, want, err)
}

// elsewhere calls f on another thread that has the context.
func elsewhere(c *card, f func() error) error {
	err := make(chan error)
	go func() {
		runtime.LockOSThread()
		err <- errors.Join(c.CtxSetCurrent(c.ctx), f())
	}()
	return <-err
}

// An event of a capture that has ended stands for nothing.
func TestEventOfEndedCapture(t *testing.T) {
	simulated(t, func(t *testing.T, c *card) {
		other, e, _ := c.second(t)
		check(t, c.StreamBeginCapture(c.stream, driver.CaptureRelaxed), c.EventRecord(e, c.stream))
		_, err := c.StreamEndCapture(c.stream)
		check(t, err)
		refused(t, "waiting for it", "CAPTURED_EVENT", c.StreamWaitEvent(other, e))
		_, err = c.StreamEndCapture(c.stream)
		refused(t, "a second end", "ILLEGAL_STATE", err)
	})
}

// A context belongs to a thread.
func TestContextOfThread(t *testing.T) {
	simulated(t, func(t *testing.T, c *card) {
		err := make(chan error)
		go func() {
			runtime.LockOSThread() // and never unlocks: the thread ends with it
			_, e := c.StreamCreate()
			err <- e
		}()
		refused(t, "a thread without the context", "INVALID_CONTEXT", <-err)
	})
}

func TestNotInitialized(t *testing.T) {
	d, err := cudasim.New(cudasim.Options{})
	if err != nil {
		t.Skip(err)
	}
	defer d.Close()
	api, err := driver.Bind(d.Lookup)
	check(t, err)
	_, err = api.DeviceGet(0)
	refused(t, "before Init", "NOT_INITIALIZED", err)
}

// Drivers in one process have nothing in common.
func TestTwoDrivers(t *testing.T) {
	simulated(t, func(t *testing.T, a *card) {
		simulated(t, func(t *testing.T, b *card) {
			x, y := a.words(t, 1), b.words(t, 2)
			check(t, a.Launch(a.stream, a.launch(x, 5)), b.MemFree(y), b.Launch(b.stream, b.launch(y, 5)))
			refused(t, "a fault", "ILLEGAL_ADDRESS", b.StreamSynchronize(b.stream))
			if v := a.read(t, x); v != 6 || a.sim.Fault() != nil {
				t.Errorf("the other driver has %d and fault %v, want 6 and none", v, a.sim.Fault())
			}
		})
	})
}

// Copies that a graph does read and write pinned memory at each launch, and fail once
// it is freed.
func TestCopiesInGraph(t *testing.T) {
	simulated(t, func(t *testing.T, c *card) {
		x := c.words(t, 0)
		pinned, err := c.HostAlloc(8)
		check(t, err)
		check(t, c.StreamSynchronize(c.stream), c.StreamBeginCapture(c.stream, driver.CaptureRelaxed),
			c.HtoD(x, pinned[:4], c.stream), c.Launch(c.stream, c.launch(x, 1)), c.DtoH(pinned[4:], x, c.stream),
			c.MemsetD8(x, 0, 4, c.stream))
		g, err := c.StreamEndCapture(c.stream)
		check(t, err)
		e, err := c.GraphInstantiate(g)
		check(t, err, c.GraphUpload(e, c.stream))
		for _, v := range []uint32{5, 8} {
			binary.LittleEndian.PutUint32(pinned, v)
			check(t, c.GraphLaunch(e, c.stream))
			if got := c.read(t, x); got != 0 {
				t.Errorf("on the card %d, want 0", got)
			}
			if got := binary.LittleEndian.Uint32(pinned[4:]); got != v+1 {
				t.Errorf("%d, want %d", got, v+1)
			}
		}
		check(t, c.HostFree(pinned), c.GraphLaunch(e, c.stream))
		refused(t, "freed memory", "ILLEGAL_ADDRESS", c.StreamSynchronize(c.stream))
		if err := c.sim.Fault(); err == nil || !strings.Contains(err.Error(), "pinned") {
			t.Errorf("fault %v", err)
		}
	})
}
