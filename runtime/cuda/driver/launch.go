package driver

import (
	"bytes"
	"runtime"
	"slices"
	"unsafe"
)

// Launch is one launch of a kernel, built once and run often. It is no use to
// two goroutines at the same time.
type Launch struct {
	args     [11]uintptr // of cuLaunchKernel
	pointers []Ptr
	params   []unsafe.Pointer // to each of pointers and to the struct
}

// Places in Launch.args.
const (
	argStream = 8
	argParams = 9
)

// NewLaunch builds a launch of a kernel that takes pointers and then one struct
// by value, given as its bytes; without bytes there is no struct. The grid is in
// blocks, the block in threads, shared the bytes of dynamic shared memory. The
// number and the sizes of the parameters must be those of the kernel, which the
// driver cannot check.
//
// args holds the address of params as a number, which is right on the heap alone:
// what a function returns that is not inlined lies there.
//
//go:noinline
func NewLaunch(f Function, grid, block [3]int, shared int, pointers []Ptr, params []byte) *Launch {
	l := &Launch{pointers: slices.Clone(pointers), params: make([]unsafe.Pointer, len(pointers), len(pointers)+1)}
	for i := range l.pointers {
		l.params[i] = unsafe.Pointer(&l.pointers[i])
	}
	if len(params) > 0 {
		l.params = append(l.params, unsafe.Pointer(&bytes.Clone(params)[0]))
	}
	l.args = [11]uintptr{
		uintptr(f),
		uintptr(grid[0]), uintptr(grid[1]), uintptr(grid[2]),
		uintptr(block[0]), uintptr(block[1]), uintptr(block[2]),
		uintptr(shared),
		argParams: uintptr(unsafe.Pointer(unsafe.SliceData(l.params))),
	}
	return l
}

// SetPointer changes a pointer of the kernel for the launches to come.
func (l *Launch) SetPointer(i int, p Ptr) { l.pointers[i] = p }

// Launch starts a kernel in the order of the stream; the driver copies the
// parameters meanwhile. It allocates nothing.
func (a *API) Launch(s Stream, l *Launch) error {
	l.args[argStream] = uintptr(s)
	r := Error(int32(syscallN(a.launchKernel.addr, l.args[:])))
	runtime.KeepAlive(l)
	return a.fail(a.launchKernel, r)
}
