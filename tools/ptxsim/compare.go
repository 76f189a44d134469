package ptxsim

// comparison is a test of less, equal and unordered.
type comparison func(less, equal, unordered bool) bool

var comparisons = map[string]comparison{
	"eq":  func(_, e, u bool) bool { return e && !u },
	"ne":  func(_, e, u bool) bool { return !e && !u },
	"lt":  func(l, _, u bool) bool { return l && !u },
	"le":  func(l, e, u bool) bool { return (l || e) && !u },
	"gt":  func(l, e, u bool) bool { return !l && !e && !u },
	"ge":  func(l, _, u bool) bool { return !l && !u },
	"equ": func(_, e, u bool) bool { return e || u },
	"neu": func(_, e, u bool) bool { return !e || u },
	"ltu": func(l, _, u bool) bool { return l || u },
	"leu": func(l, e, u bool) bool { return l || e || u },
	"gtu": func(l, e, u bool) bool { return !l && !e || u },
	"geu": func(l, _, u bool) bool { return !l || u },
	"num": func(_, _, u bool) bool { return !u },
	"nan": func(_, _, u bool) bool { return u },
}

func init() {
	for unsigned, name := range map[string]string{"lo": "lt", "ls": "le", "hi": "gt", "hs": "ge"} {
		comparisons[unsigned] = comparisons[name]
	}
	names := ""
	for name := range comparisons {
		names += " " + name
	}

	builders["setp"] = func(c *compiler) {
		c.only(3, "ftz and or xor"+names)
		test := c.test()
		p, q := c.predicates(0)
		a, b := c.src(1), c.src(2)
		combine, other := c.combination(3)
		alone := q < 0 && len(c.raw.args) == 3
		c.run(func(w *warp, _ *instr, mask uint32) {
			A, B := &w.r[a], &w.r[b]
			if alone {
				P := &w.r[p]
				for ; mask != 0; mask &= mask - 1 {
					l := lowest(mask)
					P[l] = boolean(test(A[l], B[l]))
				}
				return
			}
			for ; mask != 0; mask &= mask - 1 {
				l := lowest(mask)
				yes := test(A[l], B[l])
				with := other(w, l)
				if q >= 0 {
					w.r[q][l] = boolean(combine(!yes, with))
				}
				w.r[p][l] = boolean(combine(yes, with))
			}
		})
	}
	builders["set"] = func(c *compiler) {
		c.only(3, "ftz and or xor"+names)
		types := c.types()
		if len(types) != 2 {
			c.fail("want two types")
			return
		}
		yes := uint64(0xffffffff)
		if types[0] == "f32" {
			yes = fromF32(1)
		}
		test := c.test()
		combine, other := c.combination(3)
		d, a, b := c.dst(0), c.src(1), c.src(2)
		c.run(func(w *warp, _ *instr, mask uint32) {
			for ; mask != 0; mask &= mask - 1 {
				l := lowest(mask)
				v := combine(test(w.r[a][l], w.r[b][l]), other(w, l))
				w.r[d][l] = 0
				if v {
					w.r[d][l] = yes
				}
			}
		})
	}
	builders["selp"] = func(c *compiler) {
		c.only(4, "")
		k := cut(c.typ())
		c.ternary(func(x, y, p uint64) uint64 {
			if p != 0 {
				return k(x)
			}
			return k(y)
		})
	}
	builders["slct"] = func(c *compiler) {
		c.only(4, "ftz")
		types := c.types()
		if len(types) != 2 {
			c.fail("want two types")
			return
		}
		k := cut(types[0])
		c.ternary(func(x, y, z uint64) uint64 {
			if types[1] == "f32" && f32(z) >= 0 || types[1] != "f32" && signed(types[1], z) >= 0 {
				return k(x)
			}
			return k(y)
		})
	}
}

// test is the comparison that an instruction names, of two values of its last type.
func (c *compiler) test() func(x, y uint64) bool {
	var holds comparison
	for _, m := range c.mods() {
		if f, ok := comparisons[m]; ok {
			holds = f
		}
	}
	t := c.typ()
	if holds == nil {
		c.fail("no comparison")
		return nil
	}
	switch {
	case t == "f32":
		return func(x, y uint64) bool {
			a, b := f32(x), f32(y)
			return holds(a < b, a == b, a != a || b != b)
		}
	case t == "s32":
		return func(x, y uint64) bool {
			a, b := int32(x), int32(y)
			return holds(a < b, a == b, false)
		}
	case t == "u32" || t == "b32":
		return func(x, y uint64) bool {
			a, b := uint32(x), uint32(y)
			return holds(a < b, a == b, false)
		}
	case isFloat(t):
		return func(x, y uint64) bool {
			a, b := widen(t, x), widen(t, y)
			return holds(a < b, a == b, a != a || b != b)
		}
	case t[0] == 's':
		return func(x, y uint64) bool {
			a, b := signed(t, x), signed(t, y)
			return holds(a < b, a == b, false)
		}
	}
	k := cut(t)
	return func(x, y uint64) bool {
		a, b := k(x), k(y)
		return holds(a < b, a == b, false)
	}
}

// predicates are the slots of p and, in p|q, of what holds otherwise.
func (c *compiler) predicates(i int) (p, q int) {
	s := c.arg(i)
	for k := range len(s) {
		if s[k] == '|' {
			return c.dstNamed(s[:k]), c.dstNamed(s[k+1:])
		}
	}
	return c.dstNamed(s), -1
}

// combination is how the result is joined with a further predicate, operand i.
func (c *compiler) combination(i int) (join func(a, b bool) bool, other func(w *warp, lane int) bool) {
	switch {
	case c.has("and"):
		join = func(a, b bool) bool { return a && b }
	case c.has("or"):
		join = func(a, b bool) bool { return a || b }
	case c.has("xor"):
		join = func(a, b bool) bool { return a != b }
	default:
		return func(a, _ bool) bool { return a }, func(*warp, int) bool { return false }
	}
	name := c.arg(i)
	negate := name[0] == '!'
	if negate {
		name = name[1:]
	}
	slot := c.value(name)
	return join, func(w *warp, lane int) bool { return (w.r[slot][lane] != 0) != negate }
}
