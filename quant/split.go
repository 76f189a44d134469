package quant

import (
	"errors"
	"fmt"
	"sync"

	"github.com/deltaloom/deltaloom/graph"
)

// Groups says how Split divides a block format: a scale, and a minimum where the
// format has minima, for each group of elements. A type without blocks has group 0.
func Groups(dt graph.DType) (group int, minima bool) {
	c := codecs[dt]
	return c.group, c.minima
}

// Split writes the parts of packed elements: element i, as Unpack gives it, is
//
//	scales[i/group]·q[i] - mins[i/group]
//
// rounded after the multiplication and after the subtraction. q has whole blocks,
// scales one number a group, mins too if the format has minima; otherwise it may be
// nil and is left alone. The errors are those of Unpack; types without blocks are
// unsupported.
func Split(dt graph.DType, q []int8, scales, mins []float32, src []byte) error {
	c, err := lookup(dt, len(q), len(src))
	if err == nil && c.group == 0 {
		err = errors.ErrUnsupported
	}
	if err != nil {
		return fmt.Errorf("quant: split %v: %w", dt, err)
	}
	if n := len(q) / c.group; len(scales) != n || c.minima && len(mins) != n {
		return fmt.Errorf("quant: split %v: %d scales and %d minima for %d groups", dt, len(scales), len(mins), n)
	}
	n, size := dt.Block()
	groups := n / c.group
	for ; len(q) > 0; q, src = q[n:], src[size:] {
		c.split(q[:n:n], scales[:groups:groups], mins, src[:size:size])
		scales = scales[groups:]
		if c.minima {
			mins = mins[groups:]
		}
	}
	return nil
}

// blockParts is one block of any format in parts. The minima of a format without
// stay 0.
type blockParts struct {
	q            [kBlock]int8
	scales, mins [kBlock / 16]float32
}

// blocks keeps a token's look-up of its embedding from allocating: a function value
// takes the parts, so they are on the heap.
var blocks = sync.Pool{New: func() any { return new(blockParts) }}

// join writes the elements of the block.
func (p *blockParts) join(dst []float32, group int) {
	for k := range len(dst) / group {
		scale, low := p.scales[k], p.mins[k]
		to := dst[k*group : (k+1)*group]
		for i, q := range p.q[k*group : (k+1)*group] {
			// The conversion keeps a compiler from rounding once for both.
			to[i] = float32(scale*float32(q)) - low
		}
	}
}
