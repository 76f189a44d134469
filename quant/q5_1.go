package quant

import (
	"encoding/binary"

	"github.com/deltaloom/deltaloom/graph"
)

// Q5_1: 32 elements in 24 bytes: d f16, m f16, qh u32, qs[16] (nibbles.go). Bit e
// of qh is the highest of element e; value q·d + m.
func init() { register(graph.Q5_1, codec{unpackQ5_1, packQ5_1, nanAt(0)}) }

func unpackQ5_1(dst []float32, src []byte) {
	d, m, qh := half(src), half(src[2:]), binary.LittleEndian.Uint32(src[4:])
	for e := range dst {
		// The conversion keeps a compiler from rounding once for both.
		dst[e] = float32(float32(nibble(src[8:], e)|byte(qh>>e&1)<<4)*d) + m
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
