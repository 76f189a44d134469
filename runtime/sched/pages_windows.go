package sched

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// mapPages returns zeroed memory that is not the garbage collector's.
func mapPages(bytes int) ([]byte, error) {
	addr, err := windows.VirtualAlloc(0, uintptr(bytes), windows.MEM_RESERVE|windows.MEM_COMMIT, windows.PAGE_READWRITE)
	if err != nil {
		return nil, err
	}
	// The address is no Go pointer: reinterpreting it says so to vet.
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&addr)), bytes), nil
}

func unmapPages(b []byte) {
	windows.VirtualFree(uintptr(unsafe.Pointer(unsafe.SliceData(b))), 0, windows.MEM_RELEASE)
}
