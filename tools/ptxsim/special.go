package ptxsim

// A special is the slot that a special register has in a kernel.
type special struct {
	slot int
	specialRegister
}

type specialRegister struct {
	bits int
	now  bool // changes while the warp runs
	read func(w *warp, lane int) uint64
}

var specials = func() map[string]specialRegister {
	m := map[string]specialRegister{
		"%laneid":  {bits: 32, read: func(w *warp, l int) uint64 { return uint64(l) }},
		"%warpid":  {bits: 32, read: func(w *warp, l int) uint64 { return uint64(w.number) }},
		"%nwarpid": {bits: 32, read: func(w *warp, l int) uint64 { return uint64(len(w.b.warps)) }},
		"%gridid":  {bits: 32, read: func(w *warp, l int) uint64 { return 0 }},
		"%smid":    {bits: 32, read: func(w *warp, l int) uint64 { return 0 }},
		"%nsmid":   {bits: 32, read: func(w *warp, l int) uint64 { return 1 }},

		"%lanemask_eq": {bits: 32, read: func(w *warp, l int) uint64 { return 1 << l }},
		"%lanemask_lt": {bits: 32, read: func(w *warp, l int) uint64 { return 1<<l - 1 }},
		"%lanemask_le": {bits: 32, read: func(w *warp, l int) uint64 { return 2<<l - 1 }},
		"%lanemask_gt": {bits: 32, read: func(w *warp, l int) uint64 { return allLanes &^ (2<<l - 1) }},
		"%lanemask_ge": {bits: 32, read: func(w *warp, l int) uint64 { return allLanes &^ (1<<l - 1) }},

		"%dynamic_smem_size": {bits: 32, read: func(w *warp, l int) uint64 { return uint64(max(0, w.b.l.shared-w.b.l.dynamic)) }},
		"%total_smem_size":   {bits: 32, read: func(w *warp, l int) uint64 { return uint64(w.b.l.shared) }},

		// Time is the count of the warp's instructions.
		"%clock":          {bits: 32, now: true, read: func(w *warp, l int) uint64 { return uint64(uint32(w.steps)) }},
		"%clock_hi":       {bits: 32, now: true, read: func(w *warp, l int) uint64 { return 0 }},
		"%clock64":        {bits: 64, now: true, read: func(w *warp, l int) uint64 { return uint64(w.steps) }},
		"%globaltimer":    {bits: 64, now: true, read: func(w *warp, l int) uint64 { return uint64(w.steps) }},
		"%globaltimer_lo": {bits: 32, now: true, read: func(w *warp, l int) uint64 { return uint64(uint32(w.steps)) }},
	}
	for i, axis := range []string{".x", ".y", ".z"} {
		m["%tid"+axis] = specialRegister{bits: 32, read: func(w *warp, l int) uint64 { return uint64(w.thread(l)[i]) }}
		m["%ntid"+axis] = specialRegister{bits: 32, read: func(w *warp, l int) uint64 { return uint64(w.b.l.dim[i]) }}
		m["%ctaid"+axis] = specialRegister{bits: 32, read: func(w *warp, l int) uint64 { return uint64(w.b.index[i]) }}
		m["%nctaid"+axis] = specialRegister{bits: 32, read: func(w *warp, l int) uint64 { return uint64(w.b.l.grid[i]) }}
	}
	return m
}()

// refresh reads a register that changes just before the instruction runs.
func (d *decoder) refresh(slot int, s specialRegister) {
	d.before = append(d.before, func(w *warp) {
		for l := range 32 {
			w.r[slot][l] = s.read(w, l)
		}
	})
}
