package ptxsim

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
)

// Launch runs the kernel for every block of the grid; grid and block are x, y, z, shared is the
// dynamic shared memory in bytes, params the packed parameter block. An error is a *Fault. Of
// several faults it is that of the first block, whatever order the blocks ran in.
func (m *Memory) Launch(k *Kernel, grid, block [3]uint32, shared int, params []byte) error {
	m.launching.Lock()
	defer m.launching.Unlock()
	l, err := m.prepare(k, grid, block, shared, params)
	if err != nil {
		return &Fault{Kernel: k.Name, Reason: err.Error()}
	}
	if f := l.run(); f != nil {
		return f
	}
	return nil
}

// A launch is what all its blocks share.
type launch struct {
	k       *Kernel
	mem     *Memory
	grid    [3]uint32
	dim     [3]uint32
	threads int
	blocks  int64
	dynamic int // offset of dynamic shared memory
	shared  int // bytes of shared memory, dynamic included
	params  []byte
	slots   []lanes // what registers start with

	next  atomic.Int64 // block
	mu    sync.Mutex
	fault *Fault
	first int64 // block of fault
}

func (m *Memory) prepare(k *Kernel, grid, block [3]uint32, shared int, params []byte) (*launch, error) {
	l := &launch{k: k, mem: m, grid: grid, dim: block, params: params, blocks: 1, threads: 1, first: math.MaxInt64}
	for i := range 3 {
		if grid[i] == 0 || grid[i] > 1<<31-1 || i > 0 && grid[i] > 65535 {
			return nil, fmt.Errorf("a grid of %v blocks", grid)
		}
		if block[i] == 0 || block[i] > 1024 {
			return nil, fmt.Errorf("a block of %v threads", block)
		}
		l.blocks *= int64(grid[i])
		l.threads *= int(block[i])
	}
	if l.threads > 1024 {
		return nil, fmt.Errorf("a block of %v threads", block)
	}
	if k.MaxThreads > 0 && l.threads > k.MaxThreads {
		return nil, fmt.Errorf("%d threads a block where the kernel has at most %d", l.threads, k.MaxThreads)
	}
	if len(params) != k.paramBytes() {
		return nil, fmt.Errorf("%d bytes of parameters instead of %d", len(params), k.paramBytes())
	}
	l.dynamic = alignUp(k.Shared, k.dynAlign)
	if shared < 0 || shared > maxShared || l.dynamic+shared > maxShared {
		return nil, fmt.Errorf("%d bytes of shared memory beside %d declared ones", shared, k.Shared)
	}
	l.shared = k.Shared
	if shared > 0 {
		l.shared = l.dynamic + shared
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	m.nextEpoch()
	m.slots = room(m.slots, len(k.template))
	l.slots = m.slots
	for i, t := range k.template {
		v := t.value
		if t.sym != nil {
			v += l.address(t.sym)
		}
		for j := range l.slots[i] {
			l.slots[i][j] = v
		}
	}
	return l, nil
}

// address of a variable in its own space.
func (l *launch) address(v *variable) uint64 {
	switch {
	case v.extern:
		return spaceBase + uint64(l.dynamic)
	case v.space == "shared", v.space == "local":
		return spaceBase + uint64(v.offset)
	case v.space == "param":
		return uint64(v.offset)
	}
	return l.mem.static(v)
}

func (l *launch) run() *Fault {
	workers := min(int64(runtime.GOMAXPROCS(0)), l.blocks)
	if workers == 1 {
		l.work()
		return l.fault
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(l.work)
	}
	wg.Wait()
	return l.fault
}

// work runs blocks in their order, none after one that has failed.
func (l *launch) work() {
	b := idle.Get().(*block)
	defer idle.Put(b)
	b.prepare(l)
	for {
		n := l.next.Add(1) - 1
		if n >= l.blocks {
			return
		}
		if f := b.run(n); f != nil {
			l.mu.Lock()
			if n < l.first {
				l.fault, l.first = f, n
			}
			l.mu.Unlock()
			l.next.Store(l.blocks)
			return
		}
	}
}
