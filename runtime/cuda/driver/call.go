package driver

import "sync"

// blocks lends the memory for the arguments of a call, which would be garbage
// after it.
var blocks = sync.Pool{New: func() any { return new([8]uintptr) }}

// call calls a function of the driver. A pointer among the arguments must be
// converted in the call expression itself: uintptrescapes then puts what it
// points to on the heap, where it does not move, and keeps it alive.
//
//go:uintptrescapes
//go:noinline
func (a *API) call(p proc, args ...uintptr) error {
	b := blocks.Get().(*[8]uintptr)
	n := copy(b[:], args)
	r := Error(int32(syscallN(p.addr, b[:n])))
	blocks.Put(b)
	return a.fail(p, r)
}
