package ptxsim

import (
	"math"
	"math/bits"
)

const allLanes = 0xffffffff

type lanes = [32]uint64

func lowest(mask uint32) int { return bits.TrailingZeros32(mask) }

// warp is 32 threads of a block.
type warp struct {
	b      *block
	first  int     // number of its first thread in the block
	r      []lanes // by slot
	spare  lanes
	pc     [32]int
	live   uint32
	stop   uint32 // lanes that wait at a barrier of the block
	park   uint32 // lanes that wait for others of their warp
	local  []byte // of all lanes
	async  []asyncCopy
	recent *allocation
	count  int64 // instructions
}

// thread returns the coordinates of a lane's thread.
func (w *warp) thread(lane int) [3]uint32 {
	n, d := uint32(w.first+lane), w.b.dim
	return [3]uint32{n % d[0], n / d[0] % d[1], n / d[0] / d[1]}
}

// specials are what a thread is told of itself.
var specials = map[string]func(w *warp, lane int) uint64{
	"_":                  func(*warp, int) uint64 { return 0 },
	"%tid.x":             func(w *warp, l int) uint64 { return uint64(w.thread(l)[0]) },
	"%tid.y":             func(w *warp, l int) uint64 { return uint64(w.thread(l)[1]) },
	"%tid.z":             func(w *warp, l int) uint64 { return uint64(w.thread(l)[2]) },
	"%ntid.x":            func(w *warp, _ int) uint64 { return uint64(w.b.dim[0]) },
	"%ntid.y":            func(w *warp, _ int) uint64 { return uint64(w.b.dim[1]) },
	"%ntid.z":            func(w *warp, _ int) uint64 { return uint64(w.b.dim[2]) },
	"%ctaid.x":           func(w *warp, _ int) uint64 { return uint64(w.b.id[0]) },
	"%ctaid.y":           func(w *warp, _ int) uint64 { return uint64(w.b.id[1]) },
	"%ctaid.z":           func(w *warp, _ int) uint64 { return uint64(w.b.id[2]) },
	"%nctaid.x":          func(w *warp, _ int) uint64 { return uint64(w.b.l.grid[0]) },
	"%nctaid.y":          func(w *warp, _ int) uint64 { return uint64(w.b.l.grid[1]) },
	"%nctaid.z":          func(w *warp, _ int) uint64 { return uint64(w.b.l.grid[2]) },
	"%laneid":            func(_ *warp, l int) uint64 { return uint64(l) },
	"%warpid":            func(w *warp, _ int) uint64 { return uint64(w.first / 32) },
	"%nwarpid":           func(w *warp, _ int) uint64 { return uint64(len(w.b.warps)) },
	"%WARP_SZ":           func(*warp, int) uint64 { return 32 },
	"%lanemask_eq":       func(_ *warp, l int) uint64 { return 1 << l },
	"%lanemask_lt":       func(_ *warp, l int) uint64 { return 1<<l - 1 },
	"%lanemask_le":       func(_ *warp, l int) uint64 { return 1<<(l+1) - 1 },
	"%lanemask_gt":       func(_ *warp, l int) uint64 { return uint64(uint32(allLanes) &^ (1<<(l+1) - 1)) },
	"%lanemask_ge":       func(_ *warp, l int) uint64 { return uint64(uint32(allLanes) &^ (1<<l - 1)) },
	"%clock":             func(w *warp, _ int) uint64 { return uint64(uint32(w.count)) },
	"%clock64":           func(w *warp, _ int) uint64 { return uint64(w.count) },
	"%globaltimer":       func(w *warp, _ int) uint64 { return uint64(w.count) },
	"%smid":              func(*warp, int) uint64 { return 0 },
	"%dynamic_smem_size": func(w *warp, _ int) uint64 { return uint64(len(w.b.shared) - w.b.k.Shared) },
}

