package quant

import (
	"encoding/binary"

	"github.com/deltaloom/deltaloom/graph"
)

// IQ4_XS: 256 elements in 136 bytes: d f16, scales_h u16, scales_l[4], qs[128].
// A group is 32 elements in 16 bytes of qs (nibbles.go); the value is
// (d·(scale-32))·T[q] with the levels of IQ4_NL. Of the 6 bits of the scale of
// group k, the lower 4 are in half k%2 of scales_l[k/2], the upper 2 in scales_h
// from bit 2k on.
func init() {
	register(graph.IQ4_XS, codec{split: splitIQ4_XS, group: nibbleBlock, pack: packIQ4_XS, fault: nanAt(0)})
}

const iq4_XSQs = 8 // where qs begins

func splitIQ4_XS(q []int8, scales, _ []float32, src []byte) {
	d, high := half(src), binary.LittleEndian.Uint16(src[2:])
	for k := range scales {
		scales[k] = d * float32(int(src[4+k/2]>>(4*(k&1))&15|byte(high>>(2*k)&3)<<4)-32)
		nibbles(q[k*nibbleBlock:], src[iq4_XSQs+k*nibbleBytes:])
	}
	lookUp(q, &iq4Table)
}

func packIQ4_XS(dst []byte, src []float32) {
	b := fitScaledBlock(src, nibbleBlock, iq4Levels, 32, dst)
	var high uint16
	for k := range kBlock / nibbleBlock {
		s := b.scale[k] + 32
		dst[4+k/2] |= byte(s&15) << (4 * (k & 1))
		high |= uint16(s>>4) << (2 * k)
		qs := dst[iq4_XSQs+k*nibbleBytes:]
		for e, v := range src[k*nibbleBlock : (k+1)*nibbleBlock] {
			putNibble(qs, e, byte(iq4Book.code(v*b.inv[k])))
		}
	}
	binary.LittleEndian.PutUint16(dst[2:], high)
}
