package quant

import "github.com/deltaloom/deltaloom/graph"

// Q4_K: 256 elements in 144 bytes: d f16, dmin f16, 8 pairs of scale and
// minimum (k_affine.go), qs[128]. Group k holds the elements from 32·k on; two
// groups share 32 bytes, the even one has the low halves.
func init() {
	register(graph.Q4_K, codec{split: splitQ4_K, group: pairGroup, minima: true, pack: packQ4_K, fault: nanAt(0)})
}

const q4_KQs = 4 + pairBytes // where qs begins

func splitQ4_K(q []int8, scales, mins []float32, src []byte) {
	d, dmin := half(src), half(src[2:])
	for k := range scales {
		sc, mn := pair(src[4:], k)
		scales[k], mins[k] = d*float32(sc), dmin*float32(mn)
		shift := 4 * (k & 1)
		for i, b := range src[q4_KQs+k/2*pairGroup:][:pairGroup] {
			q[k*pairGroup+i] = int8(b >> shift & 15)
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
