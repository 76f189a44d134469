package gemm

import (
	"syscall"
	"testing"
)

// guarded returns a copy of b that ends where a page begins that nobody may read.
func guarded(t testing.TB, b []byte) []byte {
	page := syscall.Getpagesize()
	size := roundUp(len(b), page)
	m, err := syscall.Mmap(-1, 0, size+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(m) })
	if err := syscall.Mprotect(m[size:], syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	w := m[size-len(b) : size : size]
	copy(w, b)
	return w
}
