package ptxsim

import (
	"math"
	"math/bits"
)

const (
	slice    = 1 << 16 // instructions of a warp before the next one's turn
	maxSteps = 1 << 27 // instructions of a warp before it counts as endless
)

// A warp is 32 lanes and their registers.
type warp struct {
	b      *block
	k      *Kernel
	number int // in the block
	r      []lanes
	p      []uint32 // predicates, a bit a lane
	tmp    lanes

	pc     [32]int
	all    uint32 // lanes that are threads
	live   uint32 // lanes that have not exited
	wait   uint32 // lanes that wait at a barrier of the block
	fenced bool   // it has accessed no global memory since its last fence

	park  uint32 // lanes that wait for the others of their warp
	at    int    // the instruction that runs
	steps int

	local  []byte // of each lane in turn
	copies [32]copies
	seg    *segment // the last one used
	clock  clock
	met    uint32 // the step of the last bar.warp.sync
}

// prepare fits the warp to its block's launch.
func (w *warp) prepare() {
	k := w.b.l.k
	w.k = k
	w.r, w.p, w.local = room(w.r, len(k.template)), room(w.p, k.preds), room(w.local, 32*k.local)
	w.all = uint32(1<<min(32, w.b.l.threads-32*w.number) - 1)
	copy(w.r, w.b.l.slots)
}

// reset begins a block. Registers keep what the last block has left in them: no compiler
// reads one that it has not set.
func (w *warp) reset() {
	w.fenced = false
	clear(w.p)
	for i := range w.local {
		w.local[i] = 0xff
	}
	for _, s := range w.k.specials {
		for l := range 32 {
			w.r[s.slot][l] = s.read(w, l)
		}
	}
	for l := range w.copies {
		w.copies[l].reset()
	}
	w.pc = [32]int{}
	w.live, w.wait, w.park, w.steps, w.met = w.all, 0, 0, 0, 0
	w.clock = clock{}
	w.clock[w.number] = 1
	w.seg = &none
}

// none is the segment before the first access.
var none = segment{base: math.MaxUint64}

func popcount(m uint32) int { return bits.OnesCount32(m) }

func first(m uint32) int { return bits.TrailingZeros32(m) }

// thread gives the index of a lane's thread in the block.
func (w *warp) thread(lane int) [3]uint32 {
	t, d := uint32(32*w.number+lane), w.b.l.dim
	return [3]uint32{t % d[0], t / d[0] % d[1], t / d[0] / d[1]}
}

// ready says whether lanes could go on by themselves.
func (w *warp) ready() bool { return w.live&^w.wait&^w.park != 0 }

// run goes on until all lanes wait or have exited, or the turn is over.
func (w *warp) run() {
	if w.steps > maxSteps && w.live != 0 {
		lane := first(w.live)
		w.at = w.pc[lane]
		w.fault(lane, "the warp has run %d instructions: an endless loop", w.steps)
	}
	for end := w.steps + slice; w.steps < end; {
		if !w.ready() {
			// Members may have exited since the others parked.
			if w.park == 0 || !w.gather() {
				return
			}
			continue
		}
		w.stretch(end)
	}
}

// stretch runs the lanes with the lowest address until others stand there too, or they part.
func (w *warp) stretch(end int) {
	pc, stop := math.MaxInt, math.MaxInt
	var m uint32
	for x := w.live &^ w.wait &^ w.park; x != 0; x &= x - 1 {
		l := first(x)
		switch at := w.pc[l]; {
		case at == pc:
			m |= 1 << l
		case at < pc:
			pc, stop, m = at, pc, 1<<l
		case at < stop:
			stop = at
		}
	}
	code := w.k.code
	for pc < stop && w.steps < end {
		in := &code[pc]
		em := m
		if in.pred >= 0 {
			em &= w.p[in.pred] ^ in.flip
		}
		w.steps++
		w.at = pc
		switch in.control {
		case plain:
			if em != 0 {
				in.exec(w, em)
			}
			pc++
			continue
		case branch:
			switch em {
			case m:
				pc = in.target
				continue
			case 0:
				pc++
				continue
			}
			w.jump(m&^em, pc+1)
			w.jump(em, in.target)
		case indexed:
			w.jump(m&^em, pc+1)
			for x := em; x != 0; x &= x - 1 {
				l := first(x)
				i := uint32(w.r[in.index][l])
				if int64(i) >= int64(len(in.targets)) {
					w.fault(l, "index %d in a table of %d labels", i, len(in.targets))
				}
				w.pc[l] = in.targets[i]
			}
		case exit:
			w.live &^= em
			if em == 0 {
				pc++
				continue
			}
			w.jump(m, pc+1)
		case together, barrier:
			if em == 0 {
				pc++
				continue
			}
			if in.control == together && em == w.live && w.agree(in, em) {
				in.exec(w, em)
				pc++
				continue
			}
			w.jump(m&^em, pc+1)
			w.jump(em, pc)
			w.park |= em
			w.meet(pc)
		}
		return
	}
	w.jump(m, pc)
}

func (w *warp) jump(m uint32, pc int) {
	for ; m != 0; m &= m - 1 {
		w.pc[first(m)] = pc
	}
}

// agree says whether all lanes of m, those that live, name just each other as members.
func (w *warp) agree(in *instr, m uint32) bool {
	for x := m; x != 0; x &= x - 1 {
		l := first(x)
		if in.members(w, l)&w.live != m || in.members(w, l)>>l&1 == 0 {
			return false
		}
	}
	return true
}

// meet runs the instruction at pc for those parked there whose members are all there.
func (w *warp) meet(pc int) bool {
	in := &w.k.code[pc]
	var here uint32
	for x := w.park; x != 0; x &= x - 1 {
		if l := first(x); w.pc[l] == pc {
			here |= 1 << l
		}
	}
	ran := false
	for here != 0 {
		l := first(here)
		members := in.members(w, l)
		var group uint32
		for x := here; x != 0; x &= x - 1 {
			if j := first(x); in.members(w, j) == members {
				group |= 1 << j
			}
		}
		here &^= group
		w.at = pc
		if outside := group &^ members; outside != 0 {
			w.fault(first(outside), "the lane is not in its own member mask %08x", members)
		}
		if group != members&w.live {
			continue
		}
		w.park &^= group
		w.jump(group, pc+1)
		in.exec(w, group)
		ran = true
	}
	return ran
}

// gather is meet at every place where lanes are parked.
func (w *warp) gather() bool {
	for x := w.park; x != 0; x &= x - 1 {
		if w.meet(w.pc[first(x)]) {
			return true
		}
	}
	return false
}

// stuckTogether reports lanes that wait for others of their warp which do not come.
func (w *warp) stuckTogether() {
	lane := first(w.park)
	w.at = w.pc[lane]
	var here uint32
	for x := w.park; x != 0; x &= x - 1 {
		if l := first(x); w.pc[l] == w.pc[lane] {
			here |= 1 << l
		}
	}
	in := &w.k.code[w.at]
	missing := in.members(w, lane) & w.live &^ here
	if in.control == barrier {
		w.fault(lane, "lanes %08x of the warp come to the barrier, lanes %08x do not", here, missing)
	}
	w.fault(lane, "lanes %08x wait for lanes %08x of their member mask, which do not come", here, missing)
}
