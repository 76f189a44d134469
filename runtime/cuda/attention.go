package cuda

import (
	"fmt"
	"math"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() {
	register(attention, ops.AttentionOp)
	register(latentAttention, ops.LatentAttentionOp)
}

// Attention is three launches: one writes queries to scratch memory, and keys and
// values to the cache; one computes, for each split of the positions, the values as
// the softmax over that split weighs them; one puts the splits together. Where a
// token stands is read on the device, so the launches of a step are always the same.

type attentionParams struct {
	Rope                    ropeTable
	H, G, D, Rows           uint32
	QueryEps, KeyEps, Scale float32
	_                       uint32
}

func attention(n *graph.Node, p *plan) error {
	a, err := lower.AttentionOf(n)
	if err != nil {
		return err
	}
	table, err := newRopeTable(a.Rope)
	if err != nil {
		return err
	}
	c := attend{attendParams{uint32(a.B), uint32(a.T), uint32(a.H), uint32(a.G), uint32(a.P), uint32(a.C), uint32(a.KV),
		uint32(a.Rope.Streams), 0, uint32(a.D), uint32(a.D)}, a.Cache, p.out(1), p.out(2), p.in(3), p.in(4), p.in(5)}
	if err := c.check(); err != nil {
		return err
	}
	p.copyTo(1, 0)
	p.copyTo(2, 1)
	q := p.queries(c)
	p.launch("attention_write_"+cacheName(a.Cache), dim{a.B * a.T, lower.Ceil(a.H+2*a.G, 4), 1}, line(128),
		attentionParams{Rope: table, H: c.H, G: c.G, D: c.K, Rows: c.P * c.C,
			QueryEps: a.QueryEps, KeyEps: a.KeyEps, Scale: a.Scale * math.Log2E},
		p.in(2), p.in(4), p.in(5), p.in(6), p.in(7), p.in(8), p.in(9), p.out(1), p.out(2), q.high, q.low, q.factor)
	p.attend(c, q)
	return nil
}

type latentParams struct {
	T, H, R, S, Rows uint32
	Eps, Scale       float32
}

func latentAttention(n *graph.Node, p *plan) error {
	l, err := lower.LatentAttention(n)
	if err != nil {
		return err
	}
	W := uint32(l.R + l.S)
	c := attend{attendParams{uint32(l.B), uint32(l.T), uint32(l.H), 1, uint32(l.P), uint32(l.C), uint32(l.KV), 1, 0, W, uint32(l.R)},
		l.Cache, p.out(1), p.out(1), p.in(2), p.in(3), null}
	if err := c.check(); err != nil {
		return err
	}
	p.copyTo(1, 0)
	q := p.queries(c)
	p.launch("latent_write_"+cacheName(l.Cache), dim{l.B * l.T, lower.Ceil(l.H+1, 4), 1}, line(128),
		latentParams{c.T, c.H, uint32(l.R), uint32(l.S), c.P * c.C, l.Eps, l.Scale * math.Log2E},
		p.in(1), p.in(4), p.in(5), p.in(6), p.in(7), p.out(1), q.high, q.low, q.factor)
	p.attend(c, q)
	return nil
}

// cacheName is what kernels for a cache of that type are called.
func cacheName(cache graph.DType) string {
	if cache == graph.F16 {
		return "f16"
	}
	return "f32"
}

type attendParams struct{ B, T, H, G, P, C, KV, Streams, Splits, K, V uint32 }

// attend is attention to a cache that has been written.
type attend struct {
	attendParams
	cache                          graph.DType
	keys, values, slots, pos, gate buffer // gate: operand of a query's 2V elements each, or null
}

// The largest keys, values and grids of the kernels.
const (
	mostKey, mostValue = 640, 512
	mostBlocks         = 65535
)

func (c attend) check() error {
	queries := int(c.B) * int(c.T) * int(c.H)
	switch {
	case c.K > mostKey || c.V > mostValue || c.V == c.K && c.K > mostValue:
		return unsupported("keys of %d and values of %d elements, want at most %d and %d", c.K, c.V, mostKey, mostValue)
	case c.G > mostBlocks || c.B > mostBlocks || c.H > mostBlocks:
		return unsupported("%d sequences, %d heads, %d of keys: more than %d", c.B, c.H, c.G, mostBlocks)
	}
	return small(max(queries, int(c.P)*int(c.C)))
}

// queries is memory for queries: see runtime/kernels/attention_write.k.
type queries struct{ high, low, factor buffer }

func (p *plan) queries(c attend) queries {
	n := int64(c.B) * int64(c.T) * int64(c.H)
	return queries{p.scratch(2 * n * int64(c.K)), p.scratch(2 * n * int64(c.K)), p.scratch(4 * n)}
}

// attendKernel is a kernel for the products, of which a block has so many columns:
// queries of one key head and sequence.
type attendKernel struct {
	function string
	columns  int
}

func (c attend) kernel() attendKernel {
	columns := int(c.T * (c.H / c.G))
	switch {
	case c.cache == graph.F16 && c.K == 576 && c.V == 512:
		return attendKernel{"attend_latent_576_512", 32}
	case c.cache == graph.F16 && c.K == c.V && c.K%64 == 0 && c.K <= 256 && columns <= 32:
		return attendKernel{fmt.Sprintf("attend_few_%d", c.K), 8}
	case c.cache == graph.F16 && c.K == c.V && c.K%64 == 0 && c.K <= 256:
		return attendKernel{fmt.Sprintf("attend_many_%d", c.K), 64}
	}
	return attendKernel{"attend_" + cacheName(c.cache), 8}
}

// attendSplits is into how many parts the positions are cut: enough for two blocks on each
// of the multiprocessors of a large card, each with at least 128 positions.
func attendSplits(blocks, positions int) int {
	const wanted, most, least = 264, 128, 128
	return max(1, min(lower.Ceil(wanted, blocks), most, lower.Ceil(positions, least)))
}

type combineParams struct{ Queries, Splits, V, Gated uint32 }

func (p *plan) attend(c attend, q queries) {
	k := c.kernel()
	tiles := lower.Ceil(int(c.T*(c.H/c.G)), k.columns)
	parts := attendSplits(tiles*int(c.G)*int(c.B), int(c.KV))
	c.Splits = uint32(parts)
	n := int(c.B * c.T * c.H)
	stats := p.scratch(8 * int64(parts) * int64(n))
	sums := p.scratch(4 * int64(parts) * int64(n) * int64(c.V))
	p.launch(k.function, dim{tiles * parts, int(c.G), int(c.B)}, line(128), c.attendParams,
		q.high, q.low, q.factor, c.keys, c.values, c.slots, c.pos, stats, sums)
	combine := combineParams{uint32(n), c.Splits, c.V, 0}
	if c.gate != null {
		combine.Gated = 1
	}
	p.launch("attention_combine", line(n), line(128), combine, stats, sums, c.gate, p.out(0))
}
