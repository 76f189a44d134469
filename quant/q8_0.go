package quant

import (
	"math"

	"github.com/deltaloom/deltaloom/graph"
)

// Q8_0: 32 elements in 34 bytes: d f16, q int8[32]; value q·d.
func init() {
	register(graph.Q8_0, codec{split: splitQ8_0, group: 32, pack: packQ8_0, fault: nanAt(0)})
}

func splitQ8_0(q []int8, scales, _ []float32, src []byte) {
	scales[0] = half(src)
	for i, b := range src[2:] {
		q[i] = int8(b)
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
