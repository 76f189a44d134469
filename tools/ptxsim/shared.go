package ptxsim

// A clock says how far each warp of a block has come in what others may know of it: barriers
// raise a warp's own count and hand the counts of all that take part to each of them.
type clock [32]uint32

func (c *clock) join(o *clock) {
	for i := range c {
		c[i] = max(c[i], o[i])
	}
}

// shared is the shared memory of a block and, for every 4 bytes, who wrote and read them last.
type shared struct {
	data  []byte
	words []sharedWord // looked at by word
	races bool
	block uint32 // counts the blocks that have used the memory
}

type sharedWord struct {
	block   uint32 // that the rest is of
	valid   uint8  // bytes that were written since the block began
	writer  sharedAccess
	readers [2]sharedAccess // of different warps
}

// A sharedAccess is the last access of a kind to a word.
type sharedAccess struct {
	clock  uint32 // of the warp at that time; 0: none
	step   uint32 // of the warp
	at     int32  // instruction
	lanes  uint32 // since the warp has met
	bytes  uint8
	warp   uint8
	atomic bool
}

func (s *shared) prepare(n int, races bool) {
	s.data, s.words, s.races = room(s.data, n), room(s.words, (n+3)/4), races
}

// reset begins a block: nothing was written or read. Words are cleared as they are used,
// which few are in a block that has nothing to do.
func (s *shared) reset() { s.block++ }

// word returns what is known of a word.
func (s *shared) word(i uint64) *sharedWord {
	p := &s.words[i]
	if p.block != s.block {
		*p = sharedWord{block: s.block}
	}
	return p
}

func (w *warp) access(lane int, bytes uint8, atomic bool) sharedAccess {
	return sharedAccess{w.clock[w.number], uint32(w.steps), int32(w.at), 1 << lane, bytes, uint8(w.number), atomic}
}

// after says whether a lane has heard of the access, or no byte of it matters.
func (w *warp) after(a *sharedAccess, lane int, bytes uint8, atomic bool) bool {
	switch own := w.clock[w.number]; {
	case a.clock == 0 || a.bytes&bytes == 0 || a.atomic && atomic:
		return true
	case a.warp == uint8(w.number):
		return a.clock < own || a.step <= w.met || a.lanes == 1<<lane
	}
	return w.clock[a.warp] >= a.clock
}

func (w *warp) race(lane int, what, other string, a *sharedAccess) {
	in := &w.k.code[a.at]
	w.fault(lane, "race in shared memory: %s what thread %v %s at line %d (%s), with no barrier in between",
		what, w.b.warps[a.warp].thread(first(a.lanes)), other, in.line, in.text)
}

// readShared checks a lane's read of n bytes at offset, and notes it.
func (w *warp) readShared(lane int, offset, n uint64, atomic bool) {
	s := &w.b.shared
	for word := offset &^ 3; word < offset+n; word += 4 {
		p := s.word(word / 4)
		bytes := uint8(wordBytes(word, offset, n))
		if p.valid&bytes != bytes {
			w.fault(lane, "reads shared memory that nobody wrote, at offset %d", word)
		}
		if !s.races {
			continue
		}
		if a := &p.writer; !w.after(a, lane, bytes, atomic) {
			w.race(lane, "reads", "writes", a)
		}
		r := &p.readers[0]
		if r.warp == uint8(w.number) && r.clock == w.clock[w.number] && r.atomic == atomic {
			if r.step <= w.met {
				r.lanes = 0
			}
			r.step, r.lanes, r.bytes = uint32(w.steps), r.lanes|1<<lane, r.bytes|bytes
			continue
		}
		if r.clock != 0 && r.warp != uint8(w.number) {
			p.readers[1] = *r
		}
		*r = w.access(lane, bytes, atomic)
	}
}

// writeShared checks a lane's write of data at offset, and does it.
func (w *warp) writeShared(lane int, offset uint64, data []byte, atomic bool) {
	s := &w.b.shared
	n := uint64(len(data))
	for word := offset &^ 3; word < offset+n; word += 4 {
		p := s.word(word / 4)
		bytes := uint8(wordBytes(word, offset, n))
		if s.races {
			if a := &p.writer; !w.after(a, lane, bytes, atomic) {
				if a.warp != uint8(w.number) || a.step != uint32(w.steps) {
					w.race(lane, "writes", "writes", a)
				}
				w.sameStore(lane, offset, data, a)
			}
			for i := range p.readers {
				if r := &p.readers[i]; !w.after(r, lane, bytes, atomic) {
					w.race(lane, "writes", "reads", r)
				}
			}
			p.writer = w.access(lane, bytes, atomic)
		}
		p.valid |= bytes
	}
	copy(s.data[offset:], data)
}

// sameStore checks that two lanes of one store agree on what they write to a word.
func (w *warp) sameStore(lane int, offset uint64, data []byte, a *sharedAccess) {
	for i, b := range data {
		at := offset + uint64(i)
		p := &w.b.shared.word(at / 4).writer
		if p.step == a.step && p.warp == a.warp && p.bytes>>(at%4)&1 != 0 && p.lanes != 1<<lane && w.b.shared.data[at] != b {
			w.fault(lane, "thread %v writes another value to the same place by the same instruction", w.thread(first(a.lanes)))
		}
	}
}

// poison takes away what a lane's running copy will overwrite.
func (w *warp) poison(lane int, offset, n uint64) {
	var ff [16]byte
	for i := range ff {
		ff[i] = 0xff
	}
	w.writeShared(lane, offset, ff[:n], false)
	for i := offset; i < offset+n; i++ {
		w.b.shared.word(i / 4).valid &^= 1 << (i % 4)
	}
}
