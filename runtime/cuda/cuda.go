// Package cuda is the backend for NVIDIA cards, sm_80 and later. It needs the
// driver and nothing else: kernels are PTX in the binary, which the driver
// compiles for its card.
//
// All work of a backend goes through one stream, so it takes effect in the order
// of the calls. A partition that runs again with the same memory is captured as
// a CUDA graph, and is one launch from then on. Numbers that tell where to read or
// write (slots, rows, experts, tokens) are checked on the device: one out of range
// reads nothing, and what it would have written is left out or zero.
package cuda

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cuda/driver"
	"github.com/deltaloom/deltaloom/runtime/lower"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// Options are the choices of a backend; the zero value is the first card of the
// machine's driver.
type Options struct {
	Driver *driver.API // nil stands for the installed driver
	Device int
}

// Backend implements sched.Backend, sched.Capturer and sched.Fetcher.
type Backend struct {
	api    *driver.API
	device driver.Device
	ctx    driver.Context
	stream driver.Stream
	name   string // of the card
	shared int    // bytes of shared memory that a block of the card may have

	mu      sync.Mutex // held while the driver is called
	code    code
	memory  pool
	scratch scratch
	tickets scratch
	staging staging
	fetches fetches

	said lower.Supported
}

// New returns the backend of a card. The error wraps errors.ErrUnsupported where
// there is no driver, one that is too old, no such card, or one that is older than sm_80.
func New(o Options) (*Backend, error) {
	b, err := open(o)
	if err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	return b, nil
}

func open(o Options) (*Backend, error) {
	b := &Backend{api: o.Driver}
	var err error
	if b.api == nil {
		if b.api, err = driver.Open(); err != nil {
			return nil, err
		}
	}
	if err := b.api.Init(); err != nil {
		return nil, fmt.Errorf("%w (%w)", err, errors.ErrUnsupported) // a driver without a card
	}
	n, err := b.api.DeviceCount()
	if err != nil {
		return nil, err
	}
	if o.Device < 0 || o.Device >= n {
		return nil, fmt.Errorf("card %d of %d: %w", o.Device, n, errors.ErrUnsupported)
	}
	if b.device, err = b.api.DeviceGet(o.Device); err != nil {
		return nil, err
	}
	if b.name, err = b.api.DeviceName(b.device); err != nil {
		return nil, err
	}
	major, err := b.api.DeviceAttribute(b.device, driver.ComputeMajor)
	if err != nil {
		return nil, err
	}
	if major < 8 {
		return nil, fmt.Errorf("%s: compute capability %d, want 8 or later: %w", b.name, major, errors.ErrUnsupported)
	}
	if b.shared, err = b.api.DeviceAttribute(b.device, driver.SharedPerBlockOptin); err != nil {
		return nil, err
	}
	if b.ctx, err = b.api.PrimaryCtxRetain(b.device); err != nil {
		return nil, err
	}
	b.code, b.memory, b.staging, b.fetches = newCode(b), pool{b: b}, staging{b: b}, fetches{b: b}
	b.scratch, b.tickets = scratch{b: b}, scratch{b: b, zero: true}
	if err := b.begin(); err != nil {
		return nil, errors.Join(err, b.api.PrimaryCtxRelease(b.device))
	}
	return b, nil
}

// begin makes the stream.
func (b *Backend) begin() error {
	leave, err := b.enter()
	if err != nil {
		return err
	}
	defer leave()
	b.stream, err = b.api.StreamCreate()
	return err
}

func (*Backend) Name() string { return "cuda" }

// Card returns the name of the card.
func (b *Backend) Card() string { return b.name }

// Memory returns the bytes of the card's memory that are free, and all of them.
func (b *Backend) Memory() (free, total int64, err error) {
	leave, err := b.enter()
	if err != nil {
		return 0, 0, err
	}
	defer leave()
	return b.api.MemGetInfo()
}

// enter gives the caller the driver: a context belongs to a thread. leave must be
// called by the same goroutine.
func (b *Backend) enter() (leave func(), err error) {
	b.mu.Lock()
	runtime.LockOSThread()
	leave = b.leave
	if err = b.api.CtxSetCurrent(b.ctx); err != nil {
		leave()
	}
	return leave, err
}

func (b *Backend) leave() {
	runtime.UnlockOSThread()
	b.mu.Unlock()
}

// Close waits for what is under way and frees everything but buffers.
func (b *Backend) Close() error {
	leave, err := b.enter()
	if err != nil {
		return err
	}
	defer leave()
	return errors.Join(b.api.StreamSynchronize(b.stream), b.code.close(), b.staging.close(), b.fetches.close(), b.scratch.close(), b.tickets.close(), b.memory.close(),
		b.api.StreamDestroy(b.stream), b.api.PrimaryCtxRelease(b.device))
}

// Supports returns nil where there is a kernel for the node.
func (b *Backend) Supports(n *graph.Node) error {
	return b.said.Of(n, func(n *graph.Node) error {
		_, err := b.lay(n, nil)
		return err
	})
}

// lay cuts a node into launches; call may be nil.
func (b *Backend) lay(n *graph.Node, call *sched.Call) (*plan, error) {
	k, ok := kernelOf[n.Op()]
	if !ok {
		return nil, fmt.Errorf("%s: %w", n.Op().Name, errors.ErrUnsupported)
	}
	p := &plan{node: n, call: call, shared: b.shared}
	if err := k(n, p); err != nil {
		return nil, fmt.Errorf("%s: %w", n.Op().Name, err)
	}
	for _, l := range p.launches {
		if max(l.grid[1], l.grid[2]) > mostAlong || l.shared > b.shared {
			return nil, unsupported("%s: kernel %s with blocks %v and %d bytes of shared memory", n.Op().Name, l.function, l.grid, l.shared)
		}
	}
	return p, nil
}
