package quant

import "github.com/deltaloom/deltaloom/graph"

// Q4_0: 32 elements in 18 bytes: d f16, qs[16] (nibbles.go); value (q-8)·d.
func init() {
	register(graph.Q4_0, codec{split: splitQ4_0, group: nibbleBlock, pack: packQ4_0, fault: nanAt(0)})
}

var q4_0Levels = wholeLevels(8)

func splitQ4_0(q []int8, scales, _ []float32, src []byte) {
	scales[0] = half(src)
	nibbles(q, src[2:])
	for e := range q {
		q[e] -= 8
	}
}

func packQ4_0(dst []byte, src []float32) {
	inv := inverse(putHalf(dst, fitScale(src, q4_0Levels)))
	for e, v := range src {
		putNibble(dst[2:], e, byte(q4_0Levels.near(v*inv)+8))
	}
}
