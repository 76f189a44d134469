// Package quant packs and unpacks the element formats of model weights, and
// rounds activations the way a quantised matrix product does. All functions are
// pure: they touch nothing but their arguments and may run concurrently.
//
// A row of n elements is n/block consecutive blocks, little-endian on every
// machine. A format is one file that registers a codec.
package quant

import (
	"errors"
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
)

// codec converts whole blocks; the lengths have been checked. A nil function
// means that the direction is not supported.
type codec struct {
	unpack func(dst []float32, src []byte)
	pack   func(dst []byte, src []float32)
}

var codecs = map[graph.DType]codec{}

// register is called from the init of the file that holds the format.
func register(dt graph.DType, c codec) { codecs[dt] = c }

// Unpack writes the values of the packed elements of src to dst. dst must be a
// whole number of blocks and src exactly the bytes of len(dst) elements. A type
// without a codec gives an error that wraps errors.ErrUnsupported.
func Unpack(dt graph.DType, dst []float32, src []byte) error {
	c := codecs[dt]
	if c.unpack == nil {
		return fmt.Errorf("quant: unpack %v: %w", dt, errors.ErrUnsupported)
	}
	if err := checkSizes(dt, len(dst), len(src)); err != nil {
		return fmt.Errorf("quant: unpack %v: %w", dt, err)
	}
	c.unpack(dst, src)
	return nil
}

// Pack is the inverse of Unpack: it writes to dst the blocks that come closest
// to src by the format's reference algorithm. A block format turns a block that
// holds a NaN or an infinity into NaNs, so that a fault upstream stays visible.
func Pack(dt graph.DType, dst []byte, src []float32) error {
	c := codecs[dt]
	if c.pack == nil {
		return fmt.Errorf("quant: pack %v: %w", dt, errors.ErrUnsupported)
	}
	if err := checkSizes(dt, len(src), len(dst)); err != nil {
		return fmt.Errorf("quant: pack %v: %w", dt, err)
	}
	c.pack(dst, src)
	return nil
}

func checkSizes(dt graph.DType, elements, bytes int) error {
	block, _ := dt.Block()
	if elements%block != 0 {
		return fmt.Errorf("%d elements are not a whole number of blocks of %d", elements, block)
	}
	if want := dt.Bytes(elements); int64(bytes) != want {
		return fmt.Errorf("%d elements take %d bytes, got %d", elements, want, bytes)
	}
	return nil
}
