package cuda

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

func init() {
	register(softmax, ops.SoftmaxOp)
	register(causalMask, ops.CausalMaskOp)
}

type softmaxParams struct{ N uint32 }

func softmax(n *graph.Node, p *plan) error {
	x := n.In(0).Shape()
	if err := small(x.Len()); err != nil {
		return err
	}
	p.launch("softmax_f32", line(x.Len()/x.Dim(-1)), line(128), softmaxParams{uint32(x.Dim(-1))}, p.in(0), p.out(0))
	return nil
}

type maskParams struct{ Size, N uint32 }

func causalMask(n *graph.Node, p *plan) error {
	y := n.Out(0).Shape()
	if err := small(y.Len()); err != nil {
		return err
	}
	p.launch("causal_mask_f32", along(y.Len()), line(threads), maskParams{uint32(y.Len()), uint32(y.Dim(-1))}, p.in(0), p.out(0))
	return nil
}
