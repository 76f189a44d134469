package cuda

import (
	"math"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() { register(rope, ops.RopeOp) }

// ropeTable is a rope as kernels take it.
type ropeTable struct {
	Turn                     [128]uint64 // the part of a turn that a position is for a pair, times 2^64
	Stream                   [8]uint32   // of each pair, two bits
	Pairs, Streams, Adjacent uint32
	_                        uint32
}

func newRopeTable(r lower.Rope) (ropeTable, error) {
	t := ropeTable{Pairs: uint32(len(r.Freq)), Streams: uint32(r.Streams)}
	if len(r.Freq) > len(t.Turn) {
		return t, unsupported("%d elements turn, want at most %d", r.Dims, 2*len(t.Turn))
	}
	if r.Mode == ops.Normal {
		t.Adjacent = 1
	}
	for j, radians := range r.Freq {
		if s := r.Stream[j]; s >= 0 {
			_, part := math.Modf(radians / (2 * math.Pi))
			t.Turn[j] = uint64(math.Ldexp(part, 64))
			t.Stream[j/16] |= uint32(s) << (j % 16 * 2)
		}
	}
	return t, nil
}

type ropeParams struct {
	Rope        ropeTable
	Heads, Size uint32
}

func rope(n *graph.Node, p *plan) error {
	x := n.In(0).Shape()
	table, err := newRopeTable(lower.NewRope(n.Attrs().(ops.RopeAttrs), n.In(1).Shape()))
	if err != nil {
		return err
	}
	if err := small(x.Len()); err != nil {
		return err
	}
	p.launch("rope_f32", line(x.Dim(0)*x.Dim(1)), line(128), ropeParams{table, uint32(x.Dim(2)), uint32(x.Dim(3))}, p.in(0), p.in(1), p.out(0))
	return nil
}
