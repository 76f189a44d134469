package ptxsim

import "encoding/binary"

var accesses = map[string]func(*decoder){
	"ld":       func(d *decoder) { loadStore(d, true) },
	"ldu":      func(d *decoder) { loadStore(d, true) },
	"st":       func(d *decoder) { loadStore(d, false) },
	"isspacep": isspacep,
}

var le = binary.LittleEndian

// Hints to the caches.
var cacheHints = []string{"ca", "cg", "cs", "lu", "cv", "wb", "wt", "L1::evict_normal", "L1::evict_unchanged", "L1::evict_first", "L1::evict_last",
	"L1::no_allocate", "L2::evict_first", "L2::evict_last", "L2::evict_normal", "L2::64B", "L2::128B", "L2::256B"}

// A pointer is the memory operand of an instruction.
type pointer struct {
	space  string // "" is generic
	base   int    // slot
	offset uint64
	size   uint64 // bytes of an access
	atomic bool   // or volatile, or ordered: never part of a race
	narrow bool   // atomic for a block or a cluster alone
	fixed  bool   // .nc
}

// space takes the state space.
func (d *decoder) space(names ...string) string {
	switch s := d.take(append(names, "shared::cta", "param::entry")...); s {
	case "shared::cta":
		return "shared"
	case "param::entry":
		return "param"
	default:
		return s
	}
}

func (d *decoder) pointer(i int, space string, size int) pointer {
	o := d.arg(i)
	p := pointer{space: space, offset: o.offset, size: uint64(size)}
	if o.kind != memOperand {
		d.fail("operand %d is no address", i+1)
		return p
	}
	t := types["b64"]
	if b := o.base; b.kind == regOperand && b.reg.t.bits == 32 {
		t = types["b32"] // of a space that is small enough
		if space == "" || space == "global" || space == "const" {
			d.fail("a 32-bit address")
		}
	}
	if o.base.kind == nameOperand {
		if v, err := d.f.variable(o.base.name); err == nil {
			switch {
			case space == "" && v.space == "shared":
				p.space = "shared"
			case space == "" && v.space == "local":
				p.space = "local"
			case space == "" && v.space == "param", space != "" && space != v.space:
				d.fail("%s is .%s", v.name, v.space)
			}
		}
	}
	p.base = d.srcOf(*o.base, t, false)
	return p
}

// order takes what says how an access is ordered; true means that it cannot be part of a race.
func (d *decoder) order() bool {
	d.take("weak")
	ordered := d.take("volatile", "relaxed", "acquire", "release", "acq_rel", "mmio", "sc") != ""
	if d.take("cta", "gpu", "sys", "cluster", "gl") != "" && !ordered {
		d.fail("a scope without an order")
	}
	return ordered
}

func loadStore(d *decoder, load bool) {
	ordered := d.order()
	space := d.space("global", "shared", "local", "const", "param")
	fixed := d.take("nc") != ""
	for d.take(cacheHints...) != "" {
	}
	n := map[string]int{"": 1, "v2": 2, "v4": 4}[d.take("v2", "v4")]
	t := d.typ()
	value, addr := 0, 1
	if !load {
		value, addr = 1, 0
	}
	if t.class == predClass || n*t.bytes() > 16 || !load && (space == "const" || space == "param") || fixed && (space != "global" || !load) {
		d.fail("no such access")
		return
	}
	elems := d.vector(value, n)
	p := d.pointer(addr, space, n*t.bytes())
	p.atomic, p.fixed = ordered, fixed
	slots, widths := make([]int, n), make([]uint64, n)
	for i, o := range elems {
		widths[i] = t.mask()
		if o.kind == regOperand {
			widths[i] = o.reg.t.mask()
		}
		if load {
			slots[i] = d.dstOf(o, t, true)
		} else {
			slots[i] = d.srcOf(o, t, true)
		}
	}
	if d.err != nil {
		return
	}
	switch {
	case load:
		d.in.exec = p.loader(t, slots, widths)
	default:
		d.in.exec = p.storer(t, slots)
	}
}

func (p pointer) loader(t typ, slots []int, widths []uint64) func(*warp, uint32) {
	es := t.bytes()
	if es == 4 {
		return func(w *warp, m uint32) {
			base := w.r[p.base] // a copy: the load may overwrite it
			for l := range 32 {
				if m>>l&1 == 0 {
					continue
				}
				b := w.load(&p, l, base[l]+p.offset)
				for i, s := range slots {
					w.r[s][l] = uint64(le.Uint32(b[4*i:]))
				}
			}
		}
	}
	return func(w *warp, m uint32) {
		base := w.r[p.base]
		for l := range 32 {
			if m>>l&1 == 0 {
				continue
			}
			b := w.load(&p, l, base[l]+p.offset)
			for i, s := range slots {
				w.r[s][l] = t.extend(get(b[i*es:], es)) & widths[i]
			}
		}
	}
}

func (p pointer) storer(t typ, slots []int) func(*warp, uint32) {
	es := t.bytes()
	return func(w *warp, m uint32) {
		base := &w.r[p.base]
		var buf [16]byte
		for l := range 32 {
			if m>>l&1 == 0 {
				continue
			}
			if es == 4 {
				for i, s := range slots {
					le.PutUint32(buf[4*i:], uint32(w.r[s][l]))
				}
			} else {
				for i, s := range slots {
					put(buf[i*es:], es, w.r[s][l])
				}
			}
			w.store(&p, l, base[l]+p.offset, buf[:p.size])
		}
	}
}

