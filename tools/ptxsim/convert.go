package ptxsim

import "math"

var conversions = map[string]func(*decoder){
	"cvt":  cvt,
	"mov":  mov,
	"cvta": cvta,
}

func toFloat(t typ) func(uint64) float64 {
	switch t.name {
	case "f32":
		return func(x uint64) float64 { return float64(f32(x)) }
	case "f64":
		return math.Float64frombits
	}
	for _, h := range halves {
		if t.name == h.name {
			return h.to
		}
	}
	return nil
}

func fromFloat(t typ) func(float64) uint64 {
	switch t.name {
	case "f32":
		return func(f float64) uint64 { return bits32(float32(f)) }
	case "f64":
		return math.Float64bits
	}
	for _, h := range halves {
		if t.name == h.name {
			return h.from
		}
	}
	return nil
}

// cvt decodes cvt[.rounding][.ftz][.sat].to.from and cvt.rn.f16x2.f32 d, a, b.
func cvt(d *decoder) {
	from := d.typ()
	to := d.typ()
	if to.name == "f16x2" || to.name == "bf16x2" {
		cvtPair(d, to, from)
		return
	}
	round := d.take("rn", "rz", "rm", "rp", "rni", "rzi", "rmi", "rpi")
	ftz := d.take("ftz") != ""
	sat := d.take("sat") != ""
	dst, a := d.dstOf(d.arg(0), to, true), d.srcOf(d.arg(1), from, true)
	get, put := toFloat(from), fromFloat(to)
	floats := from.class == floatClass
	if from.class == predClass || to.class == predClass || floats && get == nil || to.class == floatClass && put == nil ||
		from.class == bitsClass || to.class == bitsClass {
		d.fail("no conversion from .%s to .%s", from.name, to.name)
		return
	}
	if ftz {
		if from.name == "f32" {
			g := get
			get = func(x uint64) float64 {
				if x&0x7f800000 == 0 {
					x &= 1 << 31
				}
				return g(x)
			}
		}
		if to.name == "f32" {
			p := put
			put = func(f float64) uint64 {
				x := p(f)
				if x&0x7f800000 == 0 {
					x &= 1 << 31
				}
				return x
			}
		}
	}
	var f func(uint64) uint64
	switch {
	case floats && to.class == floatClass:
		whole := map[string]func(float64) float64{"": nil, "rn": nil, "rni": math.RoundToEven, "rzi": math.Trunc, "rmi": math.Floor, "rpi": math.Ceil}
		r, ok := whole[round]
		switch {
		case !ok && to.name == "f32" && from.name == "f64":
			d.fail(".%s is not simulated", round)
		case !ok && to.bits < from.bits:
			p := put
			put = func(f float64) uint64 { return directed(p, toFloat(to), f, round) }
		case to.bits < from.bits && round == "":
			d.fail("no rounding from .%s to .%s", from.name, to.name)
		case to.bits < from.bits && r != nil:
			d.fail(".%s from .%s to .%s", round, from.name, to.name)
		}
		f = func(x uint64) uint64 {
			v := get(x)
			if r != nil {
				v = r(v)
			}
			if sat {
				v = max(0, min(v, 1))
				if v != v {
					v = 0
				}
			}
			return put(v)
		}
	case floats:
		r, ok := map[string]func(float64) float64{"rni": math.RoundToEven, "rzi": math.Trunc, "rmi": math.Floor, "rpi": math.Ceil}[round]
		if !ok {
			d.fail("no rounding from .%s to .%s", from.name, to.name)
			return
		}
		f = func(x uint64) uint64 { return clampInt(r(get(x)), to) }
	case to.class == floatClass:
		if round != "rn" && round != "rz" {
			d.fail("no rounding from .%s to .%s", from.name, to.name)
		}
		f = func(x uint64) uint64 {
			return intToFloat(from.extend(x&from.mask()), from.class == signedClass, to, put)
		}
		if round == "rz" && from.bits > 16 {
			d.fail(".rz is not simulated from .%s", from.name)
		}
	default:
		if round != "" {
			d.fail(".%s between integers", round)
		}
		f = func(x uint64) uint64 { return from.extend(x & from.mask()) }
		if sat {
			f = func(x uint64) uint64 { return saturate(from.extend(x&from.mask()), from, to) }
		}
	}
	// A result narrower than its register is extended to it.
	width := to.mask()
	if o := d.arg(0); o.kind == regOperand {
		width = o.reg.t.mask()
	}
	if to.class == floatClass {
		d.run1(dst, a, each1(f))
		return
	}
	d.run1(dst, a, each1(func(x uint64) uint64 { return to.extend(f(x)&to.mask()) & width }))
}

// directed rounds v to the format of put and get towards zero, minus or plus infinity.
func directed(put func(float64) uint64, get func(uint64) float64, v float64, mode string) uint64 {
	r := put(v)
	x := get(r)
	if mode == "rz" {
		if mode = "rm"; v < 0 {
			mode = "rp"
		}
	}
	if x > v && mode == "rm" || x < v && mode == "rp" {
		if (x > v) == (x > 0) { // the neighbour nearer to zero
			return r - 1
		}
		return r + 1
	}
	return r
}

