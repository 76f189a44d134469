package ptxsim

var controls = map[string]func(*decoder){
	"bra":            bra,
	"brx":            brx,
	"ret":            func(d *decoder) { d.take("uni"); d.in.control = exit },
	"exit":           func(d *decoder) { d.in.control = exit },
	"trap":           trap,
	"brkpt":          nothing(0),
	"nanosleep":      nothing(1, "u32"),
	"membar":         fence,
	"fence":          fence,
	"griddepcontrol": nothing(0, "wait", "launch_dependents"),
	"prefetch":       nothing(1, "global", "local", "L1", "L2", "L2::evict_last", "L2::evict_normal"),
	"prefetchu":      nothing(1, "L1"),
	"call":           func(d *decoder) { d.fail("calls are not simulated: inline the function") },
	"bar":            bar,
	"barrier":        bar,
}

// nothing decodes an instruction of so many operands that has no effect here.
func nothing(operands int, mods ...string) func(*decoder) {
	return func(d *decoder) {
		for d.take(mods...) != "" {
		}
		for i := range operands {
			d.arg(i)
		}
		d.in.exec = func(*warp, uint32) {}
	}
}

func (d *decoder) jump(i int) {
	o := d.arg(i)
	if o.kind != nameOperand {
		d.fail("no label")
	}
	d.f.jumps = append(d.f.jumps, jump{len(d.f.k.code), o.name, d.f.scope})
}

func bra(d *decoder) {
	d.take("uni")
	d.in.control = branch
	d.jump(0)
}

func brx(d *decoder) {
	d.must("idx")
	d.take("uni")
	d.in.control = indexed
	d.in.index = d.src(0, types["u32"])
	d.jump(1)
}

func trap(d *decoder) {
	d.in.exec = func(w *warp, m uint32) { w.fault(first(m), "the kernel traps") }
}

func liveLanes(w *warp, _ int) uint32 { return w.live }

// bar decodes the barriers: bar[.warp].sync, bar.arrive, barrier.sync.aligned.
func bar(d *decoder) {
	u32 := types["u32"]
	d.take("cta")
	if d.take("warp") != "" {
		d.must("sync")
		d.members(0)
		d.in.exec = func(w *warp, _ uint32) { w.met = uint32(w.steps) }
		return
	}
	d.take("aligned")
	stays := d.must("sync", "arrive") == "sync"
	id, want := d.src(0, u32), d.f.literal(0)
	if d.has(1) {
		want = d.src(1, u32)
	} else if !stays {
		d.fail("bar.arrive without a number of threads")
	}
	d.in.control = barrier
	d.in.members = liveLanes
	d.in.exec = func(w *warp, m uint32) {
		l := first(m)
		n, t := w.r[id][l], w.r[want][l]
		if n > 15 || t%32 != 0 || t > 1024 {
			w.fault(l, "barrier %d of %d threads", n, t)
		}
		w.b.arrive(w, m, int(n), int(t), stays)
	}
}

// members makes the instruction wait for the lanes that operand i names.
func (d *decoder) members(i int) {
	mask := d.src(i, types["b32"])
	d.in.control = together
	d.in.members = func(w *warp, lane int) uint32 { return uint32(w.r[mask][lane]) }
}
