package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/deltaloom/deltaloom/quant"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
)

// TestUnpack compares with quant.Split, bit by bit but for the bits of a NaN. Weights
// are random bytes: some scales are NaN, infinite or subnormal.
func TestUnpack(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for _, set := range isa.Available() {
		for _, dt := range types {
			p := panelOf(set, dt)
			if p == nil || p.unpack == nil {
				continue
			}
			t.Run(fmt.Sprintf("%v/%v", set, dt), func(t *testing.T) {
				block, _ := dt.Block()
				group, minima := quant.Groups(dt)
				for _, blocks := range []int{1, 2, 3, 500} {
					n := blocks * block
					w := guarded(t, make([]byte, dt.Bytes(n)))
					for i := range w {
						w[i] = byte(rng.Uint32())
					}
					q, scales, mins := make([]int8, n), make([]float32, n/group), make([]float32, n/group)
					if !minima {
						mins = nil
					}
					if err := quant.Split(dt, q, scales, mins, w); err != nil {
						t.Fatal(err)
					}
					gotQ := guarded(t, make([]byte, n))
					gotScales, gotMins := floats(guarded(t, make([]byte, 4*n/group))), floats(guarded(t, make([]byte, 4*n/group)))
					p.unpack((*int8)(unsafe.Pointer(&gotQ[0])), &gotScales[0], &gotMins[0], &w[0], n)
					for i := range q {
						if int8(gotQ[i]) != q[i] {
							t.Fatalf("%d blocks: q[%d] is %d, want %d", blocks, i, int8(gotQ[i]), q[i])
						}
					}
					for i, v := range scales {
						if !same(gotScales[i], v) {
							t.Fatalf("%d blocks: scale %d is %v, want %v", blocks, i, gotScales[i], v)
						}
					}
					for i, v := range mins {
						if !same(gotMins[i], v) {
							t.Fatalf("%d blocks: minimum %d is %v, want %v", blocks, i, gotMins[i], v)
						}
					}
				}
			})
		}
	}
}

func same(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b }

// BenchmarkUnpack unpacks a row; an element is a byte.
func BenchmarkUnpack(b *testing.B) {
	for _, set := range isa.Available() {
		for _, dt := range types {
			p := panelOf(set, dt)
			if p == nil || p.unpack == nil {
				continue
			}
			b.Run(fmt.Sprintf("%v/%v", dt, set), func(b *testing.B) {
				w := make([]byte, dt.Bytes(benchK))
				q, scales, mins := make([]int8, benchK), make([]float32, benchK/16), make([]float32, benchK/16)
				b.SetBytes(benchK)
				for b.Loop() {
					p.unpack(&q[0], &scales[0], &mins[0], &w[0], benchK)
				}
			})
		}
	}
}
