package quant

import (
	"encoding/binary"
	"math"

	"github.com/deltaloom/deltaloom/graph"
)

func init() { register(graph.F16, codec{unpack: unpackF16, pack: packF16}) }

func unpackF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = F16ToF32(binary.LittleEndian.Uint16(src[2*i:]))
	}
}

func packF16(dst []byte, src []float32) {
	for i, v := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], F32ToF16(v))
	}
}

// F16ToF32 returns the value of the bits of an IEEE half: 1 sign, 5 exponent
// (bias 15), 10 mantissa. It is exact; a NaN keeps its payload.
func F16ToF32(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp := uint32(h>>10) & 0x1f
	mant := uint32(h) & 0x3ff
	switch exp {
	case 0: // zero or subnormal: mant · 2^-24, exact in f32
		return math.Float32frombits(sign | math.Float32bits(float32(mant)*0x1p-24))
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | mant<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | mant<<13)
}

// F32ToF16 returns the bits of the nearest half, ties to even. Values of 65520
// and more become an infinity, a NaN stays a (quiet) NaN.
func F32ToF16(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits>>16) & 0x8000
	abs := bits &^ (1 << 31)
	switch {
	case abs > 0x7f800000: // NaN
		return sign | 0x7e00 | uint16(abs>>13)&0x3ff
	case abs >= 0x477ff000: // 65520, half way between the largest half and the next step
		return sign | 0x7c00
	case abs >= 0x38800000: // 2^-14, the smallest normal half
		// The carry out of the mantissa runs into the exponent, which is right.
		return sign | uint16(roundBits(abs-(127-15)<<23, 13))
	case abs < 0x33000000: // below 2^-25, half of the smallest subnormal
		return sign
	}
	// Subnormal: mantissa with its hidden bit, in units of 2^-24.
	mant := abs&0x7fffff | 0x800000
	return sign | uint16(roundBits(mant, 126-abs>>23))
}

// roundBits drops the low n bits (1 to 24) of v and rounds to nearest, ties to even.
func roundBits(v, n uint32) uint32 {
	half := uint32(1) << (n - 1)
	return (v + half - 1 + v>>n&1) >> n
}
