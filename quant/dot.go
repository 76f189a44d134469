package quant

import (
	"fmt"
	"sync"

	"github.com/deltaloom/deltaloom/graph"
)

// Dot returns Σ w·x of a packed row w with as many elements as x, in float64:
// what kernels are held to. The errors are those of Unpack.
func Dot(dt graph.DType, w []byte, x []float32) (float64, error) {
	return dot(dt, w, len(x), func(i int) float64 { return float64(x[i]) })
}

// DotI8 returns Σ w·(d·q) of a packed row w with activations that QuantizeI8 has
// rounded: q by element, d by block of I8Block. The sum is in float64.
func DotI8(dt graph.DType, w []byte, q []int8, d []float32) (float64, error) {
	if len(q) != len(d)*I8Block {
		return 0, fmt.Errorf("quant: dot %v: %d activations, but %d scales for %d each", dt, len(q), len(d), I8Block)
	}
	return dot(dt, w, len(q), func(i int) float64 { return float64(q[i]) * float64(d[i/I8Block]) })
}

// dotBlocks holds the unpacked elements of a row, some at a time.
var dotBlocks = sync.Pool{New: func() any { return new([kBlock]float32) }}

func dot(dt graph.DType, w []byte, n int, x func(i int) float64) (float64, error) {
	if _, err := lookup(dt, n, len(w)); err != nil {
		return 0, fmt.Errorf("quant: dot %v: %w", dt, err)
	}
	buf := dotBlocks.Get().(*[kBlock]float32)
	defer dotBlocks.Put(buf)
	var sum float64
	for at := 0; at < n; at += kBlock {
		part := buf[:min(kBlock, n-at)]
		size := dt.Bytes(len(part))
		if err := Unpack(dt, part, w[:size]); err != nil {
			return 0, err
		}
		for i, v := range part {
			sum += float64(v) * x(at+i)
		}
		w = w[size:]
	}
	return sum, nil
}
