package ptxsim

var atomics = map[string]func(*decoder){
	"atom": func(d *decoder) { atomic2(d, true) },
	"red":  func(d *decoder) { atomic2(d, false) },
}

// combine gives an operation of two integers of a type.
func combine(op string, t typ) func(a, b uint64) uint64 {
	less := func(a, b uint64) bool { return a < b }
	if t.class == signedClass {
		less = func(a, b uint64) bool { return int64(t.extend(a)) < int64(t.extend(b)) }
	}
	switch op {
	case "add":
		return func(a, b uint64) uint64 { return (a + b) & t.mask() }
	case "min":
		return func(a, b uint64) uint64 {
			if less(b, a) {
				return b
			}
			return a
		}
	case "max":
		return func(a, b uint64) uint64 {
			if less(a, b) {
				return b
			}
			return a
		}
	case "and":
		return func(a, b uint64) uint64 { return a & b }
	case "or":
		return func(a, b uint64) uint64 { return a | b }
	case "xor":
		return func(a, b uint64) uint64 { return a ^ b }
	case "exch":
		return func(_, b uint64) uint64 { return b }
	case "inc":
		return func(a, b uint64) uint64 {
			if a >= b {
				return 0
			}
			return a + 1
		}
	case "dec":
		return func(a, b uint64) uint64 {
			if a == 0 || a > b {
				return b
			}
			return a - 1
		}
	}
	return nil
}

// addFloat gives the sum of two floats of a type, of both halves for pairs.
func addFloat(t typ) func(a, b uint64) uint64 {
	f, ok := floats2(addF32, func(a, b float64) float64 { return a + b })[t.name]
	if !ok {
		return nil
	}
	return func(a, b uint64) uint64 {
		var r, x, y lanes
		x[0], y[0] = a, b
		f(&r, &x, &y)
		return r[0]
	}
}

// atomic2 decodes atom d, [a], b[, c] and red [a], b. The lanes of a warp follow one another.
func atomic2(d *decoder, result bool) {
	d.take("relaxed", "acquire", "release", "acq_rel")
	scope := d.take("cta", "gpu", "sys", "cluster")
	space := d.space("global", "shared")
	op := d.must("add", "min", "max", "and", "or", "xor", "exch", "cas", "inc", "dec")
	d.take("noftz")
	t := d.typ()
	var f func(a, b uint64) uint64
	switch {
	case t.class == predClass || t.bits < 16 || t.bits == 16 && op != "cas" && t.class != floatClass:
	case t.class == floatClass && op == "add":
		f = addFloat(t)
	case t.class == floatClass:
	case op == "cas":
		f = func(_, b uint64) uint64 { return b }
	default:
		f = combine(op, t)
	}
	if f == nil || !result && (op == "exch" || op == "cas") {
		d.fail("no .%s of .%s", op, t.name)
		return
	}
	i, dst := 0, -1
	if result {
		dst = d.dst(0, t)
		i = 1
	}
	p := d.pointer(i, space, t.bytes())
	p.atomic, p.narrow = true, scope == "cta" || scope == "cluster"
	b, c := d.src(i+1, t), -1
	if op == "cas" {
		c = d.src(i+2, t)
	}
	d.in.exec = func(w *warp, m uint32) {
		addrs, x := w.r[p.base], w.r[b]
		for l := range 32 {
			if m>>l&1 == 0 {
				continue
			}
			old := w.atomic(&p, l, addrs[l]+p.offset, func(old uint64) uint64 {
				switch {
				case c < 0:
					return f(old, x[l])
				case old == x[l]:
					return w.r[c][l]
				}
				return old
			})
			if dst >= 0 {
				w.r[dst][l] = old
			}
		}
	}
}

// atomic changes a place in shared or global memory and returns what was there.
func (w *warp) atomic(p *pointer, lane int, addr uint64, change func(uint64) uint64) uint64 {
	space, addr := w.locate(p, lane, addr)
	n := int(p.size)
	switch space {
	case "shared":
		off := w.within(lane, space, addr, p.size, len(w.b.shared.data))
		w.readShared(lane, off, p.size, true)
		old := get(w.b.shared.data[off:], n)
		var b [8]byte
		put(b[:], n, change(old))
		w.writeShared(lane, off, b[:n], true)
		return old
	case "global":
		s, off := w.global(lane, addr, p.size)
		if s.fixed {
			w.fault(lane, "writes to a constant at %#x", addr)
		}
		w.b.l.mem.atomics.Lock()
		defer w.b.l.mem.atomics.Unlock()
		if !p.narrow {
			w.b.l.mem.ordered(addr, &w.b.marks, w.fenced)
		}
		old := get(s.data[off:], n)
		put(s.data[off:], n, change(old))
		return old
	}
	w.outside(lane, "global", p.size, addr)
	return 0
}
