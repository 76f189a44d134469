// Package guard makes slices between pages that may not be touched, for tests
// that kernels stay inside their operands.
package guard

import (
	"os"
	"syscall"
	"testing"
	"unsafe"
)

// Slices returns two slices of n elements: one ends where a guard page starts,
// the other starts where one ends.
func Slices[T any](t testing.TB, n int) [2][]T {
	page, size := os.Getpagesize(), n*int(unsafe.Sizeof(*new(T)))
	body := max(size+page-1, page) / page * page
	m, err := syscall.Mmap(-1, 0, body+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(m) })
	for _, g := range [][]byte{m[:page], m[page+body:]} {
		if err := syscall.Mprotect(g, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	at := func(i int) []T { return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(m[i:]))), n) }
	return [2][]T{at(page + body - size), at(page)}
}
