package cuda

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() { register(gatedNorm, ops.GatedNormOp) }

type gatedNormParams struct {
	Rows, V uint32
	Eps     float32
	Sigmoid uint32
}

func gatedNorm(n *graph.Node, p *plan) error {
	norm, err := lower.GatedNorm(n)
	if err != nil {
		return err
	}
	size := n.In(0).Shape().Len()
	if err := small(size); err != nil {
		return err
	}
	p.gatedRows(norm, size/norm.V, p.in(0), p.in(1), p.in(2), p.out(0))
	return nil
}

// gatedRows is rms_norm(x)·w · gate(z) for rows of norm.V.
func (p *plan) gatedRows(norm lower.Norm, rows int, x, w, z, y buffer) {
	const warps = 4
	p.launch("gated_norm", line(lower.Ceil(rows, warps)), dim{32, warps, 1},
		gatedNormParams{uint32(rows), uint32(norm.V), norm.Eps, flag(norm.Gate == ops.SigmoidOp)}, x, w, z, y)
}

// flag is a bool as devices have it.
func flag(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}
