package gemm

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/deltaloom/deltaloom/quant"
)

// TestUnpackNEON unpacks random bytes, most scales of which no one would write, between
// pages that nobody may touch, and compares with quant.Split.
func TestUnpackNEON(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for dt, p := range neonPanels {
		block, size := dt.Block()
		group, _ := quant.Groups(dt)
		for blocks := 1; blocks <= 9; blocks++ {
			n := blocks * block
			w := make([]byte, blocks*size)
			for i := range w {
				w[i] = byte(rng.Uint32())
			}
			w[0] = byte(blocks - 1) // the exponents of MXFP4 without a normal number
			want, got := newParts(t, n, group), newParts(t, n, group)
			if err := quant.Split(dt, want.q, want.scales, want.mins, w); err != nil {
				t.Fatal(err)
			}
			w = guarded(t, w)
			p.unpack(&got.q[0], &got.scales[0], &got.mins[0], &w[0], n)
			for i, q := range want.q {
				if got.q[i] != q {
					t.Fatalf("%v, %d blocks: q[%d] is %d, not %d", dt, blocks, i, got.q[i], q)
				}
			}
			for i := range n / group {
				if !same(got.scales[i], want.scales[i]) || !same(got.mins[i], want.mins[i]) {
					t.Fatalf("%v, %d blocks: scale and minimum %d are %v and %v, not %v and %v", dt, blocks, i,
						got.scales[i], got.mins[i], want.scales[i], want.mins[i])
				}
			}
		}
	}
}

func newParts(t *testing.T, n, group int) parts {
	q := guarded(t, make([]byte, n))
	scales, mins := guarded(t, make([]byte, n/group*4)), guarded(t, make([]byte, n/group*4))
	return parts{unsafe.Slice((*int8)(unsafe.Pointer(&q[0])), n), floats(scales), floats(mins), n}
}

// same holds for equal bits, and for any two NaNs.
func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}
