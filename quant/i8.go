package quant

import "math"

// I8Block is the elements of a block of QuantizeI8.
const I8Block = 32

// QuantizeI8 rounds a block of I8Block activations to 8 bits as the CPU backend
// does: x[i] becomes d·q[i] with
//
//	d = max|x| / 127     q = x·(1/d), to nearest, ties to even
//
// all in f32; |q| is at most 127. Where d is no normal number, it and all q are 0.
// With a NaN or an infinity in x, d is NaN and all q are 0.
func QuantizeI8(x []float32, q []int8) (d float32) {
	x, q = x[:I8Block], q[:I8Block]
	d = maxAbs(x) / 127
	if !(d >= 0x1p-126 && d <= math.MaxFloat32) {
		clear(q)
		if d < 0x1p-126 {
			return 0
		}
		return float32(math.NaN())
	}
	inv := 1 / d
	for i, v := range x {
		// No clamp: |v|·inv is at most 127·(1 + 2^-22).
		q[i] = int8(math.RoundToEven(float64(v * inv)))
	}
	return d
}
