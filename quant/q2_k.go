package quant

import "github.com/deltaloom/deltaloom/graph"

// Q2_K: 256 elements in 84 bytes: scales[16], qs[64], d f16, dmin f16. A group is
// 16 elements; its byte of scales has the scale in the low half and the minimum
// in the high one (k_affine.go). Two bits of an element are where twoBits says.
func init() { register(graph.Q2_K, codec{unpackQ2_K, packQ2_K, nanAt(q2_KD)}) }

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

func unpackQ2_K(dst []float32, src []byte) {
	d, dmin := half(src[q2_KD:]), half(src[q2_KD+2:])
	for k, pair := range src[:kBlock/q2_KGroup] {
		scale, low := d*float32(pair&15), dmin*float32(pair>>4)
		to := dst[k*q2_KGroup : (k+1)*q2_KGroup]
		at, shift := twoBits(k * q2_KGroup) // a group has them side by side
		for i := range to {
			// The conversion keeps a compiler from rounding once for both.
			to[i] = float32(scale*float32(src[q2_KQs+at+i]>>shift&3)) - low
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
