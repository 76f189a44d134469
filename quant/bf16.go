package quant

import (
	"encoding/binary"
	"math"

	"github.com/deltaloom/deltaloom/graph"
)

func init() { register(graph.BF16, codec{unpack: unpackBF16, pack: packBF16}) }

func unpackBF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = BF16ToF32(binary.LittleEndian.Uint16(src[2*i:]))
	}
}

func packBF16(dst []byte, src []float32) {
	for i, v := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], F32ToBF16(v))
	}
}

// BF16ToF32 returns the value of a bfloat16, the upper half of an f32.
func BF16ToF32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// F32ToBF16 returns the bits of the nearest bfloat16, ties to even. A NaN stays
// a (quiet) NaN.
func F32ToBF16(f float32) uint16 {
	bits := math.Float32bits(f)
	if f != f {
		return uint16(bits>>16) | 0x40 // a payload in the low bits alone must not become an infinity
	}
	return uint16(roundBits(bits, 16))
}
