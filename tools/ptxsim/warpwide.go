package ptxsim

// Instructions in which the lanes of a warp exchange values. They run once all members are there.
var warpWide = map[string]func(*decoder){
	"shfl":       shfl,
	"vote":       vote,
	"match":      match,
	"redux":      redux,
	"activemask": activemask,
}

// shfl.sync.mode.b32 d[|p], a, b, c, members.
func shfl(d *decoder) {
	d.must("sync")
	mode := d.must("up", "down", "bfly", "idx")
	t := d.typ()
	if t.name != "b32" {
		d.fail("no form for .%s", t.name)
	}
	o := d.arg(0)
	dst, valid := d.dstOf(o, t, false), -1
	if o.second != nil {
		valid = d.predOf(*o.second)
	}
	a, b, c := d.src(1, t), d.src(2, t), d.src(3, t)
	d.members(4)
	d.in.exec = func(w *warp, m uint32) {
		x, by, clamp := w.r[a], w.r[b], w.r[c]
		var ok uint32
		for l := range 32 {
			if m>>l&1 == 0 {
				continue
			}
			n, segment := int(by[l]&31), int(clamp[l]>>8&31)
			last := l&segment | int(clamp[l]&31)&^segment
			from, in := 0, false
			switch mode {
			case "up":
				from = l - n
				in = from >= last
			case "down":
				from = l + n
				in = from <= last
			case "bfly":
				from = l ^ n
				in = from <= last
			case "idx":
				from = l&segment | n&^segment
				in = from <= last
			}
			if !in {
				from = l
			} else {
				ok |= 1 << l
			}
			if m>>from&1 == 0 {
				w.fault(l, "takes the value of lane %d, which does not take part", from)
			}
			w.r[dst][l] = x[from]
		}
		if valid >= 0 {
			w.setPred(valid, ok, m)
		}
	}
}

func vote(d *decoder) {
	d.must("sync")
	mode := d.must("all", "any", "uni", "ballot")
	t := d.typ()
	p := d.cond(1)
	d.members(2)
	if mode == "ballot" {
		if t.name != "b32" {
			d.fail("no form for .%s", t.name)
		}
		dst := d.dst(0, t)
		d.in.exec = func(w *warp, m uint32) { w.fill(dst, uint64(p(w)&m), m) }
		return
	}
	if t.class != predClass {
		d.fail("no form for .%s", t.name)
	}
	dst := d.pred(0)
	d.in.exec = func(w *warp, m uint32) {
		v := p(w) & m
		var r bool
		switch mode {
		case "all":
			r = v == m
		case "any":
			r = v != 0
		case "uni":
			r = v == m || v == 0
		}
		w.setPred(dst, -bit(r), m)
	}
}

// fill gives the lanes of the mask one value.
func (w *warp) fill(slot int, v uint64, m uint32) {
	for l := range 32 {
		if m>>l&1 != 0 {
			w.r[slot][l] = v
		}
	}
}

func match(d *decoder) {
	mode := d.must("any", "all")
	d.must("sync")
	t := d.typ()
	if t.name != "b32" && t.name != "b64" {
		d.fail("no form for .%s", t.name)
	}
	o := d.arg(0)
	dst, equal := d.dstOf(o, types["b32"], false), -1
	if o.second != nil {
		if mode == "any" {
			d.fail("match.any has no predicate")
		}
		equal = d.predOf(*o.second)
	}
	a := d.src(1, t)
	d.members(2)
	d.in.exec = func(w *warp, m uint32) {
		x := w.r[a]
		all := uint32(allLanes)
		for l := range 32 {
			if m>>l&1 == 0 {
				continue
			}
			var same uint32
			for j := range 32 {
				if m>>j&1 != 0 && x[j] == x[l] {
					same |= 1 << j
				}
			}
			if same != m {
				all = 0
			}
			w.r[dst][l] = uint64(same)
		}
		if mode == "all" {
			w.fill(dst, uint64(m&all), m)
			if equal >= 0 {
				w.setPred(equal, all, m)
			}
		}
	}
}

func redux(d *decoder) {
	d.must("sync")
	op := d.must("add", "min", "max", "and", "or", "xor")
	t := d.typ()
	if t.bits != 32 || t.class == floatClass || (t.class == bitsClass) != (op == "and" || op == "or" || op == "xor") {
		d.fail("no form for .%s", t.name)
		return
	}
	f := combine(op, t)
	dst, a := d.dst(0, t), d.src(1, t)
	d.members(2)
	d.in.exec = func(w *warp, m uint32) {
		r := w.r[a][first(m)]
		for x := m & (m - 1); x != 0; x &= x - 1 {
			r = f(r, w.r[a][first(x)])
		}
		w.fill(dst, r, m)
	}
}

func activemask(d *decoder) {
	t := d.typ()
	dst := d.dst(0, t)
	if t.name != "b32" {
		d.fail("no form for .%s", t.name)
	}
	d.in.exec = func(w *warp, m uint32) { w.fill(dst, uint64(m), m) }
}
