package cuda

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

// fewTokens is how many tokens are multiplied one by one, with weights read for each.
const fewTokens = 8

// Of kernels for many tokens: rows of weights and tokens of a block at a time.
const (
	promptRows   = 64
	promptTokens = 32
)

// grouped is the pairs of N tokens and the U experts that each uses, by expert.
type grouped struct {
	pairs, U, E  int
	begin, order buffer
}

type sortParams struct{ Pairs, E uint32 }

// sortByExpert groups the pairs of an operand [N U].
func (p *plan) sortByExpert(operand, E int) grouped {
	idx := p.node.In(operand).Shape()
	g := grouped{idx.Len(), idx.Dim(1), E, p.scratch(4 * int64(E+1)), p.scratch(4 * int64(idx.Len()))}
	p.launch("experts_sort", line(E), line(256), sortParams{uint32(g.pairs), uint32(E)}, p.in(operand), g.begin, g.order)
	return g
}

// alone is the one expert that all N tokens use.
func alone(N int) grouped { return grouped{pairs: N, U: 1, E: 1} }

type prepareParams struct {
	K   uint32
	Eps float32
}

// prepare returns rows of K activations as kernels for many tokens want them beside
// weights of a type: rounded for block formats, normalised first where norm is there.
func (p *plan) prepare(x, norm buffer, eps float32, rows, K int, dt graph.DType) buffer {
	kernel, bytes := "experts_norm", int64(4*K)
	if block, _ := dt.Block(); block > 1 {
		kernel, bytes = "experts_round", roundedBytes(K)
	} else if norm == null {
		return x
	}
	y := p.scratch(int64(rows) * bytes)
	p.launch(kernel, line(rows), line(256), prepareParams{uint32(K), eps}, x, norm, y)
	return y
}

// roundedBytes is the size of a row of K activations that are rounded to bytes, 32 of
// them to a scale.
func roundedBytes(K int) int64 { return 40 * int64((K/32+3)&^3) }

type promptParams struct{ Pairs, Each, K, F, Parts uint32 }

// multiply gives each pair's row of x the products with F rows of its expert's
// weights, of a type: silu(gate)·up where up is there. each pairs have one row.
func (g grouped) multiply(p *plan, x buffer, each int, gate, up, y buffer, dt graph.DType, K, F int) {
	kernel := "experts_prompt_" + dt.String()
	if up != null {
		kernel = "experts_prompt_gated_" + dt.String()
	}
	tiles, columns := lower.Ceil(g.pairs, promptTokens), lower.Ceil(F, promptRows)
	parts := min(tiles, lower.Ceil(1024, columns*g.E)) // blocks enough for every multiprocessor
	p.launch(kernel, dim{columns, g.E, parts}, line(256), promptParams{uint32(g.pairs), uint32(each), uint32(K), uint32(F), uint32(parts)},
		x, g.begin, g.order, gate, up, y)
}

type weighParams struct{ E, U, M uint32 }
