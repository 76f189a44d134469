package driver

import "sync"

// call calls a function of the driver. A pointer among the arguments must be
// converted in the call expression itself: uintptrescapes then puts what it
// points to on the heap, where it does not move, and keeps it alive.
//
//go:uintptrescapes
//go:noinline
func (a *API) call(p proc, args ...uintptr) error { return a.fail(p, p.result(args...)) }

// result is call without the words of the driver.
//
//go:uintptrescapes
//go:noinline
func (p proc) result(args ...uintptr) Error { return Error(int32(syscallN(p.addr, args))) }

// blocks lends the memory for the arguments of repeat.
var blocks = sync.Pool{New: func() any { return new([4]uintptr) }}

// repeat is call for what a program does again and again: it allocates nothing. A
// function that takes fewer arguments does not look at the rest.
//
//go:uintptrescapes
//go:noinline
func (a *API) repeat(p proc, a0, a1, a2, a3 uintptr) error {
	b := blocks.Get().(*[4]uintptr)
	*b = [4]uintptr{a0, a1, a2, a3}
	r := Error(int32(syscallN(p.addr, b[:])))
	blocks.Put(b)
	return a.fail(p, r)
}
