package cuda

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

// headsParams is HeadsParams of runtime/kernels/heads.cu.
type headsParams struct {
	K, Tokens, Rows, Lanes, Axes uint32
	Dims, SX, SW                 [4]uint32
	Token, Element               uint32
}

// headsTokens is how many tokens a block takes.
const headsTokens = 8

// byHead tells whether the product of a batch is for the kernels that look at rows: few
// tokens, or weights that no other kernel of batches knows.
func byHead(n *graph.Node) bool {
	a, b := n.In(0).Shape(), n.In(1).Shape()
	w := weight{dt: b.DType, k: b.Dim(-1)}
	return b.Len() != b.Dim(-1)*b.Dim(-2) && (a.Dim(-2) <= headsTokens || !w.plain()) && headsMemory(a.Dim(-2), w) <= vecShared
}

// headsMemory is the shared memory of a block.
func headsMemory(tokens int, w weight) int {
	if tokens = min(tokens, headsTokens); w.plain() {
		return 4 * tokens * w.k
	}
	return tokens * tokenBytes(w.k)
}

// heads multiplies tokens with matrices of their own.
func (p *plan) heads(n *graph.Node) error {
	a, b, lead := n.In(0).Shape(), n.In(1).Shape(), n.Out(0).Shape().Dims()
	lead = lead[:len(lead)-2]
	w := p.weights(1, 2)[0]
	steps := p.steps(0)
	tokens, units := a.Dim(-2), lower.Ceil(w.k, 8)
	if !w.plain() {
		units = w.k / 32
	}
	lanes := 32
	for lanes > units {
		lanes /= 2
	}
	params := headsParams{K: uint32(w.k), Tokens: uint32(tokens), Rows: uint32(w.rows), Lanes: uint32(lanes), Axes: uint32(len(lead)),
		Token: uint32(steps[len(steps)-2]), Element: uint32(steps[len(steps)-1])}
	l := lower.NewBatch(lead, a, b)
	for i := range lead {
		params.Dims[i], params.SW[i] = uint32(lead[i]), uint32(l.Steps[1][i])
		if own := i - (len(lead) - (a.Rank() - 2)); own >= 0 && a.Dim(own) > 1 {
			params.SX[i] = uint32(steps[own])
		}
	}
	grid := dim{lower.Ceil(w.rows*lanes, threads), lower.Ceil(tokens, headsTokens), lower.Product(lead)}
	p.launchShared(headsMemory(tokens, w), weightKernel("heads", w.dt), grid, line(threads), params, p.in(0), w.at, p.out(0))
	return nil
}

// Strided tells whether a kernel reads an operand through strides.
func (b *Backend) Strided(n *graph.Node, operand int) bool {
	switch n.Op() {
	case ops.MatMulOp:
		return operand == 0 && byHead(n)
	case ops.LatentAttentionOp:
		return operand == latentRope
	}
	return false
}
