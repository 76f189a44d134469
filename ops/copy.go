package ops

import "github.com/deltaloom/deltaloom/graph"

// The views and the other ops that only move elements copy units: an element,
// or a block of a block type, which lies along the last axis.

// units returns the extents of s counted in units, and the slots of memory that
// a unit takes: elements of F and I, bytes of Raw.
func units(s graph.Shape) (dims []int, slots int) {
	dims = s.Dims()
	if s.DType == graph.F32 || s.DType == graph.I32 {
		return dims, 1
	}
	e, bytes := s.DType.Block()
	if e > 1 {
		dims[len(dims)-1] /= e
	}
	return dims, bytes
}

// copyUnits writes dst, dense of extents dims, from the units of src that lie at
// first and from there in these steps.
func copyUnits(dst, src graph.Tensor, dims []int, first int, step []int) {
	_, slots := units(src.Shape)
	n := merged(nest{dims, [2][]int{step, make([]int, len(step))}})
	switch src.Shape.DType {
	case graph.F32:
		copySlots(dst.F, src.F[first:], n, 1)
	case graph.I32:
		copySlots(dst.I, src.I[first:], n, 1)
	default:
		copySlots(dst.Raw, src.Raw[first*slots:], n, slots)
	}
}

func copySlots[T any](dst, src []T, n nest, slots int) {
	n.rows(func(r row) {
		to, from, step := dst[r.out*slots:(r.out+r.n)*slots], r.at[0]*slots, r.step[0]*slots
		switch {
		case step == slots:
			copy(to, src[from:from+len(to)])
		case slots == 1:
			for i := range to {
				to[i] = src[from+i*step]
			}
		default:
			for i := 0; i < len(to); i += slots {
				copy(to[i:i+slots], src[from:])
				from += step
			}
		}
	})
}

// copySpan copies n units.
func copySpan(dst graph.Tensor, to int, src graph.Tensor, from, n int) {
	_, slots := units(src.Shape)
	switch src.Shape.DType {
	case graph.F32:
		copy(dst.F[to:to+n], src.F[from:])
	case graph.I32:
		copy(dst.I[to:to+n], src.I[from:])
	default:
		copy(dst.Raw[to*slots:(to+n)*slots], src.Raw[from*slots:])
	}
}

// copyAll copies every element in order.
func copyAll(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) {
	copy(out[0].F, in[0].F)
	copy(out[0].I, in[0].I)
	copy(out[0].Raw, in[0].Raw)
}

func product(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}
