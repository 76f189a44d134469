package quant

import "github.com/deltaloom/deltaloom/graph"

// Q5_K: 256 elements in 176 bytes: d f16, dmin f16, 8 pairs of scale and
// minimum (k_affine.go), qh[32], qs[128]. qs is as in Q4_K; bit k of qh[i] is the
// highest of element i of group k.
func init() {
	register(graph.Q5_K, codec{split: splitQ5_K, group: pairGroup, minima: true, pack: packQ5_K, fault: nanAt(0)})
}

const (
	q5_KQh = 4 + pairBytes // where qh begins
	q5_KQs = q5_KQh + pairGroup
)

func splitQ5_K(q []int8, scales, mins []float32, src []byte) {
	d, dmin := half(src), half(src[2:])
	qh := src[q5_KQh:q5_KQs]
	for k := range scales {
		sc, mn := pair(src[4:], k)
		scales[k], mins[k] = d*float32(sc), dmin*float32(mn)
		shift := 4 * (k & 1)
		for i, b := range src[q5_KQs+k/2*pairGroup:][:pairGroup] {
			q[k*pairGroup+i] = int8(b>>shift&15 | qh[i]>>k&1<<4)
		}
	}
}

func packQ5_K(dst []byte, src []float32) {
	b := fitAffineBlock(src, pairGroup, 31, pairMost, dst, dst[2:])
	putPairs(dst[4:], b.scale[:], b.low[:])
	for e, q := range b.q {
		k, i := e/pairGroup, e%pairGroup
		dst[q5_KQs+k/2*pairGroup+i] |= q & 15 << (4 * (k & 1))
		dst[q5_KQh+i] |= q >> 4 << k
	}
}
