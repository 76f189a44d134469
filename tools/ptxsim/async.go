package ptxsim

var asynchronous = map[string]func(*decoder){
	"cp": cp,
}

// A pending copy has read its source; its data arrives when its wait has passed.
type pendingCopy struct {
	offset uint64 // in shared memory
	data   []byte
}

// copies are those of one thread, in groups; the last group is still open.
type copies struct {
	groups [][]pendingCopy
	open   []pendingCopy
}

func (c *copies) reset() { c.groups, c.open = nil, nil }

func (c *copies) commit() {
	c.groups = append(c.groups, c.open)
	c.open = nil
}

// cp decodes cp.async, its groups and waits.
func cp(d *decoder) {
	d.must("async")
	switch d.take("commit_group", "wait_group", "wait_all") {
	case "commit_group":
		d.in.exec = func(w *warp, m uint32) {
			for ; m != 0; m &= m - 1 {
				w.copies[first(m)].commit()
			}
		}
		return
	case "wait_all":
		d.in.exec = func(w *warp, m uint32) {
			for ; m != 0; m &= m - 1 {
				w.copies[first(m)].commit()
				w.land(first(m), 0)
			}
		}
		return
	case "wait_group":
		o := d.arg(0)
		if o.kind != intOperand {
			d.fail("the number of groups is no literal")
		}
		d.in.exec = func(w *warp, m uint32) {
			for ; m != 0; m &= m - 1 {
				w.land(first(m), o.value)
			}
		}
		return
	}
	cpAsync(d)
}

// land delivers the copies of a lane but those of its last groups.
func (w *warp) land(lane int, last uint64) {
	c := &w.copies[lane]
	for uint64(len(c.groups)) > last {
		for _, p := range c.groups[0] {
			w.writeShared(lane, p.offset, p.data, false)
		}
		c.groups = c.groups[1:]
	}
}

// cpAsync decodes cp.async.ca|cg.shared.global [to], [from], size[, bytes]: what the source does
// not fill are zeros.
func cpAsync(d *decoder) {
	cache := d.must("ca", "cg")
	if d.space("shared") != "shared" || d.take("global") == "" {
		d.fail("cp.async copies from global to shared memory")
	}
	for d.take("L2::64B", "L2::128B", "L2::256B") != "" {
	}
	o := d.arg(2)
	size := o.value
	if o.kind != intOperand || size != 16 && (cache == "cg" || size != 4 && size != 8) {
		d.fail("no such size")
		return
	}
	to, from := d.pointer(0, "shared", int(size)), d.pointer(1, "global", int(size))
	bytes := d.f.literal(size)
	if d.has(3) {
		bytes = d.src(3, types["u32"])
	}
	d.in.exec = func(w *warp, m uint32) {
		for ; m != 0; m &= m - 1 {
			l := first(m)
			n := w.r[bytes][l]
			if n > size {
				w.fault(l, "%d bytes of a copy of %d", n, size)
			}
			_, addr := w.locate(&to, l, w.r[to.base][l]+to.offset)
			off := w.within(l, "shared", addr, size, len(w.b.shared.data))
			data := make([]byte, size)
			if n > 0 {
				_, addr := w.locate(&from, l, w.r[from.base][l]+from.offset)
				copy(data, w.loadGlobal(&from, l, addr, n))
			}
			w.poison(l, off, size)
			w.copies[l].open = append(w.copies[l].open, pendingCopy{off, data})
		}
	}
}
