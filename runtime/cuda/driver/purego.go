//go:build !nogpu && !android && (linux || windows) && (amd64 || arm64)

package driver

import "github.com/ebitengine/purego"

func supported() error { return nil }

// syscallN calls a C function. What the arguments point to must be on the heap.
func syscallN(fn uintptr, args []uintptr) uintptr {
	r, _, _ := purego.SyscallN(fn, args...)
	return r
}
