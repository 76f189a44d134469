package cuda

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() { register(matmul, ops.MatMulOp) }

// batchParams is BatchParams of runtime/kernels/matmul.cu.
type batchParams struct {
	K, Tokens, Rows, Mode, Axes uint32
	Dims, SX, SW                [4]uint32
}

const batchTile = 64 // tokens and rows of a block

func matmul(n *graph.Node, p *plan) error {
	a, b, y := n.In(0).Shape(), n.In(1).Shape(), n.Out(0).Shape()
	if b.Len() == b.Dim(-1)*b.Dim(-2) { // one matrix for all rows
		return p.linear(p.acts(0), p.weights(1, 2), storeProducts, null, p.out(0))
	}
	if byHead(n) {
		return p.heads(n)
	}
	w := p.weights(1, 2)[0]
	if !w.plain() {
		return unsupported("a batch of weights of %v with rows of %d", w.dt, w.k)
	}
	lead := y.Dims()[:y.Rank()-2]
	params := batchParams{K: uint32(w.k), Tokens: uint32(a.Dim(-2)), Rows: uint32(w.rows), Axes: uint32(len(lead))}
	l := lower.NewBatch(lead, a, b)
	for i := range lead {
		params.Dims[i], params.SX[i], params.SW[i] = uint32(lead[i]), uint32(l.Steps[0][i]), uint32(l.Steps[1][i])
	}
	p.batch(p.in(0), w, params, lower.Product(lead), null, p.out(0))
	return nil
}

// batch launches the products of so many matrices.
func (p *plan) batch(x buffer, w weight, params batchParams, matrices int, residual, y buffer) {
	grid := dim{lower.Ceil(int(params.Tokens), batchTile), lower.Ceil(w.rows, batchTile), matrices}
	p.launch(weightKernel("matmul", w.dt), grid, line(256), params, x, w.at, residual, y)
}

type tileParams struct{ K, Tokens, Rows, Mode uint32 }

// tileRows is how many rows of a weight in blocks a block of threads takes; of tokens
// it takes 128, and where there are few, 32.
const tileRows = 64

// tiles multiplies any number of tokens on tensor cores: activations are prepared once
// for weights in blocks and once for others, then comes a launch for each weight.
func (p *plan) tiles(x activations, ws []weight, mode int, residual buffer, ys []buffer) {
	rounded, normed := null, null
	for i, w := range ws {
		if w.plain() {
			if normed == null {
				normed = p.normalised(x)
			}
			params := batchParams{K: uint32(x.k), Tokens: uint32(x.tokens), Rows: uint32(w.rows), Mode: uint32(mode)}
			p.batch(normed, w, params, 1, residual, ys[i])
			continue
		}
		if rounded == null {
			rounded = p.rounded(x, x.tokens)
		}
		tokens := 128
		if x.tokens <= 64 {
			tokens = 32
		}
		grid := dim{lower.Ceil(x.tokens, tokens), lower.Ceil(w.rows, tileRows), 1}
		p.launchShared(2*placeBytes(tokens), fmt.Sprintf("%s_%d", weightKernel("tiles", w.dt), tokens), grid, line(256),
			tileParams{uint32(x.k), uint32(x.tokens), uint32(w.rows), uint32(mode)}, rounded, w.at, residual, ys[i])
	}
}

// normalised launches the norm of activations, where there is one.
func (p *plan) normalised(x activations) buffer {
	if x.norm == null {
		return x.at
	}
	y := p.scratch(4 * int64(x.tokens) * int64(x.k))
	p.launch("norm_activations", line(x.tokens), line(256), roundParams{uint32(x.k), uint32(x.tokens), x.eps}, x.at, x.norm, y)
	return y
}

// placeBytes is place_bytes of runtime/kernels/tiles.h.
func placeBytes(tokens int) int { return (tokens+tileRows)*144 + 32*tokens + tileRows*64 }
