//go:build !nogpu && !android && (linux || windows) && (amd64 || arm64)

// Package cudasim is a CUDA driver without a card: it answers the calls of the
// driver's API through the C calling convention, and runs kernels on package
// ptxsim.
//
// It does work as late as it may: what is put into a stream happens when somebody
// waits for it, and what other streams do only where an event asks for it, so a wait
// that is missing, or pinned memory that is used again too early, is seen in every
// run. A graph runs in the order least like that of its recording. Fresh memory, of
// the card and pinned, is 0xff. A kernel that does something wrong makes its own and
// all later calls fail, as on a card; Fault says what it was.
//
// Each thread needs the context (CtxSetCurrent). Streams never wait for the default
// one. Refused though a card may take it: the default stream, pageable memory and
// graphs in a capture, and copies between ranges that overlap.
package cudasim

import (
	"fmt"
	"maps"
	"sync"

	"github.com/deltaloom/deltaloom/tools/ptxsim"
)

// Options are the properties of the card.
type Options struct {
	Memory int64 // bytes; 0 stands for 8 GiB
}

// Driver is a driver with one card. Close lets its callbacks be used again: a process
// has 2,000.
type Driver struct {
	calls *callbacks

	mu       sync.Mutex
	ready    bool         // cuInit was called
	users    int          // of the context
	current  map[int]bool // whether the context is that of a thread
	mem      ptxsim.Memory
	total    int64
	sizes    map[uint64]int64 // of allocations, rounded as the card does
	used     int64
	pinned   map[uintptr][]byte
	modules  map[uintptr]*module
	kernels  map[uintptr]*kernel
	streams  map[uintptr]*stream
	events   map[uintptr]*event
	graphs   map[uintptr]*graph
	execs    map[uintptr]*exec
	captures []*capture // under way
	handles  uintptr    // the last one
	fault    error
	stats    Stats
}

// Stats counts what was asked of the driver.
type Stats struct {
	Launches      int // of kernels, one by one
	GraphLaunches int
	GraphNodes    int // of all launched graphs
	HtoD, DtoH    int // transfers
	Synchronizes  int
	Allocs        int            // of memory of the card
	Kernels       map[string]int // runs of each kernel, in graphs too
}

// New returns a driver. There can be a few dozen at once.
func New(o Options) (*Driver, error) {
	if o.Memory == 0 {
		o.Memory = 8 << 30
	}
	d := &Driver{total: o.Memory, current: map[int]bool{}, sizes: map[uint64]int64{}, pinned: map[uintptr][]byte{}, modules: map[uintptr]*module{},
		kernels: map[uintptr]*kernel{}, streams: map[uintptr]*stream{}, events: map[uintptr]*event{},
		graphs: map[uintptr]*graph{}, execs: map[uintptr]*exec{}, handles: 0x1000}
	d.stats.Kernels = map[string]int{}
	d.streams[0] = new(stream)
	var err error
	d.calls, err = callbacksFor(d)
	return d, err
}

// Close gives the callbacks back. Nobody may call the driver any more.
func (d *Driver) Close() { d.calls.release() }

// Lookup returns the address of a function of the driver, for driver.Bind.
func (d *Driver) Lookup(name string) (uintptr, error) {
	addr, ok := d.calls.address[name]
	if !ok {
		return 0, fmt.Errorf("cudasim: no function %s", name)
	}
	return addr, nil
}

// Fault is what a kernel did wrong, a *ptxsim.Fault, or nil.
func (d *Driver) Fault() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fault
}

// Stats returns the counts since the last Reset.
func (d *Driver) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.stats
	s.Kernels = maps.Clone(s.Kernels)
	return s
}

// Reset sets all counts to zero.
func (d *Driver) Reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stats = Stats{Kernels: map[string]int{}}
}

// handle returns a number that stands for a new object.
func (d *Driver) handle() uintptr {
	d.handles += 16
	return d.handles
}

// granule is what memory is given out in.
const granule = 512

func (d *Driver) alloc(n int64) (uint64, code) {
	size := (n + granule - 1) / granule * granule
	switch {
	case n <= 0:
		return 0, invalidValue
	case size > d.total-d.used:
		return 0, outOfMemory
	}
	p, err := d.mem.Alloc(n)
	if err != nil {
		return 0, outOfMemory
	}
	d.stats.Allocs++
	d.sizes[p], d.used = size, d.used+size
	return p, success
}

// free waits for all work, as the driver does.
func (d *Driver) free(p uint64) code {
	if p == 0 {
		return success
	}
	if c := d.finishAll(); c != success {
		return c
	}
	if err := d.mem.Free(p); err != nil {
		return invalidValue
	}
	d.used -= d.sizes[p]
	delete(d.sizes, p)
	return success
}
