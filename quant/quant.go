// Package quant packs and unpacks the element formats of model weights, rounds
// activations the way a quantised matrix product does, and says what such a
// product is. All functions are pure: they touch nothing but their arguments and
// may run concurrently.
//
// A row of n elements is n/block consecutive blocks, little-endian on every
// machine. A format is one file that registers a codec; fit.go finds scales for
// all of them.
package quant

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
)

// codec converts one block, or a whole row of a type without blocks. The lengths
// have been checked.
type codec struct {
	unpack func(dst []float32, src []byte) // of a type without blocks
	split  func(q []int8, scales, mins []float32, src []byte)
	group  int  // elements that share a scale
	minima bool // whether split writes mins
	// pack gets zeros to write to, and of a block only finite numbers.
	pack func(dst []byte, src []float32)
	// fault marks a block, of zeros so far, as one of numbers that are not finite.
	fault func(dst []byte)
}

var codecs = map[graph.DType]codec{}

// Types returns the types that can be packed and unpacked, in the order of their
// numbers.
func Types() []graph.DType { return slices.Sorted(maps.Keys(codecs)) }

// register is called from the init of the file that holds the format.
func register(dt graph.DType, c codec) { codecs[dt] = c }

// nanAt is the fault of a format with a scale in f16 at that byte.
func nanAt(i int) func(dst []byte) {
	return func(dst []byte) { binary.LittleEndian.PutUint16(dst[i:], 0x7e00) }
}

// half reads the f16 that b begins with.
func half(b []byte) float32 { return F16ToF32(binary.LittleEndian.Uint16(b)) }

// putHalf writes x as the f16 that b begins with, and returns what became of it.
func putHalf(b []byte, x float32) float32 {
	h := F32ToF16(x + 0) // + 0: no -0
	binary.LittleEndian.PutUint16(b, h)
	return F16ToF32(h)
}

// Unpack writes the values of the packed elements of src to dst. dst must be a
// whole number of blocks and src exactly the bytes of len(dst) elements. A type
// without a codec gives an error that wraps errors.ErrUnsupported.
func Unpack(dt graph.DType, dst []float32, src []byte) error {
	c, err := lookup(dt, len(dst), len(src))
	if err != nil {
		return fmt.Errorf("quant: unpack %v: %w", dt, err)
	}
	n, size := dt.Block()
	if n == 1 {
		c.unpack(dst, src)
		return nil
	}
	parts := blocks.Get().(*blockParts)
	defer blocks.Put(parts)
	parts.mins = [len(parts.mins)]float32{}
	for ; len(dst) > 0; dst, src = dst[n:], src[size:] {
		c.split(parts.q[:n], parts.scales[:n/c.group], parts.mins[:n/c.group], src[:size:size])
		parts.join(dst[:n], c.group)
	}
	return nil
}

// Pack is the inverse of Unpack: it writes to dst blocks that come close to src,
// those of Q8_0 by the format's reference algorithm and all others by least
// squares. A block that holds a NaN or an infinity becomes one of NaNs, in MXFP4,
// which has none, of infinities: a fault upstream stays visible.
func Pack(dt graph.DType, dst []byte, src []float32) error {
	c, err := lookup(dt, len(src), len(dst))
	if err != nil {
		return fmt.Errorf("quant: pack %v: %w", dt, err)
	}
	n, size := dt.Block()
	if n == 1 {
		c.pack(dst, src)
		return nil
	}
	for ; len(src) > 0; dst, src = dst[size:], src[n:] {
		to, x := dst[:size:size], src[:n:n]
		clear(to)
		if finite(x) {
			c.pack(to, x)
		} else {
			c.fault(to)
		}
	}
	return nil
}

func finite(x []float32) bool {
	m := maxAbs(x)
	return m == m && !math.IsInf(float64(m), 0)
}

// maxAbs returns the largest magnitude in x, or NaN when x holds one.
func maxAbs(x []float32) float32 {
	var m float32
	for _, v := range x {
		a := float32(math.Abs(float64(v)))
		if a > m || a != a {
			m = a
		}
		if m != m {
			break
		}
	}
	return m
}

// lookup returns the codec of the type for so many elements in so many bytes.
func lookup(dt graph.DType, elements, bytes int) (codec, error) {
	c, ok := codecs[dt]
	if !ok {
		return c, errors.ErrUnsupported
	}
	block, _ := dt.Block()
	if elements%block != 0 {
		return c, fmt.Errorf("%d elements are not a whole number of blocks of %d", elements, block)
	}
	if want := dt.Bytes(elements); int64(bytes) != want {
		return c, fmt.Errorf("%d elements take %d bytes, got %d", elements, want, bytes)
	}
	return c, nil
}
