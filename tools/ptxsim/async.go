package ptxsim

import "strings"

// asyncCopy is a copy to shared memory that has begun and need not be there before
// it is waited for.
type asyncCopy struct {
	in    *instr
	lane  int
	to    uint64
	data  [16]byte
	n     int
	group int // 0 while none has been committed
}

func init() {
	builders["cp"] = func(c *compiler) {
		if len(c.mods()) == 0 || c.mods()[0] != "async" {
			c.fail("only cp.async is simulated")
			return
		}
		switch {
		case c.has("commit_group"):
			c.only(0, "async commit_group")
			c.run(func(w *warp, _ *instr, mask uint32) {
				for i := range w.async {
					if a := &w.async[i]; mask>>a.lane&1 != 0 {
						a.group++ // the groups behind it: 1 for the last one committed
					}
				}
			})
		case c.has("wait_group"):
			c.only(1, "async wait_group")
			n, err := number(c.arg(0))
			if err != nil {
				c.fail("group %s", c.arg(0))
			}
			c.run(func(w *warp, _ *instr, mask uint32) { w.finishAsync(mask, int(n)+1) })
		case c.has("wait_all"):
			c.only(0, "async wait_all")
			c.run(func(w *warp, _ *instr, mask uint32) { w.finishAsync(mask, 0) })
		default:
			c.asyncCopy()
		}
	}
}

// asyncCopy is cp.async [shared], [global], n, given: bytes behind those that are
// given are zero.
func (c *compiler) asyncCopy() {
	for _, m := range c.mods() {
		switch m {
		case "async", "ca", "cg", "shared", "global":
		default:
			if !strings.HasPrefix(m, "L2::") {
				c.fail("unknown modifier .%s", m)
			}
		}
	}
	to, toOff := c.address(0)
	from, fromOff := c.address(1)
	n, err := number(c.arg(2))
	if err != nil || n != 4 && n != 8 && n != 16 {
		c.fail("%s bytes", c.arg(2))
		return
	}
	given := c.f.constant(n)
	if len(c.raw.args) > 3 {
		given = c.src(3)
	}
	c.run(func(w *warp, in *instr, mask uint32) {
		for ; mask != 0; mask &= mask - 1 {
			l := lowest(mask)
			a := asyncCopy{in: in, lane: l, to: w.r[to][l] + toOff, n: int(n)}
			if a.to>>32 == sharedBase>>32 {
				a.to -= sharedBase
			}
			if some := min(uint64(uint32(w.r[given][l])), n); some > 0 {
				source := w.r[from][l] + fromOff
				if source%n != 0 {
					w.fault(in, l, "global address %#x is not a multiple of %d", source, n)
				}
				for i := range some {
					a.data[i] = w.at(in, l, "global", source+i, 1, false)[0]
				}
			}
			// What is there until then nobody may count on.
			p := w.at(in, l, "shared", a.to, n, true)
			for i := range n {
				p[i] = 0xff
			}
			w.async = append(w.async, a)
		}
	})
}

// finishAsync lets the copies of some lanes arrive that were committed at least so
// many groups ago; 0 stands for all.
func (w *warp) finishAsync(mask uint32, groups int) {
	rest := w.async[:0]
	for _, a := range w.async {
		if mask>>a.lane&1 == 0 || a.group < groups {
			rest = append(rest, a)
			continue
		}
		copy(w.at(a.in, a.lane, "shared", a.to, uint64(a.n), true), a.data[:a.n])
	}
	w.async = rest
}
