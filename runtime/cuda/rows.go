package cuda

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() { register(lookUp, ops.RowsOp) }

type lookUpParams struct{ Units, Rows uint32 }

// lookUp launches a thread for each 32 elements of a row, or for each one of a type
// without blocks.
func lookUp(n *graph.Node, p *plan) error {
	x, count := n.In(0).Shape(), n.In(1).Shape().Len()
	units := x.Len() / x.Dim(0)
	if block, _ := x.DType.Block(); block > 1 {
		units /= 32
	}
	p.launch(weightKernel("rows", x.DType), dim{count, lower.Ceil(units, 128), 1}, line(128), lookUpParams{uint32(units), uint32(x.Dim(0))},
		p.in(0), p.in(1), p.out(0))
	return nil
}

// weightKernel is the kernel of a family that has one for each type of weight.
func weightKernel(family string, dt graph.DType) string { return family + "_" + dt.String() }
