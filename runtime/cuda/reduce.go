package cuda

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

func init() {
	register(rowsOf("sum_last_f32", 128), ops.SumLastOp)
	register(rowsOf("mean_last_f32", 128), ops.MeanLastOp)
	register(rowsOf("max_last_f32", 128), ops.MaxLastOp)
	register(rowsOf("rms_norm_f32", 128), ops.RMSNormOp)
	register(rowsOf("l2_norm_f32", 128), ops.L2NormOp)
	register(rowsOf("cumsum_f32", 32), ops.CumSumOp)
}

type reduceParams struct {
	N    uint32
	Eps  float32
	Mode uint32 // of l2_norm: 1 for the larger of norm and eps
}

// rowsOf launches a block of threads for each row along the last axis.
func rowsOf(function string, block int) kernel {
	return func(n *graph.Node, p *plan) error {
		x := n.In(0).Shape()
		if err := small(x.Len()); err != nil {
			return err
		}
		params := reduceParams{N: uint32(x.Dim(-1))}
		switch a := n.Attrs().(type) {
		case ops.RMSNormAttrs:
			params.Eps = a.Eps
		case ops.L2NormAttrs:
			params.Eps = a.Eps
			if a.Mode == ops.L2Max {
				params.Mode = 1
			}
		}
		p.launch(function, line(x.Len()/x.Dim(-1)), line(block), params, p.in(0), p.out(0))
		return nil
	}
}
