package ptxsim

import (
	"cmp"
	"math"
)

var predicates = map[string]func(*decoder){
	"setp":  setp,
	"set":   set,
	"selp":  selp,
	"slct":  slct,
	"testp": testp,
}

func (w *warp) setPred(slot int, v, m uint32) {
	w.p[slot] = w.p[slot]&^m | v&m
}

// A compare gives a bit a lane.
type compare = func(a, b *lanes) uint32

func lanesWhere[T cmp.Ordered](get func(uint64) T, f func(a, b T) bool) compare {
	return func(a, b *lanes) (m uint32) {
		for i := range a {
			if f(get(a[i]), get(b[i])) {
				m |= 1 << i
			}
		}
		return m
	}
}

func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

func equal[T unsigned](a, b *lanes) (m uint32) {
	for i := range a {
		m |= bit(T(a[i]) == T(b[i])) << i
	}
	return m
}

func less[T unsigned | signed](a, b *lanes) (m uint32) {
	for i := range a {
		m |= bit(T(a[i]) < T(b[i])) << i
	}
	return m
}

// integer gives a comparison of integers from less and equal.
func integer(op string, lt, eq compare) compare {
	switch op {
	case "eq":
		return eq
	case "ne":
		return func(a, b *lanes) uint32 { return ^eq(a, b) }
	case "lt", "lo":
		return lt
	case "le", "ls":
		return func(a, b *lanes) uint32 { return ^lt(b, a) }
	case "gt", "hi":
		return func(a, b *lanes) uint32 { return lt(b, a) }
	case "ge", "hs":
		return func(a, b *lanes) uint32 { return ^lt(a, b) }
	}
	return nil
}

// float gives a comparison of floats: those with u are true where an operand is NaN.
func float[T float32 | float64](op string, get func(uint64) T) compare {
	f, ok := map[string]func(a, b T) bool{
		"eq": func(a, b T) bool { return a == b }, "ne": func(a, b T) bool { return a < b || a > b },
		"lt": func(a, b T) bool { return a < b }, "le": func(a, b T) bool { return a <= b },
		"gt": func(a, b T) bool { return a > b }, "ge": func(a, b T) bool { return a >= b },
		"equ": func(a, b T) bool { return !(a < b || a > b) }, "neu": func(a, b T) bool { return a != b },
		"ltu": func(a, b T) bool { return !(a >= b) }, "leu": func(a, b T) bool { return !(a > b) },
		"gtu": func(a, b T) bool { return !(a <= b) }, "geu": func(a, b T) bool { return !(a < b) },
		"num": func(a, b T) bool { return a == a && b == b }, "nan": func(a, b T) bool { return a != a || b != b },
	}[op]
	if !ok {
		return nil
	}
	return lanesWhere(get, f)
}

var comparisons = []string{"eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"}

// comparison takes the comparison of a setp or set.
func (d *decoder) comparison(t typ) compare {
	op := d.must(comparisons...)
	var f compare
	switch {
	case t.class == floatClass:
		switch t.name {
		case "f32":
			f = float(op, f32)
		case "f64":
			f = float(op, math.Float64frombits)
		}
		for _, h := range halves {
			if t.name == h.name {
				f = float(op, h.to)
			}
		}
	case t.class == bitsClass && op != "eq" && op != "ne", t.class == signedClass && (op == "lo" || op == "ls" || op == "hi" || op == "hs"):
	default:
		switch t.name {
		case "b16", "u16":
			f = integer(op, less[uint16], equal[uint16])
		case "b32", "u32":
			f = integer(op, less[uint32], equal[uint32])
		case "b64", "u64":
			f = integer(op, less[uint64], equal[uint64])
		case "s16":
			f = integer(op, less[int16], equal[uint16])
		case "s32":
			f = integer(op, less[int32], equal[uint32])
		case "s64":
			f = integer(op, less[int64], equal[uint64])
		}
	}
	if f == nil {
		d.fail("no comparison .%s of .%s", op, t.name)
		return nil
	}
	if d.ftz(t) {
		g := f
		f = func(a, b *lanes) uint32 { x, y := flushed(a), flushed(b); return g(&x, &y) }
	}
	return f
}

// combination takes the .and, .or or .xor that joins a comparison with another predicate.
func (d *decoder) combination() func(a, b uint32) uint32 {
	switch d.take("and", "or", "xor") {
	case "and":
		return func(a, b uint32) uint32 { return a & b }
	case "or":
		return func(a, b uint32) uint32 { return a | b }
	case "xor":
		return func(a, b uint32) uint32 { return a ^ b }
	}
	return nil
}

