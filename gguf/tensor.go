package gguf

import (
	"fmt"
	"math"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
)

// Tensor is a named tensor of a file.
type Tensor struct {
	Name string
	Type TensorType
	// Shape is not valid where a graph cannot hold the tensor: its type has no
	// graph.DType, or an extent is 0, which the format allows and a graph does
	// not. Such a tensor can be listed all the same: Dims, Size and Data work.
	Shape  graph.Shape
	Offset int64 // bytes from the start of the file
	Size   int64 // bytes
	dims   []int
	file   *File
}

// Dims returns the extents, outermost first: none for a scalar, 4 at most.
func (t *Tensor) Dims() []int { return slices.Clone(t.dims) }

// Data returns the packed elements. The slice aliases the file: it is read-only
// and ends with Close; after that, Data returns nil.
func (t *Tensor) Data() []byte {
	if t.Size == 0 || t.file.data == nil {
		return nil
	}
	end := t.Offset + t.Size
	return t.file.data[t.Offset:end:end]
}

// parseTensor reads what follows the name, up to the offset, and computes the
// size. fileSize bounds the size, so that sums of sizes cannot overflow.
func parseTensor(c *cursor, name string, fileSize int64) *Tensor {
	t := &Tensor{Name: name}
	rank := c.u32("number of extents")
	if rank > maxDims {
		c.fail("%d extents, more than %d", rank, maxDims)
		return t
	}
	t.dims = make([]int, rank)
	elements, inner := int64(1), int64(1)
	for i := range t.dims {
		ne := int64(c.u64("extent"))
		switch {
		case ne < 0 || ne > math.MaxInt:
			c.fail("extent %d is out of range", ne)
		case ne > 0 && elements > math.MaxInt64/ne:
			c.fail("number of elements overflows")
		}
		elements *= ne
		if i == 0 {
			inner = ne
		}
		t.dims[len(t.dims)-1-i] = int(ne)
	}
	t.Type = TensorType(c.u32("type"))
	if c.err == nil && !t.Type.Known() {
		c.fail("unknown or retired tensor type %d", uint32(t.Type))
	}
	if c.err != nil {
		return t
	}
	block, size := t.Type.Block()
	switch blocks := elements / int64(block); {
	case inner%int64(block) != 0:
		c.fail("innermost extent %d is not a multiple of the %d of %v", inner, block, t.Type)
	case blocks > fileSize/int64(size):
		c.fail("%d elements of %v are larger than the file", elements, t.Type)
	default:
		t.Size = blocks * int64(size)
		t.Shape = graph.ShapeOf(t.Type.DType(), t.dims...)
	}
	return t
}

// place checks that the tensors lie one after another, each at the next
// multiple of align, and that the data section, which begins at start, holds
// them. The padding after the last tensor may be missing.
func place(tensors []*Tensor, offsets []uint64, start, align, fileSize int64) error {
	next := int64(0)
	for i, t := range tensors {
		if offsets[i] != uint64(next) {
			return tensorError(i, t.Name, fmt.Errorf("offset %d, want %d: tensors must follow one another, aligned to %d", offsets[i], next, align))
		}
		t.Offset = start + next
		if t.Size > 0 && t.Offset+t.Size > fileSize {
			return tensorError(i, t.Name, fmt.Errorf("ends at byte %d, but the file at %d", t.Offset+t.Size, fileSize))
		}
		next = pad(next+t.Size, align)
	}
	return nil
}

func tensorError(i int, name string, err error) error {
	return fmt.Errorf("tensor %d %q: %w", i, name, err)
}

// pad rounds n up to a multiple of align, a power of two.
func pad(n, align int64) int64 { return (n + align - 1) &^ (align - 1) }
