package ptxsim

import "sync/atomic"

// sharedAccess is what happened to a word of shared memory since the last barrier.
type sharedAccess struct {
	begun               uint32 // the block that this is of, by the epoch of its beginning
	wrote, read         uint32 // the epoch, 0 for never
	writer, reader      uint16 // threads' warps
	others              bool   // more than one warp has read
	atomic              bool   // written by atomic operations
	writeMask, readMask uint8  // which bytes
	writeLine, readLine int32
	writeLane, readLane uint8
}

// touchShared notes an access to n bytes of shared memory, and faults where another
// warp's access, one of both a write, has no barrier in between.
func (w *warp) touchShared(in *instr, lane int, at, n uint64, write, atomicAccess bool) {
	b, me := w.b, uint16(w.first/32)
	for word := at / 4; word <= (at+n-1)/4; word++ {
		a := &b.access[word]
		if a.begun != b.begun { // nobody has been here: it reads as NaN
			a.begun = b.begun
			for i := 4 * word; i < min(4*word+4, uint64(len(b.shared))); i++ {
				b.shared[i] = 0xff
			}
		}
		mask := uint8(0xf)
		if n < 4 {
			mask = uint8((1<<n - 1) << (at % 4))
		}
		if a.wrote == b.epoch && a.writer != me && a.writeMask&mask != 0 && !(atomicAccess && a.atomic) {
			other := b.warps[a.writer]
			w.fault(in, lane, "race: shared memory at %d was written in line %d by thread %v, with no barrier in between",
				word*4, a.writeLine, other.thread(int(a.writeLane)))
		}
		if !write {
			if a.read != b.epoch {
				a.read, a.reader, a.others, a.readMask, a.readLine, a.readLane = b.epoch, me, false, mask, int32(in.line), uint8(lane)
			} else {
				a.others = a.others || a.reader != me
				a.readMask |= mask
			}
			continue
		}
		if a.read == b.epoch && (a.reader != me || a.others) && a.readMask&mask != 0 {
			other := b.warps[a.reader]
			w.fault(in, lane, "race: shared memory at %d was read in line %d by thread %v, with no barrier in between",
				word*4, a.readLine, other.thread(int(a.readLane)))
		}
		if a.wrote != b.epoch {
			a.writeMask = 0
		}
		a.wrote, a.writer, a.atomic, a.writeLine, a.writeLane = b.epoch, me, atomicAccess, int32(in.line), uint8(lane)
		a.writeMask |= mask
	}
}

// access is who last wrote and read a word of the card's memory: the number of the
// launch in the upper half, the block's number plus one in the lower one.
type access struct{ wrote, read atomic.Uint64 }

const manyBlocks = 0xffffffff // in the place of a block

// touchGlobal notes an access to n bytes of an allocation, and faults where another
// block of the same launch got there, one of both writing. Words are kept apart, not
// bytes: accesses to less than a word are not held against each other.
func (w *warp) touchGlobal(in *instr, lane int, a *allocation, off, n uint64, write bool) {
	words := a.access.Load()
	if words == nil || n < 4 { // blocks may share a word and not its bytes
		return
	}
	launch := uint64(w.b.l.number) << 32
	me := launch | uint64(w.b.number+1)
	for word := off / 4; word <= (off+n-1)/4; word++ {
		x := &(*words)[word]
		if wrote := x.wrote.Load(); wrote>>32 == launch>>32 && wrote != me {
			w.fault(in, lane, "race: %#x was written by block %v of the same launch", a.base+word*4, w.b.l.coordinates(uint32(wrote)-1))
		}
		if !write {
			if read := x.read.Load(); read != me {
				if read>>32 == launch>>32 {
					x.read.Store(launch | manyBlocks)
				} else {
					x.read.Store(me)
				}
			}
			continue
		}
		if read := x.read.Load(); read>>32 == launch>>32 && read != me {
			if uint32(read) == manyBlocks {
				w.fault(in, lane, "race: %#x was read by other blocks of the same launch", a.base+word*4)
			}
			w.fault(in, lane, "race: %#x was read by block %v of the same launch", a.base+word*4, w.b.l.coordinates(uint32(read)-1))
		}
		x.wrote.Store(me)
	}
}

func (l *launch) coordinates(block uint32) [3]uint32 {
	x, y := l.grid[0], l.grid[1]
	return [3]uint32{block % x, block / x % y, block / x / y}
}
