package ptxsim

import "sync"

// A block runs its warps in turn, each as far as it gets.
type block struct {
	l       *launch
	number  int64 // in the grid
	index   [3]uint32
	warps   []*warp
	all     []*warp // those of smaller launches and more
	shared  shared
	marks   marks // of accesses to global memory
	barrier [16]barrierState
}

// A barrierState is one of the barriers of a block: who waits, and how many have come.
type barrierState struct {
	waiting [32]uint32 // lanes of each warp
	arrived int        // threads, those of bar.arrive included
	want    int        // threads; 0: all that have not exited
	clock   clock      // what those that arrived have done
}

// idle keeps blocks between launches, for the memory they hold.
var idle = sync.Pool{New: func() any { return new(block) }}

// prepare fits the block to a launch.
func (b *block) prepare(l *launch) {
	b.l = l
	n := (l.threads + 31) / 32
	for i := len(b.all); i < n; i++ {
		b.all = append(b.all, &warp{b: b, number: i})
	}
	b.warps = b.all[:n]
	for _, w := range b.warps {
		w.prepare()
	}
	b.shared.prepare(l.shared, !l.mem.Unchecked)
}

// room returns s with n elements; what was there may stay.
func room[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

func (b *block) run(number int64) (f *Fault) {
	defer func() {
		if r := recover(); r != nil {
			var ok bool
			if f, ok = r.(*Fault); !ok {
				panic(r)
			}
		}
	}()
	b.number, b.index = number, b.indexOf(number)
	b.marks = newMarks(b.l.mem, number)
	b.barrier = [16]barrierState{}
	b.shared.reset()
	for _, w := range b.warps {
		w.reset()
	}
	for {
		live, ready := false, false
		for _, w := range b.warps {
			w.run()
			live = live || w.live != 0
			ready = ready || w.ready()
		}
		if !live {
			return nil
		}
		if !b.release() && !ready {
			b.stuck()
		}
	}
}

// indexOf gives the place in the grid of a block's number.
func (b *block) indexOf(number int64) [3]uint32 {
	x, y := int64(b.l.grid[0]), int64(b.l.grid[1])
	return [3]uint32{uint32(number % x), uint32(number / x % y), uint32(number / x / y)}
}

// arrive notes that lanes have come to barrier id. They go on when want threads are there, unless
// they only arrive.
func (b *block) arrive(w *warp, lanes uint32, id, want int, stays bool) {
	s := &b.barrier[id]
	n := popcount(lanes)
	if s.arrived > 0 && s.want != want {
		w.fault(first(lanes), "barrier %d waits for %d threads here and for %d elsewhere", id, want, s.want)
	}
	s.want = want
	s.arrived += n
	s.clock.join(&w.clock)
	w.clock[w.number]++
	if stays {
		s.waiting[w.number] |= lanes
		w.wait |= lanes
	}
	if want > 0 && s.arrived > want {
		w.fault(first(lanes), "%d threads come to barrier %d of %d", s.arrived, id, want)
	}
}

// release lets go those whose barrier is complete; exited threads count as arrived.
func (b *block) release() bool {
	any := false
	for i := range b.barrier {
		s := &b.barrier[i]
		if s.arrived == 0 {
			continue
		}
		want := s.want
		if want == 0 {
			for _, w := range b.warps {
				want += popcount(w.live)
			}
		}
		if s.arrived < want {
			continue
		}
		for n, w := range b.warps {
			if s.waiting[n] != 0 {
				w.wait &^= s.waiting[n]
				w.clock.join(&s.clock)
				any = true
			}
		}
		*s = barrierState{}
	}
	return any
}

// stuck reports a block in which nobody can go on.
func (b *block) stuck() {
	for _, w := range b.warps {
		if l := w.park &^ w.wait; l != 0 {
			w.stuckTogether()
		}
	}
	for _, w := range b.warps {
		if w.wait != 0 {
			lane := first(w.wait)
			w.at = w.pc[lane] - 1
			w.fault(lane, "waits at a barrier for threads that wait elsewhere")
		}
	}
}
