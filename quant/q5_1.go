package quant

import (
	"encoding/binary"

	"github.com/deltaloom/deltaloom/graph"
)

// Q5_1: 32 elements in 24 bytes: d f16, m f16, qh u32, qs[16] (nibbles.go). Bit e
// of qh is the highest of element e; value q·d + m.
func init() {
	register(graph.Q5_1, codec{split: splitQ5_1, group: nibbleBlock, minima: true, pack: packQ5_1, fault: nanAt(0)})
}

func splitQ5_1(q []int8, scales, mins []float32, src []byte) {
	scales[0], mins[0] = half(src), -half(src[2:])
	nibbles(q, src[8:])
	qh := binary.LittleEndian.Uint32(src[4:])
	for e := range q {
		q[e] += int8(qh>>e&1) << 4
	}
}

func packQ5_1(dst []byte, src []float32) {
	scale, m := fitLine(src, 31)
	inv, m := inverse(putHalf(dst, scale)), putHalf(dst[2:], m)
	var qh uint32
	for e, v := range src {
		q := byte(level(v, -m, inv, 31))
		putNibble(dst[8:], e, q&15)
		qh |= uint32(q>>4) << e
	}
	binary.LittleEndian.PutUint32(dst[4:], qh)
}
