// Package peak does nothing but multiply-adds, as fast as a core can: what
// benchmarks of kernels are set against.
package peak

import "github.com/deltaloom/deltaloom/runtime/cpu/isa"

//go:generate go -C ../../gen run ./peak ../vec/peak

// For returns the loop of a set that this processor has, nil for the scalar one,
// and how many floating-point operations it does for each of n.
func For(set isa.Set) (multiplyAdd func(n int), flops int) {
	k := sets[set]
	return k.multiplyAdd, 2 * 12 * k.lanes
}

type kernel struct {
	multiplyAdd func(n int)
	lanes       int
}
