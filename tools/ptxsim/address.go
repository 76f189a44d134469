package ptxsim

// spaceOf tells which space an instruction names; generic addresses say it themselves.
func spaceOf(mods []string) string {
	for _, m := range mods {
		switch m {
		case "global", "shared", "local", "param", "const":
			return m
		}
	}
	return "generic"
}

// at finds n bytes for a lane and checks bounds and alignment, which is n.
func (w *warp) at(in *instr, lane int, space string, addr, n uint64, write bool) []byte {
	if addr%n != 0 && space != "param" {
		w.fault(in, lane, "%s address %#x is not a multiple of %d", space, addr, n)
	}
	if space == "generic" {
		switch addr >> 32 {
		case sharedBase >> 32:
			space, addr = "shared", addr-sharedBase
		case localBase >> 32:
			space, addr = "local", addr-localBase
		default:
			space = "global"
		}
	}
	switch space {
	case "shared":
		if b := w.b; addr < uint64(len(b.shared)) && n <= uint64(len(b.shared))-addr {
			w.touchShared(in, lane, addr, n, write, false)
			return b.shared[addr:]
		}
	case "local":
		size := uint64(w.b.k.local)
		if addr < size && n <= size-addr {
			return w.local[uint64(lane)*size+addr:]
		}
	case "param":
		if p := w.b.l.params; !write && addr < uint64(len(p)) && n <= uint64(len(p))-addr {
			return p[addr:]
		}
	default:
		if t := w.b.l.m.tables; !write && addr >= tableBase && addr < globalBase {
			if off := addr - tableBase; off < uint64(len(t)) && n <= uint64(len(t))-off {
				return t[off:]
			}
			break
		}
		if a := w.allocation(addr); a != nil {
			if off := addr - a.base; n <= uint64(len(a.data))-off {
				if write && a.access.Load() == nil {
					w.b.l.mem.watch(a)
				}
				w.touchGlobal(in, lane, a, off, n, write)
				return a.data[off:]
			}
		}
	}
	verb := "read"
	if write {
		verb = "write"
	}
	w.fault(in, lane, "%s of %d bytes of %s memory at %#x: out of bounds", verb, n, space, addr)
	return nil
}

// allocation finds the one that an address is in. Launches are over before anything is
// allocated or freed.
func (w *warp) allocation(addr uint64) *allocation {
	if a := w.recent; a != nil && addr-a.base < uint64(len(a.data)) {
		return a
	}
	m := w.b.l.mem
	i, ok := m.find(addr)
	if !ok {
		return nil
	}
	w.recent = m.allocs[i]
	return w.recent
}

// watch begins to note the accesses to an allocation.
func (m *Memory) watch(a *allocation) {
	m.atomics.Lock()
	defer m.atomics.Unlock()
	if a.access.Load() == nil {
		words := make([]access, (len(a.data)+3)/4)
		a.access.Store(&words)
	}
}
