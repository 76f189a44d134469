package ptxsim

func init() {
	builders["bra"] = func(c *compiler) {
		c.only(1, "uni")
		c.in.kind, c.in.target = branch, c.target(c.arg(0))
	}
	builders["brx"] = func(c *compiler) {
		c.only(2, "idx uni")
		c.in.kind = branch
		var table []int
		for _, name := range c.f.targets[c.arg(1)] {
			table = append(table, c.target(name))
		}
		slot := c.src(0)
		c.run(func(w *warp, in *instr, mask uint32) {
			for ; mask != 0; mask &= mask - 1 {
				l := lowest(mask)
				i := uint32(w.r[slot][l])
				if int(i) >= len(table) {
					w.fault(in, l, "branch %d of %d", i, len(table))
				}
				w.pc[l] = table[i]
			}
		})
	}
	end := func(c *compiler) { c.only(0, "uni"); c.in.kind = leave }
	builders["ret"], builders["exit"] = end, end
	meet := func(c *compiler) {
		c.only(0, "sync warp aligned cta arrive red")
		switch {
		case c.has("warp"):
			c.converge(0)
			c.run(func(*warp, *instr, uint32) {})
		case c.has("sync") && len(c.raw.args) <= 1:
			c.in.kind = barrier
			if len(c.raw.args) == 1 && c.arg(0) != "0" {
				c.fail("only barrier 0 is simulated")
			}
		default:
			c.fail("only barriers of the whole block are simulated")
		}
	}
	builders["bar"], builders["barrier"] = meet, meet
	builders["trap"] = func(c *compiler) {
		c.run(func(w *warp, in *instr, mask uint32) { w.fault(in, lowest(mask), "trap") })
	}
}

// converge makes the instruction wait for the members that operand i names.
func (c *compiler) converge(i int) {
	c.in.kind, c.in.target = converging, c.src(i)+1
}
