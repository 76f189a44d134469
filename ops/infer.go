package ops

import (
	"errors"
	"fmt"
	"math"

	"github.com/deltaloom/deltaloom/graph"
)

// maxExtent bounds an attribute that an extent is made of, so that sums and
// products of two of them do not overflow. No axis is that long.
const maxExtent = 1 << 48

// one applies an op of one result.
func one(op *graph.Op, a graph.Attrs, in ...graph.Value) graph.Value {
	return graph.Apply(op, a, in...).Out(0)
}

// axisOf counts a negative axis from the end; what is no axis stays as it is,
// for Infer to refuse.
func axisOf(x graph.Value, axis int) int {
	if rank := x.Shape().Rank(); axis < 0 && axis >= -rank {
		axis += rank
	}
	return axis
}

// result is what Infer returns for one tensor, or why no tensor has that shape.
func result(dt graph.DType, dims ...int) ([]graph.Shape, error) {
	if err := graph.CheckDims(dims); err != nil {
		return nil, err
	}
	s := graph.ShapeOf(dt, dims...)
	if e, _ := dt.Block(); s.Dim(-1)%e != 0 {
		return nil, fmt.Errorf("rows of %v are not whole blocks of %d", s, e)
	}
	return []graph.Shape{s}, nil
}

func wantType(dt graph.DType, in ...graph.Shape) error {
	for i, s := range in {
		if s.DType != dt {
			return fmt.Errorf("operand %d is %v, want type %v", i, s, dt)
		}
	}
	return nil
}

// wantF32 wants every operand to be f32 and of this rank at least.
func wantF32(rank int, in ...graph.Shape) error {
	if err := wantType(graph.F32, in...); err != nil {
		return err
	}
	for i, s := range in {
		if s.Rank() < rank {
			return fmt.Errorf("operand %d is %v, want rank %d or more", i, s, rank)
		}
	}
	return nil
}

// wantIndex wants operand i to hold indices of this rank at least.
func wantIndex(i int, s graph.Shape, rank int) error {
	if s.DType != graph.I32 || s.Rank() < rank {
		return fmt.Errorf("operand %d is %v, want i32 of rank %d or more", i, s, rank)
	}
	return nil
}

func wantAxis(axis int, s graph.Shape) error {
	if axis < 0 || axis >= s.Rank() {
		return fmt.Errorf("axis %d of %v", axis, s)
	}
	return nil
}

// wantEps accepts what can stand under a root.
func wantEps(eps float32) error {
	if !(eps >= 0) || math.IsInf(float64(eps), 0) {
		return fmt.Errorf("eps %v is not a finite number from 0", eps)
	}
	return nil
}

func isNaN(x float32) bool { return x != x }

var errNaN = errors.New("an attribute is NaN, which equals nothing")

// broadcastDims joins extents aligned at the last axis.
func broadcastDims(a, b []int) ([]int, error) {
	out := make([]int, max(len(a), len(b)))
	for i := range out {
		da, db := dimFromEnd(a, i), dimFromEnd(b, i)
		if da != db && da != 1 && db != 1 {
			return nil, fmt.Errorf("extents %v and %v do not broadcast", a, b)
		}
		out[len(out)-1-i] = max(da, db)
	}
	return out, nil
}

func dimFromEnd(dims []int, i int) int {
	if i >= len(dims) {
		return 1
	}
	return dims[len(dims)-1-i]
}

// withDim returns the extents of s with axis replaced.
func withDim(s graph.Shape, axis, n int) []int {
	dims := s.Dims()
	dims[axis] = n
	return dims
}

// lead returns the extents of s without the last n.
func lead(s graph.Shape, n int) []int {
	dims := s.Dims()
	return dims[:len(dims)-n]
}

// sameShape is the Infer of ops that keep the shape of one f32 operand.
func sameShape(rank int) func([]graph.Shape, graph.Attrs) ([]graph.Shape, error) {
	return func(in []graph.Shape, _ graph.Attrs) ([]graph.Shape, error) {
		return in, wantF32(rank, in...)
	}
}

var inPlace = []graph.Alias{{Result: 0, Operand: 0}}
