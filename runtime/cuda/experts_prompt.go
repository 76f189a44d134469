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

// prepare returns activations as kernels for many tokens want them beside weights of
// a type: rounded for block formats, normalised.
func (p *plan) prepare(x activations, dt graph.DType) buffer {
	if !(weight{dt: dt}).plain() {
		return p.rounded(x, x.tokens)
	}
	return p.normalised(x)
}

type promptParams struct{ Each, K, F, Parts uint32 }

// multiply gives each pair's row of x the products with the weights of its expert:
// silu(product 0)·product 1 where there are two weights. The same number of pairs has
// each row.
func (g grouped) multiply(p *plan, x activations, ws []weight, y buffer) {
	w, up := ws[0], null
	kernel := weightKernel("experts_prompt", w.dt)
	if len(ws) == 2 {
		if w.dt != ws[1].dt {
			products := p.scratch(8 * int64(g.pairs) * int64(w.rows))
			second := products.at(4 * int64(g.pairs) * int64(w.rows))
			g.multiply(p, x, ws[:1], products)
			g.multiply(p, x, ws[1:], second)
			p.siluMul(g.pairs*w.rows, products, second, y)
			return
		}
		kernel, up = weightKernel("experts_prompt_gated", w.dt), ws[1].at
	}
	tiles, columns := lower.Ceil(g.pairs, promptTokens), lower.Ceil(w.rows, promptRows)
	parts := min(tiles, lower.Ceil(1024, columns*g.E)) // blocks enough for every multiprocessor
	p.launch(kernel, dim{columns, g.E, parts}, line(256),
		promptParams{uint32(g.pairs / x.tokens), uint32(w.k), uint32(w.rows), uint32(parts)},
		p.prepare(x, w.dt), g.begin, g.order, w.at, up, y)
}
