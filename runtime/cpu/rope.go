package cpu

import (
	"math"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

func init() { register(ropeKernel, ops.RopeOp) }

// rope turns heads by the positions of their tokens.
type rope struct {
	ops.RopeAttrs
	streams int         // positions of a token
	stream  []int       // of each pair, -1 for one that does not turn
	freq    []float64   // of each pair: the angle of one position
	tables  [][]float32 // by worker: cos and sin of each pair
}

func newRope(a ops.RopeAttrs, pos graph.Shape, threads int) *rope {
	n := a.Dims / 2
	r := &rope{RopeAttrs: a, streams: 1, tables: make([][]float32, threads)}
	if pos.Rank() == 3 {
		r.streams = pos.Dim(2)
	}
	for j := range n {
		s := a.Stream(j)
		if r.streams == 1 && s > 0 { // t = h = w = pos, e = 0
			if s < 3 {
				s = 0
			} else {
				s = -1
			}
		}
		r.stream = append(r.stream, s)
		r.freq = append(r.freq, math.Pow(float64(a.Base), -2*float64(j)/float64(a.Dims)))
	}
	for i := range r.tables {
		r.tables[i] = make([]float32, 2*n)
	}
	return r
}

// at computes the tables of token i for a worker.
func (r *rope) at(worker int, pos []int32, i int) []float32 {
	table := r.tables[worker]
	n := len(r.freq)
	for j, f := range r.freq {
		p := 0.0
		if s := r.stream[j]; s >= 0 {
			p = float64(pos[i*r.streams+s])
		}
		sin, cos := math.Sincos(p * f)
		table[j], table[n+j] = float32(cos), float32(sin)
	}
	return table
}

// turn rotates a head in place.
func (r *rope) turn(head, table []float32) {
	n := len(r.freq)
	for j := range n {
		a, b := r.Pair(j)
		cos, sin := table[j], table[n+j]
		u, v := head[a], head[b]
		head[a], head[b] = u*cos-v*sin, u*sin+v*cos
	}
}

func ropeKernel(n *graph.Node, p *plan) error {
	x := n.In(0).Shape()
	H, D := x.Dim(2), x.Dim(3)
	r := newRope(n.Attrs().(ops.RopeAttrs), n.In(1).Shape(), p.threads)
	p.step(x.Dim(0)*x.Dim(1), float64(H*D+20*r.Dims), func(f *frame, lo, hi int) {
		for i := lo; i < hi; i++ {
			table := r.at(f.Worker, f.ints(1), i)
			y := f.out(0)[i*H*D : (i+1)*H*D]
			copy(y, f.in(0)[i*H*D:])
			for h := range H {
				r.turn(y[h*D:(h+1)*D], table)
			}
		}
	})
	return nil
}