// clampInt gives the integer f in type t; NaN gives 0, what is too large the nearest.
func clampInt(f float64, t typ) uint64 {
	if f != f {
		return 0
	}
	if t.class == signedClass {
		limit := math.Ldexp(1, t.bits-1)
		switch {
		case f >= limit:
			return 1<<(t.bits-1) - 1
		case f < -limit:
			return 1 << (t.bits - 1)
		}
		return uint64(int64(f))
	}
	switch {
	case f >= math.Ldexp(1, t.bits):
		return t.mask()
	case f <= 0:
		return 0
	case f >= 1<<63:
		return uint64(int64(f-1<<63)) | 1<<63
	}
	return uint64(int64(f))
}

// intToFloat rounds once, whatever the sizes.
func intToFloat(x uint64, sign bool, to typ, put func(float64) uint64) uint64 {
	if to.name == "f32" {
		if sign {
			return bits32(float32(int64(x)))
		}
		return bits32(float32(x))
	}
	if sign {
		return put(float64(int64(x)))
	}
	return put(float64(x))
}

// saturate gives the nearest number of type to.
func saturate(x uint64, from, to typ) uint64 {
	negative := from.class == signedClass && int64(x) < 0
	hi := to.mask()
	if to.class == signedClass {
		hi >>= 1
		if lo := ^hi; negative && int64(x) < int64(lo) {
			return lo
		}
	} else if negative {
		return 0
	}
	if !negative && x > hi {
		return hi
	}
	return x
}

// cvtPair packs two f32: the first operand becomes the high half.
func cvtPair(d *decoder, to, from typ) {
	d.must("rn")
	relu := d.take("relu") != ""
	if from.name != "f32" {
		d.fail("no conversion from .%s to .%s", from.name, to.name)
	}
	put := fromFloat(types[to.name[:len(to.name)-2]])
	one := func(x uint64) uint64 {
		f := float64(f32(x))
		if relu && f < 0 {
			f = 0
		}
		return put(f)
	}
	dst, a, b := d.dst(0, to), d.src(1, from), d.src(2, from)
	d.run2(dst, a, b, each2(func(a, b uint64) uint64 { return one(a)<<16 | one(b) }))
}

// mov copies, also predicates, and packs or unpacks vectors: mov.b32 {a, b}, c.
func mov(d *decoder) {
	t := d.typ()
	if t.class == predClass {
		dst, a := d.pred(0), d.cond(1)
		d.in.exec = func(w *warp, m uint32) { w.setPred(dst, a(w), m) }
		return
	}
	if t.bits < 16 {
		d.fail("no form for .%s", t.name)
		return
	}
	if d.has(1) && (d.args[0].kind == vecOperand || d.args[1].kind == vecOperand) {
		movVector(d, t)
		return
	}
	dst, a := d.dst(0, t), d.src(1, t)
	d.run1(dst, a, func(d, a *lanes) { *d = *a })
}

func movVector(d *decoder, t typ) {
	unpack := d.args[0].kind == vecOperand
	packed := 0
	if unpack {
		packed = 1
	}
	elems := d.vector(1-packed, 2, 4)
	if t.class != bitsClass || t.bits < 8*len(elems) || t.bits/len(elems) < 8 {
		d.fail("no form for .%s", t.name)
		return
	}
	e := types[map[int]string{8: "b8", 16: "b16", 32: "b32"}[t.bits/len(elems)]]
	if unpack {
		a := d.src(1, t)
		d.arg(0)
		slots := make([]int, len(elems))
		for i, o := range elems {
			slots[i] = d.dstOf(o, e, e.bits == 8)
		}
		d.in.exec = func(w *warp, m uint32) {
			x := w.r[a]
			for i, s := range slots {
				for l := range 32 {
					if m>>l&1 != 0 {
						w.r[s][l] = x[l] >> (i * e.bits) & e.mask()
					}
				}
			}
		}
		return
	}
	dst := d.dst(0, t)
	slots := make([]int, len(elems))
	for i, o := range elems {
		slots[i] = d.srcOf(o, e, e.bits == 8)
	}
	d.in.exec = func(w *warp, m uint32) {
		var r lanes
		for i, s := range slots {
			for l := range r {
				r[l] |= w.r[s][l] & e.mask() << (i * e.bits)
			}
		}
		w.r[dst].blend(&r, m)
	}
}

// cvta turns an address of a space into a generic one, or with .to back.
func cvta(d *decoder) {
	back := d.take("to") != ""
	space := d.must("global", "const", "shared", "local")
	t := d.typ()
	if t.name != "u64" {
		d.fail("no form for .%s", t.name)
	}
	window := map[string]uint64{"shared": sharedWindow, "local": localWindow}[space]
	if back {
		window = -window
	}
	dst, a := d.dst(0, t), d.src(1, t)
	d.run1(dst, a, each1(func(a uint64) uint64 { return a + window }))
}
