package quant

import (
	"encoding/binary"

	"github.com/deltaloom/deltaloom/graph"
)

// Q6_K: 256 elements in 210 bytes: ql[128], qh[64], scales int8[16], d f16.
// Each half of 128 elements has 64 bytes of ql and 32 of qh. With r the place in
// the half n, j = r/32 and l = r%32:
//
//	low  = 4 bits of ql[64n + l + 32·(j&1)], those above for j >= 2
//	high = 2 bits of qh[32n + l], from bit 2j on
//
// The value is (d·scale)·q, q = low + 16·high - 32, with a scale for each 16
// elements.
const (
	q6_KBytes = 210
	q6_KGroup = 16
	q6_KMax   = 31
	q6_KHigh  = 128 // where qh begins
	q6_KScale = 192 // where the scales begin
	q6_KD     = 208 // where d is
)

func init() { register(graph.Q6_K, codec{unpackQ6_K, packQ6_K}) }

// q6_KAt says where element e of a block has its bits.
func q6_KAt(e int) (low, lowShift, high, highShift int) {
	n, j, l := e/128, e%128/32, e%32
	return 64*n + l + 32*(j&1), 4 * (j >> 1), q6_KHigh + 32*n + l, 2 * j
}

func unpackQ6_K(dst []float32, src []byte) {
	for len(dst) > 0 {
		b := src[:q6_KBytes]
		d := F16ToF32(binary.LittleEndian.Uint16(b[q6_KD:]))
		for k := range kBlock / q6_KGroup {
			scale := d * float32(int8(b[q6_KScale+k]))
			low, lowShift, high, highShift := q6_KAt(k * q6_KGroup) // a group has them side by side
			to := dst[k*q6_KGroup : (k+1)*q6_KGroup]
			for i := range to {
				q := b[low+i]>>lowShift&15 | b[high+i]>>highShift&3<<4
				to[i] = scale * float32(int(q)-32)
			}
		}
		dst, src = dst[kBlock:], src[q6_KBytes:]
	}
}

// packQ6_K fits a scale to each group by least squares, rounds it to the 8 bits
// that it has, and then tries its neighbours.
func packQ6_K(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[q6_KBytes:], src[kBlock:] {
		out, x := dst[:q6_KBytes], src[:kBlock]
		clear(out)
		if !finite(x) {
			binary.LittleEndian.PutUint16(out[q6_KD:], f16NaN)
			continue
		}
		var scales [kBlock / q6_KGroup]float32
		var largest float32 // of the scales, by magnitude: it takes the longer side, -128
		for k := range scales {
			scales[k] = fitScale(x[k*q6_KGroup:(k+1)*q6_KGroup], q6_KMax)
			if s := scales[k]; max(s, -s) > max(largest, -largest) {
				largest = s
			}
		}
		bits := F32ToF16(largest/-128 + 0) // + 0: no -0
		d := F16ToF32(bits)
		binary.LittleEndian.PutUint16(out[q6_KD:], bits)
		for k := range scales {
			group := x[k*q6_KGroup : (k+1)*q6_KGroup]
			sc := bestScale(group, d, scales[k], q6_KMax)
			out[q6_KScale+k] = byte(sc)
			low, lowShift, high, highShift := q6_KAt(k * q6_KGroup)
			inv := inverse(d * float32(sc))
			for i, v := range group {
				q := byte(signedLevel(v, inv, q6_KMax) + 32)
				out[low+i] |= q & 15 << lowShift
				out[high+i] |= q >> 4 << highShift
			}
		}
	}
}
