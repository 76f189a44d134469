package quant

import (
	"errors"
	"fmt"
	"math"

	"github.com/deltaloom/deltaloom/graph"
)

// Rounding says what becomes of activations before a product with a weight.
type Rounding uint8

const (
	// Float leaves them as they are.
	Float Rounding = iota
	// GGML is what the CPU matrix product of llama.cpp sees of a row: it converts
	// the row to the partner type of the weight.
	//
	//	weight                      partner, and what becomes of a row
	//	F32                         F32: unchanged
	//	F16, BF16                   the same type, to nearest, ties to even
	//	Q4_0 Q5_0 Q8_0 IQ4_NL MXFP4 Q8_0: blocks of 32, scale in f16
	//	Q4_1 Q5_1                   Q8_1: as Q8_0
	//	K quants, IQ4_XS            Q8_K: blocks of 256, scale in f32
	//
	// Q8_1 also has the sum of the block, for the minimum of the weights. That is
	// rounded to f16, which no element shows: with these two types logits come as
	// close as 1e-3 where others come to 1e-4.
	GGML
	// Int8 is what the products of our own CPU backend see: blocks of I8Block as
	// QuantizeI8 has them for quantised weights; unchanged for F32, F16 and BF16.
	Int8
)

// RoundActivations rounds one row of activations in place.
//
// The row must be a whole number of blocks. A block with a NaN or an infinity
// becomes all NaN. A weight type without a partner gives an error that wraps
// errors.ErrUnsupported.
func RoundActivations(mode Rounding, weight graph.DType, row []float32) error {
	if _, ok := codecs[weight]; !ok || mode > Int8 {
		return fmt.Errorf("quant: activations for %v: %w", weight, errors.ErrUnsupported)
	}
	switch mode {
	case Float:
		return nil
	case Int8:
		if block, _ := weight.Block(); block == 1 {
			return nil
		}
		return roundBlocks(weight, row, I8Block, roundI8)
	}
	switch weight {
	case graph.F32:
	case graph.F16:
		for i, v := range row {
			row[i] = F16ToF32(F32ToF16(v))
		}
	case graph.BF16:
		for i, v := range row {
			row[i] = BF16ToF32(F32ToBF16(v))
		}
	case graph.Q4_0, graph.Q5_0, graph.Q8_0, graph.IQ4_NL, graph.MXFP4, graph.Q4_1, graph.Q5_1:
		return roundBlocks(weight, row, 32, roundQ8_0)
	default:
		return roundBlocks(weight, row, kBlock, roundQ8_K)
	}
	return nil
}

func roundBlocks(weight graph.DType, row []float32, block int, round func(x []float32)) error {
	if len(row)%block != 0 {
		return fmt.Errorf("quant: activations for %v: %d elements are not a whole number of blocks of %d", weight, len(row), block)
	}
	for ; len(row) > 0; row = row[block:] {
		round(row[:block])
	}
	return nil
}

// roundQ8_0 is the vector form, which differs from packQ8_0: q is x times
// 127/amax, halves to even.
func roundQ8_0(x []float32) {
	amax := maxAbs(x)
	d := F16ToF32(F32ToF16(amax / 127))
	scale := 127 / amax
	if d == 0 {
		scale = 0 // amax is 0 or so small that nothing is left of the block
	}
	for i, v := range x {
		q := math.RoundToEven(float64(v*scale)) + 0 // + 0: an int8 has no -0
		x[i] = float32(q) * d
	}
}

// roundQ8_K maps the element of largest magnitude, whatever its sign, to -127.
func roundQ8_K(x []float32) {
	var m, amax float32 // the first element of the largest magnitude, and that magnitude
	for _, v := range x {
		if a := float32(math.Abs(float64(v))); a > amax || a != a {
			m, amax = v, a
		}
		if amax != amax {
			break
		}
	}
	scale := -127 / m
	d := 1 / scale // f32, not rounded further
	if m == 0 || math.IsInf(float64(scale), 0) {
		scale, d = 0, 0
	}
	for i, v := range x {
		q := min(127, math.RoundToEven(float64(v*scale))+0)
		x[i] = float32(q) * d
	}
}

func roundI8(x []float32) {
	var q [I8Block]int8
	d := QuantizeI8(x, q[:])
	for i := range x {
		x[i] = float32(q[i]) * d
	}
}