func get(b []byte, n int) uint64 {
	switch n {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(le.Uint16(b))
	case 4:
		return uint64(le.Uint32(b))
	}
	return le.Uint64(b)
}

func put(b []byte, n int, v uint64) {
	switch n {
	case 1:
		b[0] = byte(v)
	case 2:
		le.PutUint16(b, uint16(v))
	case 4:
		le.PutUint32(b, uint32(v))
	default:
		le.PutUint64(b, v)
	}
}

// locate checks the address and its alignment and gives the space it lies in with the address
// there.
func (w *warp) locate(p *pointer, lane int, addr uint64) (space string, in uint64) {
	if addr&(p.size-1) != 0 && p.space != "param" {
		w.fault(lane, "address %#x is not aligned to the %d bytes of the access", addr, p.size)
	}
	if p.space != "" {
		return p.space, addr
	}
	switch {
	case addr >= localWindow && addr < 2*localWindow:
		return "local", addr - localWindow
	case addr >= sharedWindow && addr < 2*sharedWindow:
		return "shared", addr - sharedWindow
	}
	return "global", addr
}

func (w *warp) outside(lane int, space string, size, addr uint64) {
	w.fault(lane, "%d bytes at %#x are outside of %s memory", size, addr, space)
}

// within gives the offset of an address in a space of n bytes that begins at spaceBase.
func (w *warp) within(lane int, space string, addr, size uint64, n int) uint64 {
	off := addr - spaceBase
	if addr < spaceBase || off > uint64(n) || size > uint64(n)-off {
		w.outside(lane, space, size, addr)
	}
	return off
}

// global gives the segment of an access to global memory, and the offset in it.
func (w *warp) global(lane int, addr, size uint64) (*segment, uint64) {
	s := w.seg
	off := addr - s.base
	if addr < s.base || off >= uint64(len(s.data)) || size > uint64(len(s.data))-off {
		if s = w.b.l.mem.find(addr); s == nil || size > uint64(len(s.data))-(addr-s.base) {
			w.outside(lane, "global", size, addr)
		}
		w.seg, off = s, addr-s.base
	}
	return s, off
}

// load gives the bytes that a lane reads.
func (w *warp) load(p *pointer, lane int, addr uint64) []byte {
	space, addr := w.locate(p, lane, addr)
	switch space {
	case "shared":
		off := w.within(lane, space, addr, p.size, len(w.b.shared.data))
		w.readShared(lane, off, p.size, p.atomic)
		return w.b.shared.data[off : off+p.size]
	case "local":
		off := w.within(lane, space, addr, p.size, w.k.local)
		return w.local[lane*w.k.local+int(off):][:p.size]
	case "param":
		if addr > uint64(len(w.b.l.params)) || p.size > uint64(len(w.b.l.params))-addr {
			w.outside(lane, space, p.size, addr)
		}
		return w.b.l.params[addr : addr+p.size]
	}
	return w.loadGlobal(p, lane, addr, p.size)
}

func (w *warp) loadGlobal(p *pointer, lane int, addr, size uint64) []byte {
	s, off := w.global(lane, addr, size)
	w.fenced = false
	if p.atomic {
		w.b.l.mem.atomics.Lock()
		b := append([]byte(nil), s.data[off:off+size]...)
		w.b.l.mem.atomics.Unlock()
		return b
	}
	if !s.fixed {
		racer, stale := w.b.marks.read(s, off, size)
		if racer >= 0 {
			w.fault(lane, "race in global memory: reads at %#x what block %v writes in the same launch", addr, w.b.indexOf(racer))
		}
		if stale && p.fixed {
			w.fault(lane, "reads by ld.global.nc at %#x what the launch has written", addr)
		}
	}
	return s.data[off : off+size]
}

// store writes the bytes of a lane.
func (w *warp) store(p *pointer, lane int, addr uint64, data []byte) {
	space, addr := w.locate(p, lane, addr)
	switch space {
	case "shared":
		w.writeShared(lane, w.within(lane, space, addr, p.size, len(w.b.shared.data)), data, p.atomic)
		return
	case "local":
		copy(w.local[lane*w.k.local+int(w.within(lane, space, addr, p.size, w.k.local)):], data)
		return
	}
	s, off := w.global(lane, addr, p.size)
	w.fenced = false
	if s.fixed {
		w.fault(lane, "writes to a constant at %#x", addr)
	}
	if p.atomic {
		w.b.l.mem.atomics.Lock()
		copy(s.data[off:], data)
		w.b.l.mem.atomics.Unlock()
		return
	}
	if racer, read := w.b.marks.write(s, off, p.size); racer >= 0 {
		switch {
		case racer == manyReaders:
			w.fault(lane, "race in global memory: writes at %#x what other blocks read in the same launch", addr)
		case read:
			w.fault(lane, "race in global memory: writes at %#x what block %v reads in the same launch", addr, w.b.indexOf(racer))
		}
		w.fault(lane, "race in global memory: writes at %#x what block %v writes in the same launch", addr, w.b.indexOf(racer))
	}
	copy(s.data[off:], data)
}

func isspacep(d *decoder) {
	space := d.must("global", "shared", "local", "const")
	dst, a := d.pred(0), d.src(1, types["u64"])
	f := lanesWhere(func(x uint64) uint64 { return x }, func(x, _ uint64) bool {
		switch {
		case x >= localWindow && x < 2*localWindow:
			return space == "local"
		case x >= sharedWindow && x < 2*sharedWindow:
			return space == "shared"
		}
		return space == "global"
	})
	d.in.exec = func(w *warp, m uint32) { w.setPred(dst, f(&w.r[a], &w.r[a]), m) }
}
