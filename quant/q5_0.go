package quant

import (
	"encoding/binary"

	"github.com/deltaloom/deltaloom/graph"
)

// Q5_0: 32 elements in 22 bytes: d f16, qh u32, qs[16] (nibbles.go). Bit e of qh
// is the highest of element e; value (q-16)·d.
func init() {
	register(graph.Q5_0, codec{split: splitQ5_0, group: nibbleBlock, pack: packQ5_0, fault: nanAt(0)})
}

var q5_0Levels = wholeLevels(16)

func splitQ5_0(q []int8, scales, _ []float32, src []byte) {
	scales[0] = half(src)
	nibbles(q, src[6:])
	qh := binary.LittleEndian.Uint32(src[2:])
	for e := range q {
		q[e] += int8(qh>>e&1)<<4 - 16
	}
}

func packQ5_0(dst []byte, src []float32) {
	inv := inverse(putHalf(dst, fitScale(src, q5_0Levels)))
	var qh uint32
	for e, v := range src {
		q := byte(q5_0Levels.near(v*inv) + 16)
		putNibble(dst[6:], e, q&15)
		qh |= uint32(q>>4) << e
	}
	binary.LittleEndian.PutUint32(dst[2:], qh)
}
