//go:build !nogpu && !android && (linux || windows) && (amd64 || arm64)

package cudasim

import (
	"fmt"
	"maps"
	"unsafe"

	"github.com/deltaloom/deltaloom/tools/ptxsim"
)

// module is loaded code. Its functions go with it.
type module struct {
	*ptxsim.Module
	unloaded bool
}

type kernel struct {
	*ptxsim.Kernel
	of     *module
	shared int // most bytes of dynamic shared memory
}

// launched is one launch of a kernel, with a copy of its parameters.
type launched struct {
	k           *kernel
	grid, block [3]uint32
	shared      int
	params      []byte
}

func (d *Driver) run(l launched) code {
	if l.k.of.unloaded {
		return d.fail(fmt.Errorf("kernel %s: its module was unloaded", l.k.Name))
	}
	d.stats.Kernels[l.k.Name]++
	if err := d.mem.Launch(l.k.Kernel, l.grid, l.block, l.shared, l.params); err != nil {
		return d.fail(err)
	}
	return success
}

// fail makes all later calls fail, as an error of the card does.
func (d *Driver) fail(err error) code {
	d.fault = err
	return illegalAddress
}

func (d *Driver) launch(s *stream, f uintptr, grid, block [3]uint32, shared int, params *unsafe.Pointer) code {
	k := d.kernels[f]
	switch {
	case k == nil:
		return invalidHandle
	case grid[1] > 65535 || grid[2] > 65535 || block[0] > 1024 || block[1] > 1024 || block[2] > 64,
		shared < 0 || shared > k.shared:
		return invalidValue
	}
	for _, n := range []uint32{grid[0], grid[1], grid[2], block[0], block[1], block[2]} {
		if n == 0 || n > 1<<31-1 {
			return invalidValue
		}
	}
	threads := uint64(block[0]) * uint64(block[1]) * uint64(block[2])
	if threads > 1024 || k.MaxThreads > 0 && threads > uint64(k.MaxThreads) {
		return invalidValue
	}
	l := launched{k: k, grid: grid, block: block, shared: shared}
	list := k.Params()
	for i, p := range unsafe.Slice(params, len(list)) {
		l.params = append(l.params, make([]byte, list[i].Offset-len(l.params))...)
		l.params = append(l.params, unsafe.Slice((*byte)(p), list[i].Size)...)
	}
	if s.capture == nil {
		d.stats.Launches++
	}
	return s.put(func() code { return d.run(l) })
}

func (d *Driver) unload(handle uintptr) code {
	m := d.modules[handle]
	if m == nil {
		return invalidHandle
	}
	m.unloaded = true
	delete(d.modules, handle)
	maps.DeleteFunc(d.kernels, func(_ uintptr, k *kernel) bool { return k.of == m })
	return success
}