// setp p[|q], a, b[, c]: p = (a ? b) op c, q = !(a ? b) op c.
func setp(d *decoder) {
	t := d.typ()
	f, join := d.comparison(t), d.combination()
	o := d.arg(0)
	p, q := d.predOf(o), -1
	if o.second != nil {
		q = d.predOf(*o.second)
	}
	a, b := d.src(1, t), d.src(2, t)
	c := func(*warp) uint32 { return 0 }
	if join != nil {
		c = d.cond(3)
	} else {
		join = func(a, _ uint32) uint32 { return a }
	}
	if q < 0 {
		d.in.exec = func(w *warp, m uint32) { w.setPred(p, join(f(&w.r[a], &w.r[b]), c(w)), m) }
		return
	}
	d.in.exec = func(w *warp, m uint32) {
		v, x := f(&w.r[a], &w.r[b]), c(w)
		w.setPred(p, join(v, x), m)
		w.setPred(q, join(^v, x), m)
	}
}

// set gives all ones, or 1.0 as a float.
func set(d *decoder) {
	t := d.typ()
	r := d.typ()
	f, join := d.comparison(t), d.combination()
	dst, a, b := d.dst(0, r), d.src(1, t), d.src(2, t)
	c := func(*warp) uint32 { return 0 }
	if join != nil {
		c = d.cond(3)
	} else {
		join = func(a, _ uint32) uint32 { return a }
	}
	yes := r.mask()
	if r.name == "f32" {
		yes = bits32(1)
	} else if r.bits != 32 || r.class == floatClass {
		d.fail("no form for .%s", r.name)
	}
	d.in.exec = func(w *warp, m uint32) {
		v := join(f(&w.r[a], &w.r[b]), c(w))
		for l := range 32 {
			if m>>l&1 != 0 {
				w.r[dst][l] = yes * uint64(v>>l&1)
			}
		}
	}
}

func selp(d *decoder) {
	t := d.typ()
	if t.class == predClass || t.bits < 16 {
		d.fail("no form for .%s", t.name)
	}
	dst, a, b, c := d.dst(0, t), d.src(1, t), d.src(2, t), d.cond(3)
	d.in.exec = func(w *warp, m uint32) {
		r, x, y, p := &w.r[dst], &w.r[a], &w.r[b], c(w)
		for l := range r {
			if m>>l&1 != 0 {
				v := y[l]
				if p>>l&1 != 0 {
					v = x[l]
				}
				r[l] = v
			}
		}
	}
}

// slct d, a, b, c: a where c is not negative.
func slct(d *decoder) {
	tc := d.typ()
	t := d.typ()
	d.ftz(tc)
	var f func(uint64) bool
	switch tc.name {
	case "s32":
		f = func(c uint64) bool { return int32(c) >= 0 }
	case "f32":
		f = func(c uint64) bool { return f32(c) >= 0 }
	default:
		d.fail("no form for .%s", tc.name)
	}
	dst, a, b, c := d.dst(0, t), d.src(1, t), d.src(2, t), d.src(3, tc)
	d.run3(dst, a, b, c, each3(func(a, b, c uint64) uint64 {
		if f(c) {
			return a
		}
		return b
	}))
}

func testp(d *decoder) {
	kind := d.must("finite", "infinite", "number", "notanumber", "normal", "subnormal")
	t := d.typ()
	least := 0x1p-126
	get := func(x uint64) float64 { return float64(f32(x)) }
	if t.name == "f64" {
		least, get = 0x1p-1022, math.Float64frombits
	} else if t.name != "f32" {
		d.fail("no form for .%s", t.name)
	}
	test := map[string]func(x float64) bool{
		"finite":     func(x float64) bool { return x-x == 0 },
		"infinite":   func(x float64) bool { return math.IsInf(x, 0) },
		"number":     func(x float64) bool { return x == x },
		"notanumber": func(x float64) bool { return x != x },
		"normal":     func(x float64) bool { return x-x == 0 && math.Abs(x) >= least },
		"subnormal":  func(x float64) bool { return x != 0 && math.Abs(x) < least },
	}[kind]
	dst, a := d.pred(0), d.src(1, t)
	f := lanesWhere(get, func(x, _ float64) bool { return test(x) })
	d.in.exec = func(w *warp, m uint32) { w.setPred(dst, f(&w.r[a], &w.r[a]), m) }
}
