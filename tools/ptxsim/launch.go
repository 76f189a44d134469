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
	all     []*warp // that there ever were
	shared  []byte
	access  []sharedAccess // of each word of shared memory
	epoch   uint32         // counts barriers, over all blocks that this one has been
	begun   uint32         // the epoch of the present block's beginning
}

// idle keeps blocks with their memory from launch to launch.
var idle = sync.Pool{New: func() any { return new(block) }}

// prepare makes room for a launch's blocks. What is in registers and shared memory from
// before is not cleared.
func (b *block) prepare(l *launch, threads, dynamic int) {
	b.l, b.k, b.dim, b.threads = l, l.k, l.dim, threads
	b.shared = room(b.shared, (l.k.Shared+dynamic+3)/4*4)[:l.k.Shared+dynamic]
	b.access = room(b.access, (len(b.shared)+3)/4)
	n := (threads + 31) / 32
	for len(b.all) < n {
		b.all = append(b.all, &warp{b: b, first: 32 * len(b.all)})
	}
	b.warps = b.all[:n]
	for _, w := range b.warps {
		w.r, w.local, w.recent, w.count = room(w.r, l.k.slots), room(w.local, 32*l.k.local), nil, 0
		for _, c := range l.k.consts {
			for i := range 32 {
				w.r[c.slot][i] = c.value
			}
		}
	}
}

// room returns s with n elements; what was there may stay.
func room[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
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
	b := idle.Get().(*block)
	defer idle.Put(b)
	b.prepare(l, threads, dynamic)
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
	b.epoch++
	b.begun = b.epoch
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
