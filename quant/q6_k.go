package quant

import "github.com/deltaloom/deltaloom/graph"

// Q6_K: 256 elements in 210 bytes: ql[128], qh[64], scales int8[16], d f16. The
// value is (d·scale)·q with q = low + 16·high - 32 and a scale for each 16
// elements. Each half of 128 elements has 64 bytes of ql; with n the half, j and l
// the quarter and the place in it:
//
//	low  = 4 bits of ql[64n + l + 32·(j&1)], those above for j >= 2
//	high = the two bits of qh where twoBits says
func init() {
	register(graph.Q6_K, codec{split: splitQ6_K, group: q6_KGroup, pack: packQ6_K, fault: nanAt(q6_KD)})
}

const (
	q6_KGroup  = 16
	q6_KQh     = 128 // where qh begins
	q6_KScales = 192 // where the scales begin
	q6_KD      = 208 // where d is
)

var q6_KLevels = wholeLevels(32)

// q6_KLow says where element e has its lower bits.
func q6_KLow(e int) (at, shift int) {
	n, j, l := e/128, e%128/32, e%32
	return 64*n + l + 32*(j&1), 4 * (j >> 1)
}

func splitQ6_K(q []int8, scales, _ []float32, src []byte) {
	d := half(src[q6_KD:])
	for k := range scales {
		scales[k] = d * float32(int8(src[q6_KScales+k]))
		low, lowShift := q6_KLow(k * q6_KGroup) // a group has them side by side
		high, highShift := twoBits(k * q6_KGroup)
		qh := src[q6_KQh+high:]
		for i, b := range src[low:][:q6_KGroup] {
			q[k*q6_KGroup+i] = int8(b>>lowShift&15|qh[i]>>highShift&3<<4) - 32
		}
	}
}

func packQ6_K(dst []byte, src []float32) {
	b := fitScaledBlock(src, q6_KGroup, q6_KLevels, 128, dst[q6_KD:])
	for k := range kBlock / q6_KGroup {
		dst[q6_KScales+k] = byte(int8(b.scale[k]))
	}
	for e, v := range src {
		q := byte(q6_KLevels.near(v*b.inv[e/q6_KGroup]) + 32)
		low, lowShift := q6_KLow(e)
		high, highShift := twoBits(e)
		dst[low] |= q & 15 << lowShift
		dst[q6_KQh+high] |= q >> 4 << highShift
	}
}
