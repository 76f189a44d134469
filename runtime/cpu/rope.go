package cpu

import (
	"math"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() { register(ropeKernel, ops.RopeOp) }

// rope turns heads by the positions of their tokens.
type rope struct {
	lower.Rope
	tables [][]float32 // by worker: cos and sin of each pair
}

func newRope(r lower.Rope, threads int) *rope {
	t := &rope{r, make([][]float32, threads)}
	for i := range t.tables {
		t.tables[i] = make([]float32, 2*len(r.Freq))
	}
	return t
}

// at computes the tables of token i for a worker.
func (r *rope) at(worker int, pos []int32, i int) []float32 {
	table := r.tables[worker]
	n := len(r.Freq)
	for j, f := range r.Freq {
		p := 0.0
		if s := r.Stream[j]; s >= 0 {
			p = float64(pos[i*r.Streams+s])
		}
		sin, cos := math.Sincos(p * f)
		table[j], table[n+j] = float32(cos), float32(sin)
	}
	return table
}

// turn rotates a head in place.
func (r *rope) turn(head, table []float32) {
	n := len(r.Freq)
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
	r := newRope(lower.NewRope(n.Attrs().(ops.RopeAttrs), n.In(1).Shape()), p.threads)
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
