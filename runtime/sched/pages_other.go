//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package sched

func mapPages(bytes int) ([]byte, error) { return make([]byte, bytes), nil }

func unmapPages([]byte) {}
