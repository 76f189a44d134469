package graph

import (
	"fmt"
	"strings"
)

// MaxRank is the largest number of axes.
const MaxRank = 6

// maxElements bounds a shape so that no size or offset computed from it overflows.
const maxElements = 1 << 48

// Shape is the element type and the extents of a tensor, outermost axis first.
// It is a plain comparable value: usable as a map key, never aliased. The zero
// Shape is not valid.
type Shape struct {
	DType DType
	rank  uint8
	dims  [MaxRank]int
}

// ShapeOf returns the shape with these extents, or the invalid shape where
// CheckDims would complain.
func ShapeOf(dt DType, dims ...int) Shape {
	if dt == Invalid || int(dt) >= len(dtypes) || CheckDims(dims) != nil {
		return Shape{}
	}
	s := Shape{DType: dt, rank: uint8(len(dims))}
	copy(s.dims[:], dims)
	return s
}

// CheckDims says why no tensor can have these extents.
func CheckDims(dims []int) error {
	if len(dims) > MaxRank {
		return fmt.Errorf("rank %d is more than %d", len(dims), MaxRank)
	}
	n := 1
	for _, d := range dims {
		if d < 1 || d > maxElements/n {
			return fmt.Errorf("extents %v are out of range", dims)
		}
		n *= d
	}
	return nil
}

func (s Shape) Valid() bool { return s.DType != Invalid }
func (s Shape) Rank() int   { return int(s.rank) }

// Dims returns a copy of the extents.
func (s Shape) Dims() []int { return append(make([]int, 0, MaxRank), s.dims[:s.rank]...) }

// Dim returns the extent of axis i; negative i counts from the last axis. An
// axis that the shape does not have counts as 1.
func (s Shape) Dim(i int) int {
	if i < 0 {
		i += int(s.rank)
	}
	if i < 0 || i >= int(s.rank) {
		return 1
	}
	return s.dims[i]
}

// Len returns the number of elements.
func (s Shape) Len() int {
	n := 1
	for _, d := range s.dims[:s.rank] {
		n *= d
	}
	return n
}

// Bytes returns the size of the dense tensor in memory.
func (s Shape) Bytes() int64 { return s.DType.Bytes(s.Len()) }

// With returns the shape of the same type with other extents.
func (s Shape) With(dims ...int) Shape { return ShapeOf(s.DType, dims...) }

// String gives the form that the text of a graph uses: f32[2 3].
func (s Shape) String() string {
	return s.DType.String() + strings.ReplaceAll(fmt.Sprint(s.dims[:s.rank]), ",", "")
}

func (s Shape) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s *Shape) UnmarshalText(text []byte) (err error) {
	*s, err = ParseShape(string(text))
	return err
}
