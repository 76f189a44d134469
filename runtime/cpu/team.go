package cpu

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// team is some workers that run one program together, step after step, and wait
// for each other in between. Worker 0 is the caller of run. Waiting workers spin
// first, since a step takes microseconds; between programs they sleep after a
// while.
type team struct {
	workers int
	scratch scratch
	running sync.Mutex

	_       [64]byte // counters on cache lines of their own
	arrived atomic.Uint32
	_       [60]byte
	round   atomic.Uint32 // barriers passed
	_       [60]byte
	program atomic.Uint32 // programs begun
	_       [60]byte

	work     func(worker int)
	sleeping sync.Mutex // guards the sleepers' decision to sleep
	wake     *sync.Cond
	closed   bool
	done     sync.WaitGroup
}

const (
	spinRound = 200                   // pauses between looks at the clock, about 10 µs
	spinSleep = time.Millisecond      // a worker without a program sleeps after that
	spinYield = 50 * time.Microsecond // a worker at a barrier lets others run after that
)

func newTeam(workers int) *team {
	t := &team{workers: workers}
	t.wake = sync.NewCond(&t.sleeping)
	for w := 1; w < workers; w++ {
		t.done.Add(1)
		go t.serve(w)
	}
	return t
}

// run calls work once for each worker, at the same time, and returns after all
// of them have.
func (t *team) run(work func(worker int)) {
	t.running.Lock()
	defer t.running.Unlock()
	t.work = work
	t.sleeping.Lock()
	t.program.Add(1)
	t.sleeping.Unlock()
	t.wake.Broadcast()
	work(0)
	t.barrier()
	t.work = nil
}

// serve is the life of a worker.
func (t *team) serve(worker int) {
	defer t.done.Done()
	runtime.LockOSThread()
	seen := uint32(0)
	for {
		if !t.await(seen) {
			return
		}
		seen++
		t.work(worker)
		t.barrier()
	}
}

// await waits for the program after seen; it returns false if the team is closed.
func (t *team) await(seen uint32) bool {
	for start := time.Now(); time.Since(start) < spinSleep; {
		for range spinRound {
			if t.program.Load() != seen {
				return true
			}
			pause()
		}
	}
	t.sleeping.Lock()
	defer t.sleeping.Unlock()
	for t.program.Load() == seen && !t.closed {
		t.wake.Wait()
	}
	return t.program.Load() != seen
}

// barrier returns after all workers have called it.
func (t *team) barrier() {
	if t.workers == 1 {
		return
	}
	round := t.round.Load()
	if t.arrived.Add(1) == uint32(t.workers) {
		t.arrived.Store(0)
		t.round.Add(1)
		return
	}
	var start time.Time
	for {
		for range spinRound {
			if t.round.Load() != round {
				return
			}
			pause()
		}
		// Another process may have taken the core of the worker that is awaited.
		if start.IsZero() {
			start = time.Now()
		} else if waited := time.Since(start); waited > spinSleep {
			time.Sleep(spinYield)
		} else if waited > spinYield {
			runtime.Gosched()
		}
	}
}

func (t *team) close() {
	t.running.Lock()
	defer t.running.Unlock()
	t.sleeping.Lock()
	t.closed = true
	t.sleeping.Unlock()
	t.wake.Broadcast()
	t.done.Wait()
}
