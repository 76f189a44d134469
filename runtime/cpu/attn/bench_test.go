package attn_test

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cpu/attn"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
)

var caches = []graph.DType{graph.F32, graph.F16}

// layers is how many caches the token benchmark cycles through, so that they come
// from memory rather than from a cache.
const layers = 24

// BenchmarkToken is a token at depth 4096, in bytes of the cache, beside a plain
// read of as many.
func BenchmarkToken(b *testing.B) {
	for _, cache := range caches {
		for _, s := range []shape{
			{1, 1, 8, 2, 256, 256, 4096, false, cache}, {1, 1, 16, 2, 256, 256, 4096, false, cache}, {1, 1, 32, 1, 576, 512, 4096, true, cache},
		} {
			calls := make([]*attn.Call, layers)
			for i := range calls {
				calls[i] = s.call(b, 0)
			}
			c := calls[0]
			used := func(c *attn.Call) (keys, values []float32) { // in fours of bytes
				view := func(pool []byte) []float32 {
					n, from := len(pool)/c.P, int(c.Slots[0])*(len(pool)/c.P)
					return unsafe.Slice((*float32)(unsafe.Pointer(&pool[from])), n/4)
				}
				if c.Latent {
					keys = view(c.Keys)
					return keys[:len(keys)/2], keys[len(keys)/2:][:len(keys)/2]
				}
				return view(c.Keys), view(c.Values)
			}
			keys, values := used(c)
			bytes := int64(4 * (len(keys) + len(values)))
			for _, set := range isa.Available()[1:] {
				f, k := vec.For(set), attn.For(set)
				b.Run(fmt.Sprintf("%v/%v/read", set, s), func(b *testing.B) {
					b.SetBytes(bytes)
					for i := 0; b.Loop(); i++ {
						f.Dot(used(calls[i%layers]))
					}
				})
				attention := func(name string, layers int) {
					b.Run(fmt.Sprintf("%v/%v/%s", set, s, name), func(b *testing.B) {
						scratch := make([]float32, c.Scratch())
						b.SetBytes(bytes)
						for i := 0; b.Loop(); i++ {
							for u := range c.Units() {
								k.Run(calls[i%layers], u, scratch)
							}
						}
					})
				}
				attention("attention", layers)
				attention("one cache", 1)
			}
		}
	}
}

// BenchmarkPrompt is a prompt of 512 tokens, to be set against the processor's
// multiply-adds: with AVX-512 mostly 64 FLOP a cycle, with AVX2 32, with NEON 16.
func BenchmarkPrompt(b *testing.B) {
	for _, set := range isa.Available()[1:] {
		k := attn.For(set)
		for _, cache := range caches {
			for _, s := range []shape{
				{1, 512, 8, 2, 256, 256, 0, false, cache}, {1, 512, 8, 2, 256, 256, 4096, false, cache}, {1, 512, 32, 1, 576, 512, 0, true, cache},
			} {
				b.Run(set.String()+"/"+s.String(), func(b *testing.B) {
					c := s.call(b, 0)
					scratch := make([]float32, c.Scratch())
					for b.Loop() {
						for u := range c.Units() {
							k.Run(c, u, scratch)
						}
					}
					gflops(b, s.T*s.H*(s.K+s.V)*(2*s.past+s.T+1))
				})
			}
		}
	}
}

func gflops(b *testing.B, flops int) {
	b.ReportMetric(float64(flops)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}
