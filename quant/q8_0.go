package quant

import (
	"encoding/binary"
	"math"

	"github.com/deltaloom/deltaloom/graph"
)

// Q8_0: 32 elements in 34 bytes: d f16, q int8[32]; value q·d.
const (
	q8_0Block = 32
	q8_0Bytes = 34
)

func init() { register(graph.Q8_0, codec{unpackQ8_0, packQ8_0}) }

func unpackQ8_0(dst []float32, src []byte) {
	for len(dst) > 0 {
		d := F16ToF32(binary.LittleEndian.Uint16(src))
		for i, b := range src[2:q8_0Bytes] {
			dst[i] = float32(int8(b)) * d
		}
		dst, src = dst[q8_0Block:], src[q8_0Bytes:]
	}
}

// packQ8_0 follows the reference for weights: q = round(x · 1/d) with the d
// that is not yet rounded to f16, halves away from zero.
func packQ8_0(dst []byte, src []float32) {
	for len(src) > 0 {
		x := src[:q8_0Block]
		d := maxAbs(x) / 127
		inv := 1 / d
		if d == 0 || math.IsInf(float64(inv), 0) || d != d {
			inv = 0 // the stored d is 0 or NaN, whatever q
		}
		binary.LittleEndian.PutUint16(dst, F32ToF16(d))
		for i, v := range x {
			q := math.Round(float64(v * inv))
			if q != q {
				q = 0 // Inf·0 or NaN; d is not finite either
			}
			dst[2+i] = byte(int8(q))
		}
		src, dst = src[q8_0Block:], dst[q8_0Bytes:]
	}
}

// maxAbs returns the largest magnitude in x, or NaN when x holds one.
func maxAbs(x []float32) float32 {
	var m float32
	for _, v := range x {
		a := float32(math.Abs(float64(v)))
		if a > m || a != a {
			m = a
		}
		if m != m {
			break
		}
	}
	return m
}
