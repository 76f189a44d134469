package ptxsim

import (
	"math/bits"
	"strings"
)

func init() {
	builders["shfl"] = func(c *compiler) {
		c.only(5, "sync up down bfly idx")
		d, p := c.predicatesOptional(0)
		a, b, clamp := c.src(1), c.src(2), c.src(3)
		c.converge(4)
		mode := ""
		for _, m := range c.mods() {
			if m != "sync" && sizes[m] == 0 {
				mode = m
			}
		}
		c.run(func(w *warp, in *instr, mask uint32) {
			x, B, C := w.r[a], &w.r[b], &w.r[clamp]
			for m := mask; m != 0; m &= m - 1 {
				l := lowest(m)
				n := int(B[l] & 31)
				bound, segment := int(C[l]&31), int(C[l]>>8&31)
				least := l & segment
				most := l&segment | bound&^segment
				from, ok := l, true
				switch mode {
				case "up":
					from = l - n
					ok = from >= most // the clamp is the lowest lane here
				case "down":
					from = l + n
					ok = from <= most
				case "bfly":
					from = l ^ n
					ok = from <= most
				case "idx":
					from = least | n&^segment
					ok = from <= most
				}
				if !ok {
					from = l
				}
				if mask>>from&1 == 0 {
					w.fault(in, l, "reads lane %d, which is not there", from)
				}
				w.r[d][l] = x[from]
				if p >= 0 {
					w.r[p][l] = boolean(ok)
				}
			}
		})
	}
	builders["vote"] = func(c *compiler) {
		c.only(3, "sync all any uni ballot")
		d := c.dst(0)
		name := c.arg(1)
		negate := strings.HasPrefix(name, "!")
		a := c.value(strings.TrimPrefix(name, "!"))
		c.converge(2)
		all, any, uni := c.has("all"), c.has("any"), c.has("uni")
		c.run(func(w *warp, _ *instr, mask uint32) {
			var yes uint32
			for m := mask; m != 0; m &= m - 1 {
				if l := lowest(m); (w.r[a][l] != 0) != negate {
					yes |= 1 << l
				}
			}
			v := uint64(yes)
			switch {
			case all:
				v = boolean(yes == mask)
			case any:
				v = boolean(yes != 0)
			case uni:
				v = boolean(yes == 0 || yes == mask)
			}
			for m := mask; m != 0; m &= m - 1 {
				w.r[d][lowest(m)] = v
			}
		})
	}
	builders["match"] = func(c *compiler) {
		c.only(3, "sync any all")
		d, p := c.predicatesOptional(0)
		a := c.src(1)
		c.converge(2)
		all := c.has("all")
		c.run(func(w *warp, _ *instr, mask uint32) {
			x := w.r[a]
			for m := mask; m != 0; m &= m - 1 {
				l := lowest(m)
				var same uint32
				for n := mask; n != 0; n &= n - 1 {
					if k := lowest(n); x[k] == x[l] {
						same |= 1 << k
					}
				}
				if all && same != mask {
					same = 0
				}
				w.r[d][l] = uint64(same)
				if p >= 0 {
					w.r[p][l] = boolean(same != 0)
				}
			}
		})
	}
	builders["redux"] = func(c *compiler) {
		c.only(3, "sync add min max and or xor")
		d, a, t := c.dst(0), c.src(1), c.typ()
		f := reduction(c, t)
		c.converge(2)
		c.run(func(w *warp, _ *instr, mask uint32) {
			v := w.r[a][lowest(mask)]
			for m := mask & (mask - 1); m != 0; m &= m - 1 {
				v = f(v, w.r[a][lowest(m)])
			}
			for m := mask; m != 0; m &= m - 1 {
				w.r[d][lowest(m)] = v
			}
		})
	}
	builders["activemask"] = func(c *compiler) {
		c.only(1, "")
		d := c.dst(0)
		c.run(func(w *warp, _ *instr, mask uint32) {
			for m := mask; m != 0; m &= m - 1 {
				w.r[d][lowest(m)] = uint64(mask)
			}
		})
	}
	builders["elect"] = func(c *compiler) {
		c.only(2, "sync")
		d, p := c.predicatesOptional(0)
		c.converge(1)
		c.run(func(w *warp, _ *instr, mask uint32) {
			first := bits.TrailingZeros32(mask)
			for m := mask; m != 0; m &= m - 1 {
				l := lowest(m)
				w.r[d][l] = uint64(first)
				if p >= 0 {
					w.r[p][l] = boolean(l == first)
				}
			}
		})
	}
}

// predicatesOptional are the slots of d and p in d|p; p is -1 without.
func (c *compiler) predicatesOptional(i int) (d, p int) {
	name, pred, ok := strings.Cut(c.arg(i), "|")
	if !ok {
		return c.dstNamed(name), -1
	}
	return c.dstNamed(name), c.dstNamed(pred)
}

// reduction is the operation that an instruction names.
func reduction(c *compiler, t string) func(x, y uint64) uint64 {
	k := cut(t)
	for _, m := range c.mods() {
		switch m {
		case "add":
			if isFloat(t) {
				return pairwise(t, func(x, y float64) float64 { return x + y })
			}
			return func(x, y uint64) uint64 { return k(x + y) }
		case "min", "max":
			larger := m == "max"
			switch {
			case isFloat(t):
				return pairwise(t, func(x, y float64) float64 {
					if (x > y) == larger {
						return x
					}
					return y
				})
			case t[0] == 's':
				return func(x, y uint64) uint64 {
					if (signed(t, x) > signed(t, y)) == larger {
						return x
					}
					return y
				}
			}
			return func(x, y uint64) uint64 {
				if (k(x) > k(y)) == larger {
					return x
				}
				return y
			}
		case "and":
			return func(x, y uint64) uint64 { return x & y }
		case "or":
			return func(x, y uint64) uint64 { return x | y }
		case "xor":
			return func(x, y uint64) uint64 { return x ^ y }
		case "exch":
			return func(_, y uint64) uint64 { return y }
		case "inc":
			return func(x, y uint64) uint64 {
				if k(x) >= k(y) {
					return 0
				}
				return k(x + 1)
			}
		case "dec":
			return func(x, y uint64) uint64 {
				if x == 0 || k(x) > k(y) {
					return k(y)
				}
				return k(x - 1)
			}
		}
	}
	c.fail("no operation")
	return nil
}

// pairwise is f on numbers of a type, or on both halves of pairs.
func pairwise(t string, f func(x, y float64) float64) func(x, y uint64) uint64 {
	g := pairs(t, func(t string, x ...uint64) uint64 { return narrow(t, f(widen(t, x[0]), widen(t, x[1]))) })
	return func(x, y uint64) uint64 { return g(x, y) }
}
