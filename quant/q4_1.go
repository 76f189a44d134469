package quant

import "github.com/deltaloom/deltaloom/graph"

// Q4_1: 32 elements in 20 bytes: d f16, m f16, qs[16] (nibbles.go); value q·d + m.
func init() {
	register(graph.Q4_1, codec{split: splitQ4_1, group: nibbleBlock, minima: true, pack: packQ4_1, fault: nanAt(0)})
}

func splitQ4_1(q []int8, scales, mins []float32, src []byte) {
	scales[0], mins[0] = half(src), -half(src[2:])
	nibbles(q, src[4:])
}

func packQ4_1(dst []byte, src []float32) {
	scale, m := fitLine(src, 15)
	inv, m := inverse(putHalf(dst, scale)), putHalf(dst[2:], m)
	for e, v := range src {
		putNibble(dst[4:], e, byte(level(v, -m, inv, 15)))
	}
}
