package quant

import "github.com/deltaloom/deltaloom/graph"

// Q4_0: 32 elements in 18 bytes: d f16, qs[16] (nibbles.go); value (q-8)·d.
func init() { register(graph.Q4_0, codec{unpackQ4_0, packQ4_0, nanAt(0)}) }

var q4_0Levels = wholeLevels(8)

func unpackQ4_0(dst []float32, src []byte) {
	d := half(src)
	for e := range dst {
		dst[e] = float32(int(nibble(src[2:], e))-8) * d
	}
}

func packQ4_0(dst []byte, src []float32) {
	inv := inverse(putHalf(dst, fitScale(src, q4_0Levels)))
	for e, v := range src {
		putNibble(dst[2:], e, byte(q4_0Levels.near(v*inv)+8))
	}
}
