package quant

import (
	"encoding/binary"
	"math"

	"github.com/deltaloom/deltaloom/graph"
)

// Q4_K: 256 elements in 144 bytes: d f16, dmin f16, 8 pairs of scale and
// minimum (k_pairs.go), qs[128]. Group k holds the elements from 32·k on; two
// groups share 32 bytes, the even one has the low halves. The value is
// (d·scale)·q - dmin·min with q from 0 to 15.
const (
	kBlock    = 256 // elements a block of every K quant
	q4_KBytes = 144
	q4_KGroup = 32
	q4_KMax   = 15
)

func init() { register(graph.Q4_K, codec{unpackQ4_K, packQ4_K}) }

func unpackQ4_K(dst []float32, src []byte) {
	for len(dst) > 0 {
		d := F16ToF32(binary.LittleEndian.Uint16(src))
		dmin := F16ToF32(binary.LittleEndian.Uint16(src[2:]))
		pairs, qs := src[4:4+pairBytes], src[4+pairBytes:q4_KBytes]
		for k := range 8 {
			sc, mn := pair(pairs, k)
			scale, low := d*float32(sc), dmin*float32(mn)
			shift := 4 * (k & 1)
			to := dst[k*q4_KGroup : (k+1)*q4_KGroup]
			for i, b := range qs[k/2*q4_KGroup : (k/2+1)*q4_KGroup] {
				// The conversion keeps a compiler from rounding once for both.
				to[i] = float32(scale*float32(b>>shift&15)) - low
			}
		}
		dst, src = dst[kBlock:], src[q4_KBytes:]
	}
}

// packQ4_K fits a scale and a minimum to each group by least squares, rounds
// them to the 6 bits that they have, and then tries the neighbours of each.
func packQ4_K(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[q4_KBytes:], src[kBlock:] {
		out, x := dst[:q4_KBytes], src[:kBlock]
		clear(out)
		if !finite(x) {
			binary.LittleEndian.PutUint16(out, f16NaN)
			continue
		}
		var scales, lows [8]float32
		for k := range 8 {
			scales[k], lows[k] = fitAffine(x[k*q4_KGroup:(k+1)*q4_KGroup], q4_KMax)
		}
		d, dmin := F32ToF16(maxAbs(scales[:])/63), F32ToF16(maxAbs(lows[:])/63)
		binary.LittleEndian.PutUint16(out, d)
		binary.LittleEndian.PutUint16(out[2:], dmin)

		var sc, mn [8]byte
		qs := out[4+pairBytes:]
		for k := range 8 {
			group := x[k*q4_KGroup : (k+1)*q4_KGroup]
			sc[k], mn[k] = bestPair(group, F16ToF32(d), F16ToF32(dmin), scales[k], lows[k], q4_KMax)
			scale, low := F16ToF32(d)*float32(sc[k]), F16ToF32(dmin)*float32(mn[k])
			shift := 4 * (k & 1)
			for i, q := range affineLevels(group, scale, low, q4_KMax) {
				qs[k/2*q4_KGroup+i] |= q << shift
			}
		}
		putPairs(out[4:], &sc, &mn)
	}
}

const f16NaN = 0x7e00

func finite(x []float32) bool {
	m := maxAbs(x)
	return m == m && !math.IsInf(float64(m), 0)
}
