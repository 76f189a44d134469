package attn_test

import (
	"testing"

	"github.com/deltaloom/deltaloom/runtime/cpu/attn"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
)

var tokenShape = shape{1, 1, 8, 2, 256, 256, 4096, false}

// layers is how many caches the token benchmark cycles through, so that they come
// from memory rather than from a cache.
const layers = 24

// BenchmarkToken is a token at depth 4096, in bytes of the cache, beside a plain
// read of as many.
func BenchmarkToken(b *testing.B) {
	calls := make([]*attn.Call, layers)
	for i := range calls {
		calls[i] = tokenShape.call(b, 0)
	}
	c := calls[0]
	bytes := int64(4 * 2 * c.Len * c.G * c.K)
	for _, set := range isa.Available()[1:] {
		f, k := vec.For(set), attn.For(set)
		b.Run(set.String()+"/read", func(b *testing.B) {
			b.SetBytes(bytes)
			for i := 0; b.Loop(); i++ {
				c := calls[i%layers]
				n := c.Len * c.G * c.K
				from := int(c.Slots[0]) * c.C * c.G * c.K
				f.Dot(c.Keys[from:from+n], c.Values[from:from+n])
			}
		})
		b.Run(set.String()+"/attention", func(b *testing.B) {
			scratch := make([]float32, c.Scratch())
			b.SetBytes(bytes)
			for i := 0; b.Loop(); i++ {
				for u := range c.Units() {
					k.Run(calls[i%layers], u, scratch)
				}
			}
		})
		b.Run(set.String()+"/one cache", func(b *testing.B) {
			scratch := make([]float32, c.Scratch())
			b.SetBytes(bytes)
			for b.Loop() {
				for u := range c.Units() {
					k.Run(c, u, scratch)
				}
			}
		})
	}
}

// BenchmarkPrompt is a prompt of 512 tokens, to be set against the processor's
// multiply-adds: with AVX-512 mostly 64 FLOP a cycle, with AVX2 32, with NEON 16.
func BenchmarkPrompt(b *testing.B) {
	for _, set := range isa.Available()[1:] {
		k := attn.For(set)
		for _, s := range []shape{{1, 512, 8, 2, 256, 256, 0, false}, {1, 512, 8, 2, 256, 256, 4096, false}, {1, 512, 32, 1, 576, 512, 0, true}} {
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

func gflops(b *testing.B, flops int) {
	b.ReportMetric(float64(flops)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}
