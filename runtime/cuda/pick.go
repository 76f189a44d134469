package cuda

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

func init() {
	register(pick, ops.PickOp)
	register(recall, ops.RecallOp)
}

// Sizes of runtime/kernels/pick.cu.
const (
	pickThreads = 64
	mostPicked  = 512
)

type (
	pickParams   struct{ K uint32 }
	recallParams struct{ N, Slots uint32 }
)

func pick(n *graph.Node, p *plan) error {
	x := n.In(0).Shape()
	if x.Dim(1) > mostPicked || x.Dim(0) > 1<<20 {
		return unsupported("one of %d tokens, %d times", x.Dim(1), x.Dim(0))
	}
	p.launch("pick", line(x.Dim(0)), line(pickThreads), pickParams{uint32(x.Dim(1))}, p.in(0), p.in(1), p.in(2), p.out(0))
	return nil
}

func recall(n *graph.Node, p *plan) error {
	x, kept := n.In(0).Shape().Len(), n.In(1).Shape().Len()
	if err := small(max(x, kept)); err != nil {
		return err
	}
	p.launch("recall", along(x), line(threads), recallParams{uint32(x), uint32(kept)}, p.in(0), p.in(1), p.in(2), p.out(0))
	return nil
}
