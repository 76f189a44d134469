package ptxsim

func init() {
	mods := "global shared relaxed acquire release acq_rel gpu cta sys noftz add min max and or xor exch inc dec cas"
	builders["atom"] = func(c *compiler) {
		c.only(3, mods)
		c.atomic(c.dst(0), 1)
	}
	builders["red"] = func(c *compiler) {
		c.only(2, mods)
		c.atomic(-1, 0)
	}
}

// atomic changes memory at operand i and leaves in d, unless it is -1, what was there.
// Atomic operations of different blocks are no race.
func (c *compiler) atomic(d, i int) {
	base, offset := c.address(i)
	t, space := c.typ(), spaceOf(c.mods())
	n := sizes[t]
	value := c.src(i + 1)
	swap := -1
	var f func(x, y uint64) uint64
	if c.has("cas") {
		swap = c.src(i + 2)
	} else {
		f = reduction(c, t)
	}
	c.run(func(w *warp, in *instr, mask uint32) {
		m := w.b.l.mem
		m.atomics.Lock()
		defer m.atomics.Unlock()
		for ; mask != 0; mask &= mask - 1 {
			l := lowest(mask)
			p := w.atomicAt(in, l, space, w.r[base][l]+offset, uint64(n))
			old := load(p, n)
			v := w.r[value][l]
			switch {
			case swap < 0:
				v = f(old, v)
			case old != cut(t)(v):
				v = old
			default:
				v = w.r[swap][l]
			}
			store(p, n, v)
			if d >= 0 {
				w.r[d][l] = old
			}
		}
	})
}

// atomicAt is at for atomic operations, which race with others of their kind in
// shared memory and in the card's only where those are not atomic.
func (w *warp) atomicAt(in *instr, lane int, space string, addr, n uint64) []byte {
	if space == "generic" && addr>>32 == sharedBase>>32 {
		space, addr = "shared", addr-sharedBase
	}
	if addr%n != 0 {
		w.fault(in, lane, "%s address %#x is not a multiple of %d", space, addr, n)
	}
	if space == "shared" {
		if b := w.b; addr < uint64(len(b.shared)) && n <= uint64(len(b.shared))-addr {
			w.touchShared(in, lane, addr, n, true, true)
			return b.shared[addr:]
		}
	} else if a := w.allocation(addr); a != nil && n <= uint64(len(a.data))-(addr-a.base) {
		return a.data[addr-a.base:]
	}
	w.fault(in, lane, "atomic access to %d bytes of %s memory at %#x: out of bounds", n, space, addr)
	return nil
}
