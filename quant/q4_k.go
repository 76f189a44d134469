package quant

import "github.com/deltaloom/deltaloom/graph"

// Q4_K: 256 elements in 144 bytes: d f16, dmin f16, 8 pairs of scale and
// minimum (k_affine.go), qs[128]. Group k holds the elements from 32·k on; two
// groups share 32 bytes, the even one has the low halves.
func init() { register(graph.Q4_K, codec{unpackQ4_K, packQ4_K, nanAt(0)}) }

const q4_KQs = 4 + pairBytes // where qs begins

func unpackQ4_K(dst []float32, src []byte) {
	d, dmin := half(src), half(src[2:])
	for k := range kBlock / pairGroup {
		sc, mn := pair(src[4:], k)
		scale, low := d*float32(sc), dmin*float32(mn)
		to, qs, shift := dst[k*pairGroup:], src[q4_KQs+k/2*pairGroup:], 4*(k&1)
		for i, b := range qs[:pairGroup] {
			// The conversion keeps a compiler from rounding once for both.
			to[i] = float32(scale*float32(b>>shift&15)) - low
		}
	}
}

func packQ4_K(dst []byte, src []float32) {
	b := fitAffineBlock(src, pairGroup, 15, pairMost, dst, dst[2:])
	putPairs(dst[4:], b.scale[:], b.low[:])
	for e, q := range b.q {
		k := e / pairGroup
		dst[q4_KQs+k/2*pairGroup+e%pairGroup] |= q << (4 * (k & 1))
	}
}
