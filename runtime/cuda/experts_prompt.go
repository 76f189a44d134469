package cuda

import (
	"github.com/deltaloom/deltaloom/runtime/lower"
)

// expertTokens is how many tokens a block of expert_tiles takes at a time.
const expertTokens = 32

// grouped is the pairs of N tokens and the U experts that each uses, by expert, with
// the row of activations that each pair has.
type grouped struct {
	x                    activations
	pairs, E             int
	begin, order, source buffer
}

type sortParams struct{ Pairs, E, Each uint32 }

// sortByExpert groups the pairs of an operand [N U], the same number of which has each
// row of x.
func (p *plan) sortByExpert(x activations, operand, E int) grouped {
	pairs := p.node.In(operand).Shape().Len()
	size := 4 * int64(pairs)
	g := grouped{x, pairs, E, p.scratch(4 * int64(E+1)), p.scratch(size), p.scratch(size)}
	p.launch("experts_sort", line(E), line(256), sortParams{uint32(pairs), uint32(E), uint32(pairs / x.tokens)},
		p.in(operand), g.begin, g.order, g.source)
	return g
}

// prepare returns activations as kernels for many tokens want them beside a weight:
// rounded for block formats, normalised.
func (p *plan) prepare(x activations, w weight) buffer {
	if w.plain() {
		return p.normalised(x)
	}
	return p.rounded(x, x.tokens)
}

type expertTileParams struct{ K, Rows, Mode uint32 }

// multiply gives each pair's row of activations the products with a weight of its
// expert. silu(gate) is multiplied with them where there is a gate.
func (g grouped) multiply(p *plan, x buffer, w weight, gate, y buffer) {
	tiles, columns := lower.Ceil(g.pairs, expertTokens), lower.Ceil(w.rows, tileRows)
	parts := min(tiles, lower.Ceil(1024, columns*g.E)) // blocks enough for every multiprocessor
	params, shared := expertTileParams{uint32(w.k), uint32(w.rows), storeProducts}, 0
	if gate != null {
		params.Mode = gateProducts
	}
	if !w.plain() {
		shared = 2 * placeBytes(expertTokens)
	}
	p.launchShared(shared, weightKernel("expert_tiles", w.dt), dim{parts, columns, g.E}, line(256), params,
		x, g.begin, g.source, g.order, w.at, gate, y)
}

// hidden is silu(gate)·up of each pair.
func (g grouped) hidden(p *plan, ws []weight, y buffer) {
	products := p.scratch(4 * int64(g.pairs) * int64(ws[0].rows))
	x := p.prepare(g.x, ws[0])
	g.multiply(p, x, ws[0], null, products)
	if ws[0].plain() != ws[1].plain() {
		x = p.prepare(g.x, ws[1])
	}
	g.multiply(p, x, ws[1], products, y)
}
