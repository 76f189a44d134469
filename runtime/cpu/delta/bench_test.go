package delta_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/cpu/delta"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec/peak"
)

// The sizes of Qwen3.5-4B and 9B. Decoding cycles through the states of 36 layers,
// so that they come from memory.
const (
	benchHeads, benchDim = 32, 128
	benchLayers          = 36
	stateBytes           = 4 * benchHeads * benchDim * benchDim
)

// benchNets returns nets of T tokens that share all but their states.
func benchNets(T, Dg, layers int) []delta.Net {
	n := randomNet(rand.New(rand.NewPCG(1, 2)), 1, T, benchHeads, benchHeads, benchDim, benchDim, Dg,
		ops.GatedDeltaNetAttrs{Norm: ops.NormSum, Eps: 1e-6, Scale: 0.0884})
	nets := make([]delta.Net, layers)
	for i := range nets {
		nets[i] = n
		nets[i].State = [][]float32{make([]float32, len(n.State[0]))}
		copy(nets[i].State[0], n.State[0])
	}
	return nets
}

// BenchmarkNet gives bytes of state read and written for tokens on their own, to
// be set against BenchmarkFloor, and operations for prompts, to be set against
// BenchmarkPeak: all for a second of one thread's processor time.
func BenchmarkNet(b *testing.B) {
	for _, set := range isa.Available()[1:] {
		k := delta.For(set)
		for _, decay := range []struct {
			name string
			Dg   int
		}{{"head", 1}, {"channel", benchDim}} {
			scratch := make([]float32, delta.ScratchLen(benchDim, decay.Dg))
			b.Run(fmt.Sprintf("%v/%s/token", set, decay.name), func(b *testing.B) {
				nets := benchNets(1, decay.Dg, benchLayers)
				measure(b, "GB/s", 2*stateBytes, func(i int) {
					n := &nets[i%benchLayers]
					k.Run(n, scratch, 0, n.Rows())
				})
			})
			for _, T := range []int{16, 512, 2048} {
				b.Run(fmt.Sprintf("%v/%s/%d tokens", set, decay.name, T), func(b *testing.B) {
					n := &benchNets(T, decay.Dg, 1)[0]
					measure(b, "GFLOP/s", 7*benchDim*benchDim*benchHeads*T, func(int) { k.Run(n, scratch, 0, n.Rows()) })
				})
			}
		}
	}
}

// BenchmarkFloor scales the states that BenchmarkNet cycles through, in place.
func BenchmarkFloor(b *testing.B) {
	for _, set := range isa.Available()[1:] {
		b.Run(set.String(), func(b *testing.B) {
			f, nets := vec.For(set), benchNets(1, 1, benchLayers)
			measure(b, "GB/s", 2*stateBytes, func(i int) {
				s := nets[i%benchLayers].State[0]
				f.Scale(s, 0.999, s)
			})
		})
	}
}

// BenchmarkPeak does nothing but multiply-adds.
func BenchmarkPeak(b *testing.B) {
	for _, set := range isa.Available()[1:] {
		b.Run(set.String(), func(b *testing.B) {
			multiplyAdd, flops := peak.For(set)
			const n = 1 << 16
			measure(b, "GFLOP/s", n*flops, func(int) { multiplyAdd(n) })
		})
	}
}

// measure reports billions of what f does so many of, over processor time.
func measure(b *testing.B, unit string, each int, f func(i int)) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	n, start := 0, threadTime()
	for b.Loop() {
		f(n)
		n++
	}
	b.ReportMetric(float64(each)*float64(n)/(threadTime()-start).Seconds()/1e9, unit)
}
