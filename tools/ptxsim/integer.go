package ptxsim

import (
	"math/bits"
)

// bitsOf is the width of a type.
func bitsOf(t string) int { return 8 * sizes[t] }

// cut returns what keeps the low bits of a type.
func cut(t string) func(uint64) uint64 {
	switch sizes[t] {
	case 1:
		return func(x uint64) uint64 { return uint64(uint8(x)) }
	case 2:
		return func(x uint64) uint64 { return uint64(uint16(x)) }
	case 4:
		return func(x uint64) uint64 { return uint64(uint32(x)) }
	}
	return func(x uint64) uint64 { return x }
}

// signed returns x of a type as a number with a sign.
func signed(t string, x uint64) int64 {
	switch t[1:] {
	case "32":
		return int64(int32(x))
	case "64":
		return int64(x)
	case "16":
		return int64(int16(x))
	}
	return int64(int8(x))
}

func isFloat(t string) bool { return t[0] == 'f' || t[:2] == "bf" }

func init() {
	add := func(c *compiler) {
		c.only(3, "rn rz rm rp ftz sat cc")
		t := c.typ()
		if isFloat(t) {
			c.floatBinary(t, func(x, y float64) float64 { return x + y })
			return
		}
		if c.has("cc") || c.has("sat") {
			c.fail("carries and saturation are not simulated")
		}
		switch sizes[t] {
		case 4:
			c.each2(func(d, x, y *lanes) {
				for l := range d {
					d[l] = uint64(uint32(x[l] + y[l]))
				}
			})
		case 8:
			c.each2(func(d, x, y *lanes) {
				for l := range d {
					d[l] = x[l] + y[l]
				}
			})
		default:
			k := cut(t)
			c.binary(func(x, y uint64) uint64 { return k(x + y) })
		}
	}
	builders["add"] = add
	builders["sub"] = func(c *compiler) {
		c.only(3, "rn rz rm rp ftz sat")
		t := c.typ()
		if isFloat(t) {
			c.floatBinary(t, func(x, y float64) float64 { return x - y })
			return
		}
		if sizes[t] == 4 {
			c.each2(func(d, x, y *lanes) {
				for l := range d {
					d[l] = uint64(uint32(x[l] - y[l]))
				}
			})
			return
		}
		k := cut(t)
		c.binary(func(x, y uint64) uint64 { return k(x - y) })
	}
	builders["mul"] = func(c *compiler) {
		c.only(3, "rn rz rm rp ftz sat lo hi wide")
		t := c.typ()
		if isFloat(t) {
			c.floatBinary(t, func(x, y float64) float64 { return x * y })
			return
		}
		switch {
		case sizes[t] == 4 && c.has("lo"):
			c.each2(func(d, x, y *lanes) {
				for l := range d {
					d[l] = uint64(uint32(x[l] * y[l]))
				}
			})
		case t == "u32" && c.has("wide"):
			c.each2(func(d, x, y *lanes) {
				for l := range d {
					d[l] = uint64(uint32(x[l])) * uint64(uint32(y[l]))
				}
			})
		default:
			c.binary(product(c, t))
		}
	}
	builders["mul24"] = func(c *compiler) {
		c.only(3, "lo")
		k, t := cut(c.typ()), c.typ()
		if t[0] == 's' {
			c.binary(func(x, y uint64) uint64 { return k(uint64(int64(x<<40) >> 40 * (int64(y<<40) >> 40))) })
			return
		}
		c.binary(func(x, y uint64) uint64 { return k((x & 0xffffff) * (y & 0xffffff)) })
	}
	builders["mad"] = func(c *compiler) {
		c.only(4, "rn rz rm rp ftz sat lo hi wide")
		t := c.typ()
		if isFloat(t) {
			c.floatTernary(t)
			return
		}
		if sizes[t] == 4 && c.has("lo") {
			c.each3(func(d, x, y, z *lanes) {
				for l := range d {
					d[l] = uint64(uint32(x[l]*y[l] + z[l]))
				}
			})
			return
		}
		p, k := product(c, t), cut(t)
		if c.has("wide") {
			k = func(x uint64) uint64 { return x }
			if sizes[t] == 2 {
				k = cut("u32")
			}
		}
		c.ternary(func(x, y, z uint64) uint64 { return k(p(x, y) + z) })
	}
	builders["div"] = func(c *compiler) {
		c.only(3, "rn rz rm rp approx full ftz")
		t := c.typ()
		if isFloat(t) {
			c.floatBinary(t, func(x, y float64) float64 { return x / y })
			return
		}
		c.quotient(t, func(x, y int64) int64 { return x / y }, func(x, y uint64) uint64 { return x / y })
	}
	builders["rem"] = func(c *compiler) {
		c.only(3, "")
		c.quotient(c.typ(), func(x, y int64) int64 { return x % y }, func(x, y uint64) uint64 { return x % y })
	}
	extreme := func(larger bool) func(c *compiler) {
		return func(c *compiler) {
			c.only(3, "ftz NaN")
			t := c.typ()
			switch {
			case isFloat(t):
				c.floatExtreme(t, larger)
			case t[0] == 's':
				c.binary(func(x, y uint64) uint64 {
					if (signed(t, x) > signed(t, y)) == larger {
						return x
					}
					return y
				})
			default:
				k := cut(t)
				c.binary(func(x, y uint64) uint64 {
					if (k(x) > k(y)) == larger {
						return x
					}
					return y
				})
			}
		}
	}
	builders["max"], builders["min"] = extreme(true), extreme(false)
	builders["abs"] = func(c *compiler) {
		c.only(2, "ftz")
		t := c.typ()
		k := cut(t)
		if isFloat(t) {
			top := signs(t)
			c.unary(func(x uint64) uint64 { return k(x) &^ top })
			return
		}
		c.unary(func(x uint64) uint64 { return k(uint64(max(signed(t, x), -signed(t, x)))) })
	}
	builders["neg"] = func(c *compiler) {
		c.only(2, "ftz")
		t := c.typ()
		k := cut(t)
		if isFloat(t) {
			top := signs(t)
			c.unary(func(x uint64) uint64 { return k(x) ^ top })
			return
		}
		c.unary(func(x uint64) uint64 { return k(-x) })
	}
	// Registers hold no bits above their type, so those of the result are in place once
	// numbers with a sign are cut.
	for name, loop := range map[string]func(d, x, y *lanes){
		"and": func(d, x, y *lanes) {
			for l := range d {
				d[l] = x[l] & y[l]
			}
		},
		"or": func(d, x, y *lanes) {
			for l := range d {
				d[l] = x[l] | y[l]
			}
		},
		"xor": func(d, x, y *lanes) {
			for l := range d {
				d[l] = x[l] ^ y[l]
			}
		},
	} {
		builders[name] = func(c *compiler) {
			c.only(3, "")
			for i := 1; i < len(c.raw.args); i++ {
				c.cutConstant(i, cut(c.typ()))
			}
			c.each2(loop)
		}
	}
	builders["not"] = func(c *compiler) {
		c.only(2, "")
		if c.typ() == "pred" {
			c.unary(func(x uint64) uint64 { return x ^ 1 })
			return
		}
		k := cut(c.typ())
		c.unary(func(x uint64) uint64 { return k(^x) })
	}
	builders["cnot"] = func(c *compiler) {
		c.only(2, "")
		c.unary(func(x uint64) uint64 { return boolean(x == 0) })
	}
	builders["shl"] = func(c *compiler) {
		c.only(3, "")
		if sizes[c.typ()] == 4 {
			c.each2(func(d, x, y *lanes) {
				for l := range d {
					d[l] = uint64(uint32(x[l] << uint32(y[l])))
				}
			})
			return
		}
		k := cut(c.typ())
		c.binary(func(x, y uint64) uint64 { return k(x << uint32(y)) })
	}
	builders["shr"] = func(c *compiler) {
		c.only(3, "")
		t := c.typ()
		k := cut(t)
		if t[0] == 's' {
			c.binary(func(x, y uint64) uint64 { return k(uint64(signed(t, x) >> uint32(y))) })
			return
		}
		if sizes[t] == 4 {
			c.each2(func(d, x, y *lanes) {
				for l := range d {
					d[l] = uint64(uint32(x[l]) >> uint32(y[l]))
				}
			})
			return
		}
		c.binary(func(x, y uint64) uint64 { return k(x) >> uint32(y) })
	}
	builders["shf"] = func(c *compiler) {
		c.only(4, "l r wrap clamp")
		left, wrap := c.has("l"), c.has("wrap")
		c.ternary(func(lo, hi, n uint64) uint64 {
			n = uint64(uint32(n))
			if wrap {
				n &= 31
			} else {
				n = min(n, 32)
			}
			both := hi<<32 | uint64(uint32(lo))
			if left {
				return uint64(uint32(both << n >> 32))
			}
			return uint64(uint32(both >> n))
		})
	}
	builders["popc"] = func(c *compiler) {
		c.only(2, "")
		k := cut(c.typ())
		c.unary(func(x uint64) uint64 { return uint64(bits.OnesCount64(k(x))) })
	}
	builders["clz"] = func(c *compiler) {
		c.only(2, "")
		k, n := cut(c.typ()), bitsOf(c.typ())
		c.unary(func(x uint64) uint64 { return uint64(bits.LeadingZeros64(k(x)) - 64 + n) })
	}
	builders["bfind"] = func(c *compiler) {
		c.only(2, "shiftamt")
		t := c.typ()
		k := cut(t)
		c.unary(func(x uint64) uint64 {
			if x = k(x); t[0] == 's' && signed(t, x) < 0 {
				x = k(^x)
			}
			n := bits.Len64(x) - 1
			if n >= 0 && c.has("shiftamt") {
				n = bitsOf(t) - 1 - n
			}
			return uint64(uint32(n))
		})
	}
	builders["brev"] = func(c *compiler) {
		c.only(2, "")
		n := bitsOf(c.typ())
		c.unary(func(x uint64) uint64 { return bits.Reverse64(x) >> (64 - n) })
	}
	builders["bfe"] = func(c *compiler) {
		c.only(4, "")
		t := c.typ()
		k, n := cut(t), uint64(bitsOf(t))
		c.ternary(func(x, pos, length uint64) uint64 {
			x, pos, length = k(x), pos&0xff, length&0xff
			top := min(pos+length, n) // the bits at and above which are not there
			var v uint64
			if pos < n {
				v = x >> pos
				if length < 64 {
					v &= 1<<length - 1
				}
			}
			if t[0] == 's' && length > 0 && x>>(top-1)&1 != 0 {
				if width := max(top, pos) - pos; width < 64 {
					v |= ^uint64(0) << width
				}
			}
			return k(v)
		})
	}
	builders["bfi"] = func(c *compiler) {
		c.only(5, "")
		k, n := cut(c.typ()), uint64(bitsOf(c.typ()))
		d, a, b, at, count := c.dst(0), c.src(1), c.src(2), c.src(3), c.src(4)
		c.run(func(w *warp, _ *instr, mask uint32) {
			for ; mask != 0; mask &= mask - 1 {
				l := lowest(mask)
				pos, length := w.r[at][l]&0xff, w.r[count][l]&0xff
				field := ^uint64(0)
				if length < 64 {
					field = 1<<length - 1
				}
				if pos >= n {
					field = 0
				}
				w.r[d][l] = k(w.r[b][l]&^(field<<pos) | (w.r[a][l]&field)<<pos)
			}
		})
	}
	builders["lop3"] = func(c *compiler) {
		c.only(5, "")
		table, err := number(c.arg(4))
		if err != nil {
			c.fail("table %s", c.arg(4))
		}
		c.ternary(func(x, y, z uint64) uint64 {
			var v uint64
			for i := range uint64(8) {
				if table>>i&1 != 0 {
					a, b, e := x, y, z
					if i&4 == 0 {
						a = ^a
					}
					if i&2 == 0 {
						b = ^b
					}
					if i&1 == 0 {
						e = ^e
					}
					v |= a & b & e
				}
			}
			return uint64(uint32(v))
		})
	}
	builders["prmt"] = func(c *compiler) {
		c.only(4, "")
		if len(c.types()) != len(c.mods()) {
			c.fail("only the plain form is simulated")
		}
		c.ternary(func(x, y, sel uint64) uint64 {
			both := y<<32 | uint64(uint32(x))
			var v uint64
			for i := range 4 {
				s := sel >> (4 * i) & 0xf
				byteOf := both >> (8 * (s & 7)) & 0xff
				if s&8 != 0 {
					byteOf = uint64(uint8(int8(byteOf) >> 7))
				}
				v |= byteOf << (8 * i)
			}
			return v
		})
	}
	builders["dp4a"] = func(c *compiler) {
		c.only(4, "")
		t := c.types()
		if len(t) != 2 {
			c.fail("want two types")
			return
		}
		lane := func(t string, x uint64, i int) int64 {
			if t[0] == 's' {
				return int64(int8(x >> (8 * i)))
			}
			return int64(uint8(x >> (8 * i)))
		}
		c.ternary(func(x, y, z uint64) uint64 {
			s := int64(int32(z))
			for i := range 4 {
				s += lane(t[0], x, i) * lane(t[1], y, i)
			}
			return uint64(uint32(s))
		})
	}
	builders["sad"] = func(c *compiler) {
		c.only(4, "")
		t := c.typ()
		k := cut(t)
		c.ternary(func(x, y, z uint64) uint64 {
			if t[0] == 's' {
				d := signed(t, x) - signed(t, y)
				return k(uint64(max(d, -d)) + z)
			}
			return k(max(k(x), k(y)) - min(k(x), k(y)) + z)
		})
	}
}

