package delta

import (
	"unsafe"

	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
)

//go:generate go -C ../gen run ./delta ../delta

// Kernels compute the rule with one instruction set: passes over n rows of a state
// and what goes with each of them, in d and o. A row is summed up in an order that
// depends on nothing but the number of keys.
type Kernels struct {
	vec *vec.Funcs
	assembly
}

// assembly takes keys in sixteens. last and next are records of tokens.
type assembly struct {
	dots, dotsChannels   func(s, d *float32, n, keys int, next, r, v, o *float32, vnext, onext int)
	step, stepChannels   func(s, d *float32, n, keys int, last, next, r, v, o *float32, vnext, onext int)
	update               func(s, d *float32, n, keys int, last *float32)
	token, tokenChannels func(s, d *float32, n, keys int, next, v, o, ask *float32) // nil: dots, then update
	products             func(y, q, k *float32, n int)
	ask                  func(x *float32, n int)
}

// For returns the kernels for a set that this processor has.
func For(set isa.Set) *Kernels { return &Kernels{vec.For(set), sets[set]} }

// has tells whether assembly takes that many keys.
func (a *assembly) has(keys int) bool { return a.dots != nil && keys%16 == 0 }

func p(x []float32) *float32 { return unsafe.SliceData(x) }
