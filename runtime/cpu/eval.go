package cpu

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

func init() {
	register(define, ops.ArgSortOp, ops.TopKOp, ops.GatherLastOp, ops.TriOp, ops.DiagOp, ops.PickOp, ops.RecallOp)
}

// define is the kernel of ops that no model has in a hot place: one worker
// evaluates the definition.
func define(n *graph.Node, p *plan) error {
	if n.Op().Eval == nil {
		return unsupported("no kernel")
	}
	p.step(1, 0, func(f *frame, lo, hi int) {
		in, out := make([]graph.Tensor, len(f.call.In)), make([]graph.Tensor, len(f.call.Out))
		for i, a := range f.call.In {
			in[i] = f.bind.Tensor(a)
		}
		for i, a := range f.call.Out {
			out[i] = f.bind.Tensor(a)
		}
		if err := ops.EvalNode(n, in, out); err != nil {
			f.fail(err)
		}
	})
	return nil
}
