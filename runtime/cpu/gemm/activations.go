package gemm

import (
	"math"

	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
)

// A prepared row of kind Float is the row itself, filled up with zeros to a
// multiple of 16 elements.
//
// A row of kind Int8 is three arrays for its blocks of 32 elements, each filled up
// with zeros to a multiple of 64 bytes (q), 32 bytes (the others), so that kernels
// may take 64 elements at a time and the scales of 256:
//
//	q     int8     a block 32   round(x/d), ties to even
//	d     float32  a block 1    max|x|/127
//	s     float32  a block 1    d·Σq, for formats with minima
//
// A block with a NaN or an infinity has d = NaN, so that a fault stays visible. One
// below 4e-37, whose 1/d is no float32, is zeros.

// layout returns the offsets of d and s in a prepared row of kind Int8, and the
// size of the row in bytes.
func layout(k int) (d, s, size int) {
	d = roundUp(k, 64)
	n := roundUp(k, 256) / 32 * 4
	return d, d + n, roundUp(d+2*n, 64)
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// ActBytes returns the bytes of one prepared row of k activations, a multiple of 64.
func ActBytes(kind Kind, k int) int {
	if kind == Float {
		return roundUp(4*k, 64)
	}
	_, _, size := layout(k)
	return size
}

// Prepare writes the row x of activations to dst, ActBytes(kind, len(x)) bytes. For
// kind Int8 the row is a whole number of blocks of 32. Every set gives the same
// bits.
func Prepare(set isa.Set, kind Kind, dst []byte, x []float32) {
	dst = dst[:ActBytes(kind, len(x))]
	if kind == Float {
		row := floats(dst)
		clear(row[copy(row, x):])
		return
	}
	dAt, sAt, _ := layout(len(x))
	if len(x) == 0 {
		return
	}
	clear(dst[len(x):])
	q, d, s := dst[:len(x)], floats(dst[dAt:sAt]), floats(dst[sAt:])
	if quantize := quantizer(set); quantize != nil {
		quantize(&q[0], &d[0], &s[0], &x[0], len(x)/32)
		return
	}
	for b := range len(x) / 32 {
		var sum int32
		d[b], sum = quantizeBlock(q[b*32:b*32+32], x[b*32:b*32+32])
		s[b] = d[b] * float32(sum)
	}
}

// quantizeBlock rounds one block and returns its d and Σq.
func quantizeBlock(q []byte, x []float32) (d float32, sum int32) {
	var top float32
	for _, v := range x {
		top = max(top, float32(math.Abs(float64(v)))) // max keeps NaNs
	}
	if !(top <= math.MaxFloat32) {
		clear(q)
		return float32(math.NaN()), 0
	}
	d = top / 127
	inv := 1 / d
	if inv > math.MaxFloat32 { // zeros, or too small for its inverse
		clear(q)
		return 0, 0
	}
	for j, v := range x {
		// In [2²³, 2²⁴) float32 are the integers; the conversion keeps the
		// compiler from fusing the multiplication with the addition.
		n := int32(math.Float32bits(float32(v*inv)+3<<22)) - 0x4b400000
		q[j] = byte(n)
		sum += n
	}
	return d, sum
}

// dequantize writes the values that a prepared row of kind Int8 stands for.
func dequantize(x []float32, row []byte) {
	dAt, _, _ := layout(len(x))
	d := floats(row[dAt:])
	for j := range x {
		x[j] = d[j/32] * float32(int8(row[j]))
	}
}
