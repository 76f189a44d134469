package cudasim_test

import (
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/runtime/cuda/driver"
	"github.com/deltaloom/deltaloom/tools/ptxsim"
	"github.com/deltaloom/deltaloom/tools/ptxsim/cudasim"
)

// addOne adds n to each word of x; a thread is a word.
const addOne = `.version 7.0
.target sm_80
.address_size 64
.visible .entry add(.param .u64 add_x, .param .align 4 .b8 add_p[4])
.maxntid 32, 1, 1
{
	.reg .b32 %r<4>;
	.reg .b64 %d<4>;
	ld.param.u64 %d1, [add_x];
	ld.param.u32 %r1, [add_p];
	mov.u32 %r2, %tid.x;
	mul.wide.u32 %d2, %r2, 4;
	add.s64 %d1, %d1, %d2;
	ld.global.u32 %r3, [%d1];
	add.u32 %r3, %r3, %r1;
	st.global.u32 [%d1], %r3;
	ret;
}
`

// card is a driver with what most tests need. Real drivers pass the tests too.
type card struct {
	*driver.API
	sim    *cudasim.Driver // nil on a real card
	ctx    driver.Context
	stream driver.Stream
	add    driver.Function
}

// eachCard runs a test on the simulated driver and on that of this machine.
func eachCard(t *testing.T, f func(t *testing.T, c *card)) {
	t.Run("simulated", func(t *testing.T) { simulated(t, f) })
	t.Run("card", func(t *testing.T) {
		api, err := driver.Open()
		if err != nil {
			if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "no NVIDIA driver") {
				t.Fatal(err)
			}
			t.Skip(err)
		}
		f(t, open(t, &card{API: api}))
	})
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, c *card) *card {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	check(t, c.Init())
	d, err := c.DeviceGet(0)
	check(t, err)
	c.ctx, err = c.PrimaryCtxRetain(d)
	check(t, err, c.CtxSetCurrent(c.ctx))
	t.Cleanup(func() { c.PrimaryCtxRelease(d) })
	c.stream, err = c.StreamCreate()
	check(t, err)
	m, err := c.ModuleLoadData(addOne)
	check(t, err)
	c.add, err = c.ModuleGetFunction(m, "add")
	check(t, err)
	return c
}

// words copies numbers to the card.
func (c *card) words(t *testing.T, x ...uint32) driver.Ptr {
	t.Helper()
	p, err := c.MemAlloc(int64(4 * len(x)))
	check(t, err)
	var b []byte
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	check(t, c.HtoD(p, b, c.stream))
	return p
}

func (c *card) read(t *testing.T, p driver.Ptr) uint32 {
	t.Helper()
	b := make([]byte, 4)
	check(t, c.DtoH(b, p, c.stream), c.StreamSynchronize(c.stream))
	return binary.LittleEndian.Uint32(b)
}

func (c *card) launch(p driver.Ptr, n uint32) *driver.Launch {
	return driver.NewLaunch(c.add, [3]int{1, 1, 1}, [3]int{1, 1, 1}, 0, []driver.Ptr{p}, binary.LittleEndian.AppendUint32(nil, n))
}

func TestLaunch(t *testing.T) {
	eachCard(t, func(t *testing.T, c *card) {
		x, y := c.words(t, 5), c.words(t, 7)
		l := c.launch(x, 3)
		check(t, c.Launch(c.stream, l))
		l.SetPointer(0, y)
		check(t, c.Launch(c.stream, l), c.Launch(c.stream, l))
		if a, b := c.read(t, x), c.read(t, y); a != 8 || b != 13 {
			t.Errorf("%d and %d, want 8 and 13", a, b)
		}
		if n := testing.AllocsPerRun(10, func() { check(t, c.Launch(c.stream, l)) }); n != 0 && c.sim == nil {
			t.Errorf("a launch allocates %v times", n)
		}
	})
}

// A graph does its work each time it is launched, on what is there then; the capture
// itself does nothing.
func TestGraph(t *testing.T) {
	eachCard(t, func(t *testing.T, c *card) {
		x := c.words(t, 1)
		l := c.launch(x, 10)
		check(t, c.Launch(c.stream, l)) // loads the kernel
		check(t, c.StreamBeginCapture(c.stream, driver.CaptureThreadLocal), c.Launch(c.stream, l), c.Launch(c.stream, l))
		g, err := c.StreamEndCapture(c.stream)
		check(t, err)
		if n, err := c.GraphNodes(g); err != nil || n != 2 {
			t.Errorf("%d nodes, %v", n, err)
		}
		e, err := c.GraphInstantiate(g)
		check(t, err, c.GraphDestroy(g))
		l.SetPointer(0, 0) // the graph has its own parameters
		if v := c.read(t, x); v != 11 {
			t.Errorf("after the capture %d, want 11", v)
		}
		check(t, c.GraphLaunch(e, c.stream), c.GraphLaunch(e, c.stream))
		if v := c.read(t, x); v != 51 {
			t.Errorf("after two launches %d, want 51", v)
		}
		check(t, c.GraphExecDestroy(e))
		if s := c.sim; s != nil {
			if st := s.Stats(); st.Launches != 1 || st.GraphLaunches != 2 || st.GraphNodes != 4 || st.Kernels["add"] != 5 {
				t.Errorf("%+v", st)
			}
		}
	})
}

