package ptxsim

import "slices"

// What orders blocks of a launch: one that changes a place atomically behind a fence has
// done all it did before for those that change the place after it and fence in turn. That
// is looked at by block, not by thread: some races go unseen, none is made up.
type order struct {
	fenced bool
	seen   []uint64 // blocks of which an atomic has told
	known  []uint64 // those of them that lie before a fence
}

// fence is any fence or membar of the card.
func (o *order) fence() {
	o.fenced = true
	for _, block := range o.seen {
		if !slices.Contains(o.known, block) {
			o.known = append(o.known, block)
		}
	}
	o.seen = o.seen[:0]
}

// knows tells whether what a block has done lies before what this one does now; of
// several readers one is enough.
func (o *order) knows(block uint64) bool {
	return block == manyReaders && len(o.known) > 0 || slices.Contains(o.known, block)
}

// ordered notes an atomic access; the lock of atomics is held.
func (m *Memory) ordered(addr uint64, k *marks) {
	if m.Unchecked {
		return
	}
	k.order.seen = append(k.order.seen, m.released[addr]...)
	if k.order.fenced {
		if m.released == nil {
			m.released = map[uint64][]uint64{}
		}
		m.released[addr] = append(m.released[addr], k.self)
	}
}

// fence decodes what orders accesses to global memory.
func fence(d *decoder) {
	for {
		switch d.take("sc", "acq_rel", "proxy", "async", "alias", "gl", "gpu", "sys", "cta", "cluster") {
		case "cta":
			d.in.exec = func(*warp, uint32) {}
		case "":
			if d.in.exec == nil {
				d.in.exec = func(w *warp, _ uint32) { w.b.marks.order.fence() }
			}
			return
		}
	}
}
