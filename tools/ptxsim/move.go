package ptxsim

import "encoding/binary"

var le = binary.LittleEndian

func init() {
	builders["mov"] = func(c *compiler) {
		c.only(2, "")
		to, from := c.vector(0), c.vector(1)
		n := sizes[c.typ()]
		switch {
		case len(to) > 1 && len(from) == 1:
			c.unpack(to, from[0], 8*n/len(to))
		case len(from) > 1 && len(to) == 1:
			c.pack(to[0], from, 8*n/len(from))
		default:
			d, a := c.dst(0), c.src(1)
			c.run(func(w *warp, _ *instr, mask uint32) {
				D, A := &w.r[d], &w.r[a]
				if mask == allLanes {
					*D = *A
					return
				}
				for ; mask != 0; mask &= mask - 1 {
					l := lowest(mask)
					D[l] = A[l]
				}
			})
		}
	}
	builders["cvta"] = func(c *compiler) {
		c.only(2, "to global shared local const param")
		var base uint64
		switch spaceOf(c.mods()) {
		case "shared":
			base = sharedBase
		case "local":
			base = localBase
		case "param":
			c.fail("addresses of parameters are not simulated")
		}
		if c.has("to") {
			base = -base
		}
		c.unary(func(x uint64) uint64 { return x + base })
	}
	cacheHints := "relaxed acquire release weak gpu cta sys volatile nc ca cg cs lu cv wb wt global shared local param const v2 v4 " +
		"L1::no_allocate L1::evict_last L1::evict_first L1::evict_normal L2::64B L2::128B L2::256B"
	builders["ld"] = func(c *compiler) { c.only(2, cacheHints); c.access(c.vector(0), 1, false) }
	builders["ldu"] = builders["ld"]
	builders["st"] = func(c *compiler) { c.only(2, cacheHints); c.access(c.vector(1), 0, true) }
	ignored := func(c *compiler) {
		c.run(func(*warp, *instr, uint32) {})
	}
	for _, name := range []string{"prefetch", "prefetchu", "membar", "fence", "griddepcontrol", "nanosleep", "pmevent"} {
		builders[name] = ignored
	}
}

func (c *compiler) unpack(to []string, from string, n int) {
	a := c.value(from)
	slots := make([]int, len(to))
	for i, name := range to {
		slots[i] = c.dstNamed(name)
	}
	keep := uint64(1)<<n - 1
	c.run(func(w *warp, _ *instr, mask uint32) {
		for ; mask != 0; mask &= mask - 1 {
			l := lowest(mask)
			x := w.r[a][l]
			for i, s := range slots {
				w.r[s][l] = x >> (i * n) & keep
			}
		}
	})
}

func (c *compiler) pack(to string, from []string, n int) {
	d := c.dstNamed(to)
	slots := make([]int, len(from))
	for i, name := range from {
		slots[i] = c.value(name)
	}
	keep := uint64(1)<<n - 1
	c.run(func(w *warp, _ *instr, mask uint32) {
		for ; mask != 0; mask &= mask - 1 {
			l := lowest(mask)
			var x uint64
			for i, s := range slots {
				x |= w.r[s][l] & keep << (i * n)
			}
			w.r[d][l] = x
		}
	})
}

// access is a load or a store of one value or a vector, at the address that operand
// i is.
func (c *compiler) access(values []string, i int, write bool) {
	base, offset := c.address(i)
	t, space := c.typ(), spaceOf(c.mods())
	each := sizes[t]
	slots, extend := make([]int, len(values)), make([]func(uint64) uint64, len(values))
	for k, v := range values {
		if write {
			slots[k] = c.value(v)
		} else {
			slots[k], extend[k] = c.dstNamed(v), c.extend(t, v)
		}
	}
	n := uint64(each * len(values))
	if n > 16 || n&(n-1) != 0 {
		c.fail("%d bytes", n)
		return
	}
	signs := t[0] == 's'
	if write {
		c.run(func(w *warp, in *instr, mask uint32) {
			A := &w.r[base]
			for ; mask != 0; mask &= mask - 1 {
				l := lowest(mask)
				p := w.at(in, l, space, A[l]+offset, n, true)
				for k, s := range slots {
					store(p[k*each:], each, w.r[s][l])
				}
			}
		})
		return
	}
	c.run(func(w *warp, in *instr, mask uint32) {
		A := w.r[base] // a copy: a load may overwrite its address
		for ; mask != 0; mask &= mask - 1 {
			l := lowest(mask)
			p := w.at(in, l, space, A[l]+offset, n, false)
			for k, s := range slots {
				v := load(p[k*each:], each)
				if signs {
					v = extend[k](v)
				}
				w.r[s][l] = v
			}
		}
	})
}

func load(p []byte, n int) uint64 {
	switch n {
	case 1:
		return uint64(p[0])
	case 2:
		return uint64(le.Uint16(p))
	case 4:
		return uint64(le.Uint32(p))
	}
	return le.Uint64(p)
}

func store(p []byte, n int, v uint64) {
	switch n {
	case 1:
		p[0] = byte(v)
	case 2:
		le.PutUint16(p, uint16(v))
	case 4:
		le.PutUint32(p, uint32(v))
	default:
		le.PutUint64(p, v)
	}
}