// product is the product of two integers: its low or high half, or all of it.
func product(c *compiler, t string) func(x, y uint64) uint64 {
	k, n := cut(t), bitsOf(t)
	switch {
	case c.has("wide"):
		if t[0] == 's' {
			wide := cut(map[int]string{16: "u32", 32: "u64"}[n])
			return func(x, y uint64) uint64 { return wide(uint64(signed(t, x) * signed(t, y))) }
		}
		return func(x, y uint64) uint64 { return k(x) * k(y) }
	case c.has("hi") && n == 64:
		if t[0] == 's' {
			return func(x, y uint64) uint64 {
				hi, _ := bits.Mul64(x, y)
				if int64(x) < 0 {
					hi -= y
				}
				if int64(y) < 0 {
					hi -= x
				}
				return hi
			}
		}
		return func(x, y uint64) uint64 { hi, _ := bits.Mul64(x, y); return hi }
	case c.has("hi"):
		if t[0] == 's' {
			return func(x, y uint64) uint64 { return k(uint64(signed(t, x) * signed(t, y) >> n)) }
		}
		return func(x, y uint64) uint64 { return k(k(x) * k(y) >> n) }
	}
	return func(x, y uint64) uint64 { return k(x * y) }
}

// quotient divides integers; by zero gives all ones.
func (c *compiler) quotient(t string, s func(x, y int64) int64, u func(x, y uint64) uint64) {
	k := cut(t)
	c.binary(func(x, y uint64) uint64 {
		switch {
		case k(y) == 0:
			return k(^uint64(0))
		case t[0] == 's':
			return k(uint64(s(signed(t, x), signed(t, y))))
		}
		return k(u(k(x), k(y)))
	})
}

func boolean(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
