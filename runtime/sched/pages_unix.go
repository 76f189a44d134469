//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package sched

import "syscall"

// mapPages returns zeroed memory that is not the garbage collector's.
func mapPages(bytes int) ([]byte, error) {
	return syscall.Mmap(-1, 0, bytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
}

func unmapPages(b []byte) { syscall.Munmap(b) }