// A second stream joins a capture by an event and leaves it by another one.
func TestForkAndJoin(t *testing.T) {
	eachCard(t, func(t *testing.T, c *card) {
		x, y := c.words(t, 1), c.words(t, 2)
		other, err := c.StreamCreate()
		check(t, err)
		fork, err := c.EventCreate()
		check(t, err)
		join, err := c.EventCreate()
		check(t, err)
		check(t, c.StreamSynchronize(c.stream), c.StreamBeginCapture(c.stream, driver.CaptureThreadLocal),
			c.EventRecord(fork, c.stream), c.StreamWaitEvent(other, fork),
			c.Launch(other, c.launch(y, 5)), c.Launch(c.stream, c.launch(x, 4)),
			c.EventRecord(join, other), c.StreamWaitEvent(c.stream, join))
		g, err := c.StreamEndCapture(c.stream)
		check(t, err)
		e, err := c.GraphInstantiate(g)
		check(t, err, c.GraphLaunch(e, c.stream))
		if a, b := c.read(t, x), c.read(t, y); a != 5 || b != 7 {
			t.Errorf("%d and %d, want 5 and 7", a, b)
		}
		check(t, c.StreamBeginCapture(c.stream, driver.CaptureThreadLocal), c.EventRecord(fork, c.stream), c.StreamWaitEvent(other, fork), c.Launch(other, c.launch(y, 5)))
		if _, err := c.StreamEndCapture(c.stream); err == nil || !strings.Contains(err.Error(), "UNJOINED") {
			t.Errorf("a capture that another stream is still in ended with %v", err)
		}
	})
}

// Pinned memory is read when a copy is done, other memory when it is asked for.
func TestPinned(t *testing.T) {
	eachCard(t, func(t *testing.T, c *card) {
		x := c.words(t, 1)
		own := []byte{9, 0, 0, 0}
		check(t, c.HtoD(x, own, c.stream))
		own[0] = 10
		if v := c.read(t, x); v != 9 {
			t.Errorf("%d, want what was there at the call, 9", v)
		}
		pinned, err := c.HostAlloc(4)
		check(t, err)
		copy(pinned, []byte{11, 0, 0, 0})
		check(t, c.HtoD(x, pinned, c.stream))
		if c.sim != nil {
			pinned[0] = 12 // too early
			if v := c.read(t, x); v != 12 {
				t.Errorf("%d, want what was there when it was done, 12", v)
			}
		}
		check(t, c.StreamSynchronize(c.stream), c.HostFree(pinned))
	})
}

func TestErrors(t *testing.T) {
	eachCard(t, func(t *testing.T, c *card) {
		wants := func(what, want string, err error) {
			t.Helper()
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", what, err, want)
			}
		}
		_, err := c.MemAlloc(1 << 50)
		if wants("too much memory", "cuMemAlloc_v2: CUDA_ERROR_OUT_OF_MEMORY", err); !errors.Is(err, driver.OutOfMemory) {
			t.Errorf("%v is not OutOfMemory", err)
		}
		_, err = c.ModuleLoadData(strings.Replace(addOne, "add.u32", "adds.u32", 1))
		wants("wrong PTX", "adds", err)
		m, err := c.ModuleLoadData(addOne)
		check(t, err)
		_, err = c.ModuleGetFunction(m, "subtract")
		wants("no such kernel", "kernel subtract", err)
		check(t, c.ModuleUnload(m))
		if c.sim == nil {
			return // what a real driver does with handles that are none is its own affair
		}
		wants("unloaded twice", "INVALID_HANDLE", c.ModuleUnload(m))
		wants("no stream", "INVALID_HANDLE", c.StreamSynchronize(1))
		wants("too much shared memory", "INVALID_VALUE", c.FuncSetMaxShared(c.add, 1<<20))
		wants("too many threads", "INVALID_VALUE", c.Launch(c.stream, driver.NewLaunch(c.add, [3]int{1, 1, 1}, [3]int{64, 1, 1}, 0, []driver.Ptr{0}, make([]byte, 4))))
		for _, size := range [][2][3]int{{{1, 65536, 1}, {1, 1, 1}}, {{0, 1, 1}, {1, 1, 1}}, {{1, 1, 1}, {1, 1, 65}}, {{1, 1, 1}, {1 << 31, 1 << 31, 4}}} {
			l := driver.NewLaunch(c.add, size[0], size[1], 0, []driver.Ptr{0}, make([]byte, 4))
			wants("a size of no launch", "INVALID_VALUE", c.Launch(c.stream, l))
		}
		check(t, c.StreamBeginCapture(c.stream, driver.CaptureThreadLocal))
		wants("waiting in a capture", "CAPTURE_UNSUPPORTED", c.StreamSynchronize(c.stream))
		_, err = c.StreamEndCapture(c.stream)
		wants("its end", "CAPTURE_INVALIDATED", err)

		p := c.words(t, 1)
		check(t, c.MemFree(p))
		wants("freed twice", "INVALID_VALUE", c.MemFree(p))
		check(t, c.Launch(c.stream, c.launch(p, 1)))
		wants("freed memory", "ILLEGAL_ADDRESS", c.StreamSynchronize(c.stream))
		wants("any call afterwards", "ILLEGAL_ADDRESS", c.StreamSynchronize(c.stream))
		var f *ptxsim.Fault
		if err := c.sim.Fault(); !errors.As(err, &f) || f.Kernel != "add" {
			t.Errorf("fault %v", err)
		}
	})
}
