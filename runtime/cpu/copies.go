package cpu

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/quant"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() {
	register(gather, ops.ReshapeOp, ops.PermuteOp, ops.SliceOp, ops.BroadcastOp, ops.RepeatOp, ops.ContOp)
	register(concat, ops.ConcatOp)
	register(pad, ops.PadOp)
	register(lookUp, ops.RowsOp)
	register(scatter, ops.ScatterRowsOp)
}

// gather copies elements from where a view finds them.
func gather(n *graph.Node, p *plan) error {
	l := lower.ViewOf(n)
	first, size, inner, step := l.First, l.Bytes, l.Inner(), l.Step(0)
	p.elements(l.Rows()*inner, l.Rows() == 1 && step == 1, 0.5, func(f *frame, at, end int) {
		x, y := f.bytes(0), f.outBytes(0)
		for at < end {
			row, i := at/inner, at%inner
			count := min(end-at, inner-i)
			from := (first + l.At(0, row) + i*step) * size
			to := y[at*size : (at+count)*size]
			at += count
			switch {
			case step == 1:
				copy(to, x[from:])
			case size == 4:
				gatherFloats(floats(to), floats(x)[from/4:], step)
			default:
				for ; len(to) > 0; to, from = to[size:], from+step*size {
					copy(to[:size], x[from:])
				}
			}
		}
	})
	return nil
}

// concat copies each operand's part of each index in front of the axis.
func concat(n *graph.Node, p *plan) error {
	axis := n.Attrs().(ops.ConcatAttrs).Axis
	dims, size := lower.Pieces(n.Out(0).Shape())
	rows, whole := lower.Product(dims[:axis]), lower.Product(dims[axis:])*size
	part := make([]int, n.NumIn()) // bytes
	for i := range part {
		d, _ := lower.Pieces(n.In(i).Shape())
		part[i] = lower.Product(d[axis:]) * size
	}
	p.step(rows, float64(whole)/8, func(f *frame, lo, hi int) {
		y, at := f.outBytes(0), 0
		for i, n := range part {
			x := f.bytes(i)
			for r := lo; r < hi; r++ {
				copy(y[r*whole+at:][:n], x[r*n:])
			}
			at += n
		}
	})
	return nil
}

func pad(n *graph.Node, p *plan) error {
	axis := n.Attrs().(ops.PadAttrs).Axis
	rows := lower.Product(n.In(0).Shape().Dims()[:axis])
	from, to := n.In(0).Shape().Len()/rows, n.Out(0).Shape().Len()/rows
	p.step(rows, float64(to)/2, func(f *frame, lo, hi int) {
		x, y := f.in(0), f.out(0)
		for r := lo; r < hi; r++ {
			row := y[r*to : (r+1)*to]
			clear(row[copy(row, x[r*from:(r+1)*from]):])
		}
	})
	return nil
}

// lookUp copies rows by number, unpacked. Those of f32 may lie apart: of a cache,
// the positions in use of each slot.
func lookUp(n *graph.Node, p *plan) error {
	s := n.In(0).Shape()
	R, cols := s.Dim(0), s.Len()/s.Dim(0)
	count := n.In(1).Shape().Len()
	if s.DType == graph.F32 || s.DType == graph.F16 {
		steps := p.strides(0, n)
		l := lower.NewNest(s.Dims()[1:], steps[1:])
		inner, step := l.Inner(), l.Step(0)
		runs := l.Rows() // of a row
		p.elements(count*cols, false, 0.5, func(f *frame, at, end int) {
			x, idx, y := f.bytes(0), f.ints(1), f.out(0)
			for at < end {
				run, i := at/inner, at%inner
				r, ok := f.index(idx, run/runs, R)
				if !ok {
					return
				}
				to := y[at:min(end, at+inner-i)]
				from := r*steps[0] + l.At(0, run%runs) + i*step
				if s.DType == graph.F16 {
					f.gatherHalves(to, x[2*from:], step)
				} else {
					gatherFloats(to, floats(x)[from:], step)
				}
				at += len(to)
			}
		})
		return nil
	}
	size := int(s.Bytes()) / R
	p.step(count, float64(cols), func(f *frame, lo, hi int) {
		x, idx := f.bytes(0), f.ints(1)
		for i := lo; i < hi; i++ {
			r, ok := f.index(idx, i, R)
			if !ok {
				return
			}
			if err := quant.Unpack(s.DType, f.out(0)[i*cols:(i+1)*cols], x[r*size:(r+1)*size]); err != nil {
				f.fail(err)
			}
		}
	})
	return nil
}

// gatherFloats sets y to every step-th element of x.
func gatherFloats(y, x []float32, step int) {
	if step == 1 {
		copy(y, x)
		return
	}
	at := 0
	for i := range y {
		y[i] = x[at]
		at += step
	}
}

// gatherHalves is gatherFloats from half precision.
func (f *frame) gatherHalves(y []float32, x []byte, step int) {
	if step == 1 {
		f.vec.FromHalf(y, x)
		return
	}
	for i := range y {
		h := x[2*i*step:]
		y[i] = quant.F16ToF32(uint16(h[0]) | uint16(h[1])<<8)
	}
}

// index returns idx[i], which must be one of n rows; otherwise the run fails.
func (f *frame) index(idx []int32, i, n int) (int, bool) {
	if r := int(idx[i]); r >= 0 && r < n {
		return r, true
	}
	f.fail(fmt.Errorf("index %d is not in 0..%d", idx[i], n-1))
	return 0, false
}

// scatter copies what is not there yet, then the new rows.
func scatter(n *graph.Node, p *plan) error {
	s := n.In(0).Shape()
	R, size := s.Dim(0), int(s.Bytes())/s.Dim(0)
	if !p.inPlace(0, 0) {
		p.step(R, float64(size)/8, func(f *frame, lo, hi int) {
			copy(f.outBytes(0)[lo*size:hi*size], f.bytes(0)[lo*size:])
		})
	}
	const most = 16 << 10 // bytes of a unit
	parts, rounds := lower.Ceil(size, most), n.In(2).Shape().DType != s.DType
	p.step(n.In(1).Shape().Len()*parts, float64(min(size, most))/8, func(f *frame, lo, hi int) {
		idx, src, y := f.ints(1), f.bytes(2), f.outBytes(0)
		for u := lo; u < hi; u++ {
			i, from := u/parts, u%parts*most
			r, ok := f.index(idx, i, R)
			if !ok {
				return
			}
			to, at := y[r*size+from:r*size+min(size, from+most)], i*size+from
			if rounds { // f32 to f16
				f.vec.ToHalf(to, floats(src)[at/2:][:len(to)/2])
			} else {
				copy(to, src[at:])
			}
		}
	})
	return nil
}
