package quant

import "github.com/deltaloom/deltaloom/graph"

// Q4_1: 32 elements in 20 bytes: d f16, m f16, qs[16] (nibbles.go); value q·d + m.
func init() { register(graph.Q4_1, codec{unpackQ4_1, packQ4_1, nanAt(0)}) }

func unpackQ4_1(dst []float32, src []byte) {
	d, m := half(src), half(src[2:])
	for e := range dst {
		// The conversion keeps a compiler from rounding once for both.
		dst[e] = float32(float32(nibble(src[4:], e))*d) + m
	}
}

func packQ4_1(dst []byte, src []float32) {
	scale, m := fitLine(src, 15)
	inv, m := inverse(putHalf(dst, scale)), putHalf(dst[2:], m)
	for e, v := range src {
		putNibble(dst[4:], e, byte(level(v, -m, inv, 15)))
	}
}
