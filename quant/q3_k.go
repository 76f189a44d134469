package quant

import "github.com/deltaloom/deltaloom/graph"

// Q3_K: 256 elements in 110 bytes: hmask[32], qs[64], scales[12], d f16. The value
// is (d·(scale-32))·q with q = low + 4·high - 4: two bits of an element are where
// twoBits says, the third is bit e/32 of hmask[e%32]. A group is 16 elements; of
// its 6 bits of scale
//
//	low  = 4 bits of scales[k%8], those above for k >= 8
//	high = 2 bits of scales[8 + k%4], from bit 2·(k/4) on
func init() {
	register(graph.Q3_K, codec{split: splitQ3_K, group: q3_KGroup, pack: packQ3_K, fault: nanAt(q3_KD)})
}

const (
	q3_KGroup  = 16
	q3_KQs     = 32  // where qs begins
	q3_KScales = 96  // where the scales begin
	q3_KD      = 108 // where d is
)

var q3_KLevels = wholeLevels(4)

// q3_KScaleAt says where group k has the bits of its scale.
func q3_KScaleAt(k int) (low, lowShift, high, highShift int) {
	return q3_KScales + k%8, 4 * (k / 8), q3_KScales + 8 + k%4, 2 * (k / 4)
}

func splitQ3_K(q []int8, scales, _ []float32, src []byte) {
	d := half(src[q3_KD:])
	for k := range scales {
		low, lowShift, high, highShift := q3_KScaleAt(k)
		scales[k] = d * float32(int(src[low]>>lowShift&15|src[high]>>highShift&3<<4)-32)
		e := k * q3_KGroup
		at, shift := twoBits(e) // a group has them side by side
		hmask := src[e%32:]
		for i, b := range src[q3_KQs+at:][:q3_KGroup] {
			q[e+i] = int8(b>>shift&3|hmask[i]>>(e/32)&1<<2) - 4
		}
	}
}

func packQ3_K(dst []byte, src []float32) {
	b := fitScaledBlock(src, q3_KGroup, q3_KLevels, 32, dst[q3_KD:])
	for k := range kBlock / q3_KGroup {
		low, lowShift, high, highShift := q3_KScaleAt(k)
		s := byte(b.scale[k] + 32)
		dst[low] |= s & 15 << lowShift
		dst[high] |= s >> 4 << highShift
	}
	for e, v := range src {
		q := byte(q3_KLevels.near(v*b.inv[e/q3_KGroup]) + 4)
		at, shift := twoBits(e)
		dst[q3_KQs+at] |= q & 3 << shift
		dst[e%32] |= q >> 2 << (e / 32)
	}
}
