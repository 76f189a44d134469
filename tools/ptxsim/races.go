package ptxsim

import "sync/atomic"

// The shadow of global memory has for every 4 bytes what the blocks of the running launch have
// done to them:
//
//	epoch 20 bits | writer 18 bits | bytes written 4 bits | reader 18 bits | bytes read 4 bits
//
// Writer and reader are blocks, counted from 1 (modulo their number of bits: with more blocks some
// races go unseen, none is made up); 0 is nobody, manyReaders several blocks.
const (
	readerShift = 4
	writerShift = 26
	epochShift  = 44
	blockMask   = 1<<18 - 1
	manyReaders = blockMask
	maxEpoch    = 1<<20 - 1
)

// nextEpoch forgets what former launches did.
func (m *Memory) nextEpoch() {
	clear(m.released)
	if m.epoch++; m.epoch <= maxEpoch {
		return
	}
	m.epoch = 1
	for _, s := range m.segs {
		for i := range s.shadow {
			s.shadow[i].Store(0)
		}
	}
}

// marks are what a block writes to the shadow, and the usual states that it may leave alone.
type marks struct {
	epoch, self uint64
	readOnly    uint64 // read by this block alone
	readMany    uint64 // read by several, this one or not
	ownRead     uint64 // written and read by this block alone
	ownWritten  uint64
	off         bool
	order       order
}

func newMarks(m *Memory, block int64) marks {
	k := marks{epoch: m.epoch << epochShift, self: uint64(block%(blockMask-1)) + 1, off: m.Unchecked}
	k.readOnly = k.epoch | k.self<<readerShift | 15
	k.readMany = k.epoch | manyReaders<<readerShift | 15
	k.ownWritten = k.epoch | k.self<<writerShift | 15<<22
	k.ownRead = k.ownWritten | k.self<<readerShift | 15
	return k
}

// wordBytes gives the bytes of the 4-byte word at start that [at, at+n) covers, as a mask.
func wordBytes(word, at, n uint64) uint64 {
	lo, hi := max(at, word), min(at+n, word+4)
	return 1<<(hi-word) - 1<<(lo-word)
}

// read notes a read of n bytes at offset of a segment. It returns the block that raced, from 0, or
// -1; stale says that the launch itself has written there.
func (k *marks) read(s *segment, offset, n uint64) (racer int64, stale bool) {
	if k.off {
		return -1, false
	}
	for word := offset &^ 3; word < offset+n; word += 4 {
		p := &s.shadow[word/4]
		v := p.Load()
		if v == k.readOnly || v == k.readMany {
			continue
		}
		if v == k.ownRead {
			stale = true
			continue
		}
		mask := wordBytes(word, offset, n)
		writer, written := k.mark(p, func(v uint64) uint64 {
			reader, seen := v>>readerShift&blockMask, v&15
			v = v &^ (blockMask<<readerShift | 15)
			switch {
			case reader == 0 || seen&mask == 0:
				return v | k.self<<readerShift | mask
			case reader == k.self:
				return v | reader<<readerShift | seen | mask
			}
			return v | manyReaders<<readerShift | seen&mask
		})
		if written&mask != 0 {
			if writer != k.self && !k.order.knows(writer) {
				return int64(writer) - 1, false
			}
			stale = true
		}
	}
	return -1, stale
}

// write notes a write; it returns the block that raced and whether that one read.
func (k *marks) write(s *segment, offset, n uint64) (racer int64, read bool) {
	if k.off {
		return -1, false
	}
	for word := offset &^ 3; word < offset+n; word += 4 {
		p := &s.shadow[word/4]
		if v := p.Load(); v == k.ownWritten || v == k.ownRead {
			continue
		}
		mask := wordBytes(word, offset, n)
		var reader, seen uint64
		writer, written := k.mark(p, func(v uint64) uint64 {
			reader, seen = v>>readerShift&blockMask, v&15
			writer, written := v>>writerShift&blockMask, v>>22&15
			if writer != k.self {
				written = 0
			}
			return v&^(blockMask<<writerShift|15<<22) | k.self<<writerShift | (written|mask)<<22
		})
		if written&mask != 0 && writer != k.self && !k.order.knows(writer) {
			return int64(writer) - 1, false
		}
		if seen&mask != 0 && reader != k.self && !k.order.knows(reader) {
			if reader == manyReaders {
				return manyReaders, true
			}
			return int64(reader) - 1, true
		}
	}
	return -1, false
}

// mark changes a word of the shadow and returns who had written which bytes before.
func (k *marks) mark(p *atomic.Uint64, change func(uint64) uint64) (writer, written uint64) {
	for {
		old := p.Load()
		v := old
		if v>>epochShift<<epochShift != k.epoch {
			v = k.epoch
		}
		if p.CompareAndSwap(old, change(v)) {
			return v >> writerShift & blockMask, v >> 22 & 15
		}
	}
}
