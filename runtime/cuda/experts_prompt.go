package cuda

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

// Of kernels for many tokens: rows of weights and tokens of a block at a time.
const (
	promptRows   = 64
	promptTokens = 32
)

// grouped is the pairs of N tokens and the U experts that each uses, by expert.
type grouped struct {
	pairs, E     int
	begin, order buffer
}

type sortParams struct{ Pairs, E uint32 }

// sortByExpert groups the pairs of an operand [N U].
func (p *plan) sortByExpert(operand, E int) grouped {
	idx := p.node.In(operand).Shape()
	g := grouped{idx.Len(), E, p.scratch(4 * int64(E+1)), p.scratch(4 * int64(idx.Len()))}
	p.launch("experts_sort", line(E), line(256), sortParams{uint32(g.pairs), uint32(E)}, p.in(operand), g.begin, g.order)
	return g
}

// alone is the one expert that all N tokens use.
func alone(N int) grouped { return grouped{pairs: N, E: 1} }

type normParams struct {
	K   uint32
	Eps float32
}

// prepare returns activations as kernels for many tokens want them beside weights of
// a type: rounded for block formats, normalised.
func (p *plan) prepare(x activations, dt graph.DType) buffer {
	if !(weight{dt: dt}).plain() {
		return p.rounded(x, x.tokens)
	}
	if x.norm == null {
		return x.at
	}
	y := p.scratch(4 * int64(x.tokens) * int64(x.k))
	p.launch("experts_norm", line(x.tokens), line(256), normParams{uint32(x.k), x.eps}, x.at, x.norm, y)
	return y
}

type promptParams struct{ Pairs, Each, K, F, Parts uint32 }

// multiply gives each pair's row of x, rows as prepare returns them, the products with
// the weights of its expert: silu(product 0)·product 1 where there are two weights. The
// same number of pairs has each row.
func (g grouped) multiply(p *plan, x buffer, rows int, ws []weight, y buffer) {
	w, up := ws[0], null
	kernel := "experts_prompt_" + w.dt.String()
	if len(ws) == 2 {
		kernel, up = "experts_prompt_gated_"+w.dt.String(), ws[1].at
	}
	tiles, columns := lower.Ceil(g.pairs, promptTokens), lower.Ceil(w.rows, promptRows)
	parts := min(tiles, lower.Ceil(1024, columns*g.E)) // blocks enough for every multiprocessor
	p.launch(kernel, dim{columns, g.E, parts}, line(256),
		promptParams{uint32(g.pairs), uint32(g.pairs / rows), uint32(w.k), uint32(w.rows), uint32(parts)},
		x, g.begin, g.order, w.at, up, y)
}
