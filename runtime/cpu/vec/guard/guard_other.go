//go:build !linux

// Package guard makes slices between pages that may not be touched, where the
// system is Linux.
package guard

import "testing"

// Slices returns two slices of n elements.
func Slices[T any](t testing.TB, n int) [2][]T { return [2][]T{make([]T, n), make([]T, n)} }
