package quant

import (
	"math"

	"github.com/deltaloom/deltaloom/graph"
)

// Q8_0: 32 elements in 34 bytes: d f16, q int8[32]; value q·d.
func init() { register(graph.Q8_0, codec{unpackQ8_0, packQ8_0, nanAt(0)}) }

func unpackQ8_0(dst []float32, src []byte) {
	d := half(src)
	for i, b := range src[2:] {
		dst[i] = float32(int8(b)) * d
	}
}

// packQ8_0 follows the reference for weights: q = round(x · 1/d) with the d
// that is not yet rounded to f16, halves away from zero.
func packQ8_0(dst []byte, src []float32) {
	d := maxAbs(src) / 127
	putHalf(dst, d)
	inv := inverse(d)
	for i, v := range src {
		dst[2+i] = byte(int8(math.Round(float64(v * inv))))
	}
}