// begin puts the threads at the first instruction of a block.
func (w *warp) begin() {
	w.live, w.stop, w.park, w.async = 0, 0, 0, w.async[:0]
	n := w.b.threads - w.first
	for l := range w.pc {
		w.pc[l] = 0
		if l < n {
			w.live |= 1 << l
		}
	}
	for _, s := range w.b.k.specials {
		f := specials[s.name]
		for l := range 32 {
			w.r[s.slot][l] = f(w, l)
		}
	}
	for i := range w.local {
		w.local[i] = 0xff
	}
}

// run goes on until every lane has left or waits at a barrier of the block.
func (w *warp) run() {
	code := w.b.k.code
	for {
		ready := w.live &^ w.stop &^ w.park
		if ready == 0 {
			if w.park != 0 {
				l := lowest(w.park)
				w.fault(&code[w.pc[l]], l, "lanes %08x wait for members that never come", w.park)
			}
			return
		}
		pc, mask := math.MaxInt, uint32(0)
		for m := ready; m != 0; m &= m - 1 {
			l := lowest(m)
			switch {
			case w.pc[l] < pc:
				pc, mask = w.pc[l], 1<<l
			case w.pc[l] == pc:
				mask |= 1 << l
			}
		}
		w.straight(code, pc, mask, mask == ready)
	}
}

// straight runs the lanes of mask from pc on. Where they are all that can run they
// stay together until something parts them, else after one instruction the others
// may be due.
func (w *warp) straight(code []instr, pc int, mask uint32, together bool) {
	for {
		in := &code[pc]
		on := mask
		if in.pred >= 0 {
			on = 0
			p := &w.r[in.pred]
			for m := mask; m != 0; m &= m - 1 {
				if l := lowest(m); (p[l] != 0) != in.negate {
					on |= 1 << l
				}
			}
		}
		if w.count++; w.count&0xfffff == 0 {
			w.b.l.check(w, in, mask)
		}
		switch in.kind {
		case plain:
			if on != 0 {
				in.exec(w, in, on)
			}
			pc++
		case converging:
			if on == 0 {
				pc++
				break
			}
			if on != w.live && !w.meet(in, pc, mask, on) {
				return
			}
			in.exec(w, in, on)
			pc++
		case branch:
			if in.exec != nil { // indexed: each lane finds its own
				in.exec(w, in, on)
				for m := mask &^ on; m != 0; m &= m - 1 {
					w.pc[lowest(m)] = pc + 1
				}
				return
			}
			switch on {
			case mask:
				pc = in.target
			case 0:
				pc++
			default:
				for m := mask; m != 0; m &= m - 1 {
					l := lowest(m)
					w.pc[l] = pc + 1
					if on>>l&1 != 0 {
						w.pc[l] = in.target
					}
				}
				return
			}
		case leave:
			w.finishAsync(on, 0)
			w.live &^= on
			w.put(mask, pc+1)
			if mask &= w.live; mask == 0 || !together {
				return
			}
			pc++
		case barrier:
			if w.stop != 0 && on != 0 && w.pc[lowest(w.stop)] != pc+1 {
				w.fault(in, lowest(on), "lanes %08x wait at another barrier", w.stop)
			}
			w.stop |= on
			w.put(mask, pc+1)
			return
		}
		if !together {
			w.put(mask, pc)
			return
		}
	}
}

func (w *warp) put(mask uint32, pc int) {
	for m := mask; m != 0; m &= m - 1 {
		w.pc[lowest(m)] = pc
	}
}

// meet parks lanes at an instruction that exchanges values until all live members
// are there, and then reports true for those who came last, with the others back.
// Members are named by the instruction's mask, where it has one.
func (w *warp) meet(in *instr, pc int, mask, on uint32) bool {
	w.put(mask, pc)
	want := w.live
	if in.target > 0 { // the slot of the mask, plus one
		want &= uint32(w.r[in.target-1][lowest(on)])
	}
	here := on
	for m := w.park; m != 0; m &= m - 1 {
		if l := lowest(m); w.pc[l] == pc {
			here |= 1 << l
		}
	}
	if here&want != want {
		w.park |= on
		w.put(mask&^on, pc+1)
		return false
	}
	w.park &^= here
	w.put(mask&^on, pc+1)
	in.exec(w, in, here)
	w.put(here, pc+1)
	return false
}
