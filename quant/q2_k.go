package quant

import "github.com/deltaloom/deltaloom/graph"

// Q2_K: 256 elements in 84 bytes: scales[16], qs[64], d f16, dmin f16. A group is
// 16 elements; its byte of scales has the scale in the low half and the minimum
// in the high one (k_affine.go). Two bits of an element are where twoBits says.
func init() {
	register(graph.Q2_K, codec{split: splitQ2_K, group: q2_KGroup, minima: true, pack: packQ2_K, fault: nanAt(q2_KD)})
}

const (
	q2_KGroup = 16
	q2_KQs    = 16 // where qs begins
	q2_KD     = 80 // where d is, and dmin behind it
)

// twoBits says where formats with 64 bytes for two bits of each of 256 elements
// have those of element e: half n of the elements in 32 bytes, and of these 32 l
// of a quarter of the half at bit 2j.
func twoBits(e int) (at, shift int) {
	n, j, l := e/128, e%128/32, e%32
	return 32*n + l, 2 * j
}

func splitQ2_K(q []int8, scales, mins []float32, src []byte) {
	d, dmin := half(src[q2_KD:]), half(src[q2_KD+2:])
	for k, pair := range src[:kBlock/q2_KGroup] {
		scales[k], mins[k] = d*float32(pair&15), dmin*float32(pair>>4)
		at, shift := twoBits(k * q2_KGroup) // a group has them side by side
		for i, b := range src[q2_KQs+at:][:q2_KGroup] {
			q[k*q2_KGroup+i] = int8(b >> shift & 3)
		}
	}
}

func packQ2_K(dst []byte, src []float32) {
	b := fitAffineBlock(src, q2_KGroup, 3, 15, dst[q2_KD:], dst[q2_KD+2:])
	for k := range kBlock / q2_KGroup {
		dst[k] = b.scale[k] | b.low[k]<<4
	}
	for e, q := range b.q {
		at, shift := twoBits(e)
		dst[q2_KQs+at] |= q << shift
	}
}
