package ptxsim

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// launch is one run of a kernel.
type launch struct {
	k       *Kernel
	m       *Module
	mem     *Memory
	grid    [3]uint32
	dim     [3]uint32
	params  []byte
	number  uint32
	next    atomic.Int64 // block
	stopped atomic.Bool
}

// mostInstructions ends a warp that would run for ever.
const mostInstructions = 1 << 32

// check ends a warp whose launch has failed elsewhere, or that never ends.
func (l *launch) check(w *warp, in *instr, mask uint32) {
	if l.stopped.Load() {
		panic(errStopped)
	}
	if w.count > mostInstructions {
		w.fault(in, lowest(mask), "%d instructions, and no end", w.count)
	}
}

var errStopped = fmt.Errorf("the launch has failed elsewhere")

// block is a block of threads.
type block struct {
	l       *launch
	k       *Kernel
	id, dim [3]uint32
	number  uint32
	threads int
	warps   []*warp
	shared  []byte
	access  []sharedAccess // of each word of shared memory
	epoch   uint32         // counts barriers, over all blocks that use this memory
}

// Launch runs a kernel of the module to its end: the blocks of a grid, threads of a
// block, bytes of dynamic shared memory and the parameters as the driver packs them.
// What a kernel does wrong is a *Fault.
func (m *Memory) Launch(k *Kernel, grid, dim [3]uint32, dynamic int, params []byte) error {
	blocks, threads := int64(1), int64(1)
	for i := range 3 {
		blocks, threads = blocks*int64(grid[i]), threads*int64(dim[i])
		if grid[i] == 0 || dim[i] == 0 || blocks > 1<<40 || threads > 1024 {
			return fmt.Errorf("ptxsim: %s: a grid of %v blocks of %v threads", k.Name, grid, dim)
		}
	}
	switch {
	case k.MaxThreads > 0 && threads > int64(k.MaxThreads):
		return fmt.Errorf("ptxsim: %s: %d threads, and it was made for %d", k.Name, threads, k.MaxThreads)
	case len(params) < k.paramLen:
		return fmt.Errorf("ptxsim: %s: %d bytes of parameters, want %d", k.Name, len(params), k.paramLen)
	case dynamic < 0 || k.Shared+dynamic > 1<<20:
		return fmt.Errorf("ptxsim: %s: %d bytes of shared memory", k.Name, k.Shared+dynamic)
	}
	m.launch.Lock()
	defer m.launch.Unlock()
	m.counter++
	l := &launch{k: k, m: k.module, mem: m, grid: grid, dim: dim, params: params, number: m.counter}
	workers := int(min(int64(runtime.GOMAXPROCS(0)), blocks))
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() { errs[i] = l.work(blocks, int(threads), dynamic) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil && err != errStopped {
			return err
		}
	}
	return nil
}

// work runs blocks until there are no more.
func (l *launch) work(blocks int64, threads, dynamic int) (err error) {
	b := &block{l: l, k: l.k, dim: l.dim, threads: threads, shared: make([]byte, l.k.Shared+dynamic)}
	b.access = make([]sharedAccess, (len(b.shared)+3)/4)
	for first := 0; first < threads; first += 32 {
		w := &warp{b: b, first: first, r: make([]lanes, l.k.slots), local: make([]byte, 32*l.k.local)}
		for _, c := range l.k.consts {
			for i := range 32 {
				w.r[c.slot][i] = c.value
			}
		}
		b.warps = append(b.warps, w)
	}
	defer func() {
		if r := recover(); r != nil {
			l.stopped.Store(true)
			var ok bool
			if err, ok = r.(error); !ok {
				panic(r)
			}
			if _, runtimeError := r.(runtime.Error); runtimeError {
				panic(r)
			}
		}
	}()
	for {
		n := l.next.Add(1) - 1
		if n >= blocks || l.stopped.Load() {
			return nil
		}
		x, y := int64(l.grid[0]), int64(l.grid[1])
		b.id = [3]uint32{uint32(n % x), uint32(n / x % y), uint32(n / x / y)}
		b.number = uint32(n)
		b.run()
	}
}

// run runs all threads of one block.
func (b *block) run() {
	for i := range b.shared {
		b.shared[i] = 0xff
	}
	b.epoch++
	for _, w := range b.warps {
		w.begin()
	}
	for {
		live := false
		for _, w := range b.warps {
			w.run()
			live = live || w.live != 0
		}
		if !live {
			return
		}
		// Everyone has left or waits: the barrier opens.
		b.epoch++
		for _, w := range b.warps {
			w.stop = 0
		}
	}
}
