package ptxsim

import "slices"

// What orders blocks of a launch: one that changes a place atomically behind a fence has
// done all it did before for those that change the place after it and fence in turn. That
// is looked at by block and not by thread, and of many blocks that have read a place one
// that is known will do: some races go unseen, none is made up.
type order struct {
	seen  []uint64 // blocks of which an atomic has told
	known []uint64 // those of them that lie before a fence
}

// fence is one for all blocks, by any warp.
func (o *order) fence() {
	for _, block := range o.seen {
		o.known = including(o.known, block)
	}
	o.seen = o.seen[:0]
}

func including(blocks []uint64, block uint64) []uint64 {
	if slices.Contains(blocks, block) {
		return blocks
	}
	return append(blocks, block)
}

// knows tells whether what a block has done lies before what this one does now.
func (o *order) knows(block uint64) bool {
	return block == manyReaders && len(o.known) > 0 || slices.Contains(o.known, block)
}

// ordered notes an atomic access; the lock of atomics is held. fenced says that the warp
// has accessed nothing since its last fence.
func (m *Memory) ordered(addr uint64, k *marks, fenced bool) {
	if m.Unchecked {
		return
	}
	for _, block := range m.released[addr] {
		k.order.seen = including(k.order.seen, block)
	}
	if fenced {
		if m.released == nil {
			m.released = map[uint64][]uint64{}
		}
		m.released[addr] = including(m.released[addr], k.self)
	}
}

// fence decodes what orders accesses to global memory. Fences of a block or cluster, and
// between proxies, say nothing to other blocks.
func fence(d *decoder) {
	wide := true
	for {
		switch d.take("sc", "acq_rel", "proxy", "async", "alias", "gl", "gpu", "sys", "cta", "cluster") {
		case "cta", "cluster", "proxy":
			wide = false
		case "":
			d.in.exec = func(w *warp, _ uint32) {
				if wide {
					w.fenced = true
					w.b.marks.order.fence()
				}
			}
			return
		}
	}
}
