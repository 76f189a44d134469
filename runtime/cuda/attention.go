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
	c := attend{B: a.B, T: a.T, H: a.H, G: a.G, P: a.P, C: a.C, KV: a.KV, K: a.D, V: a.D, cache: a.Cache,
		keys: p.out(1), values: p.out(2), slots: p.in(3), pos: p.in(4), streams: a.Rope.Streams, gate: p.in(5)}
	if err := c.check(); err != nil {
		return err
	}
	p.copyTo(1, 0)
	p.copyTo(2, 1)
	q := p.queries(c)
	p.launch("attention_write_"+c.cacheName(), dim{a.B * a.T, lower.Ceil(a.H+2*a.G, 4), 1}, line(128),
		attentionParams{
			Rope: table, H: uint32(a.H), G: uint32(a.G), D: uint32(a.D), Rows: uint32(a.P * a.C),
			QueryEps: a.QueryEps, KeyEps: a.KeyEps, Scale: a.Scale * math.Log2E,
		},
		p.in(2), p.in(4), p.in(5), p.in(6), p.in(7), p.in(8), p.in(9), p.out(1), p.out(2), q.high, q.low, q.factor)
	p.attend(c, q)
	return nil
}

type latentParams struct {
	T, H, R, S, Rows uint32
	Eps, Scale       float32
	Steps            [4]uint32 // of the queries' rotary parts
}

// latentRope is the operand of latent_attention that holds them.
const latentRope = 5

func latentAttention(n *graph.Node, p *plan) error {
	l, err := lower.LatentAttention(n)
	if err != nil {
		return err
	}
	c := attend{B: l.B, T: l.T, H: l.H, G: 1, P: l.P, C: l.C, KV: l.KV, K: l.R + l.S, V: l.R, cache: l.Cache,
		keys: p.out(1), values: p.out(1), slots: p.in(2), pos: p.in(3), streams: 1}
	if err := c.check(); err != nil {
		return err
	}
	p.copyTo(1, 0)
	q := p.queries(c)
	params := latentParams{T: uint32(l.T), H: uint32(l.H), R: uint32(l.R), S: uint32(l.S), Rows: uint32(l.P * l.C),
		Eps: l.Eps, Scale: l.Scale * math.Log2E}
	fill(params.Steps[:], p.steps(latentRope))
	p.launch("latent_write_"+c.cacheName(), dim{l.B * l.T, lower.Ceil(l.H+1, 4), 1}, line(128), params,
		p.in(1), p.in(4), p.in(5), p.in(6), p.in(7), p.out(1), q.high, q.low, q.factor)
	p.attend(c, q)
	return nil
}

// attend is attention to a cache that has been written: H query heads on G keys of K
// elements, whose values have V, and the first KV of C positions of P slots.
type attend struct {
	B, T, H, G, P, C, KV, K, V int
	cache                      graph.DType
	keys, values, slots, pos   buffer
	streams                    int    // positions of a token
	gate                       buffer // the operand of 2V elements a query, or null
}

// check refuses what the kernels have no room for.
func (c attend) check() error {
	const mostKey, mostValue = 640, 512
	if c.K > mostKey || c.V > mostValue {
		return unsupported("keys of %d and values of %d elements, want at most %d and %d", c.K, c.V, mostKey, mostValue)
	}
	return small(max(c.B*c.T*c.H, c.P*c.C))
}

func (c attend) cacheName() string {
	if c.cache == graph.F16 {
		return "f16"
	}
	return "f32"
}

// queries is memory for queries: two halves for an element, a factor for each.
type queries struct{ high, low, factor buffer }

func (p *plan) queries(c attend) queries {
	n := int64(c.B * c.T * c.H)
	return queries{p.scratch(2 * n * int64(c.K)), p.scratch(2 * n * int64(c.K)), p.scratch(4 * n)}
}

// kernel returns the kernel for the products and how many columns a block of it has:
// the queries of one sequence and key head are columns.
func (c attend) kernel() (function string, columns int) {
	switch {
	case c.cache == graph.F16 && c.K == 576 && c.V == 512:
		return "attend_latent_576_512", 32
	case c.cache == graph.F16 && c.K == c.V && c.K%64 == 0 && c.K <= 256:
		if c.T*(c.H/c.G) <= 32 {
			return fmt.Sprintf("attend_few_%d", c.K), 8
		}
		return fmt.Sprintf("attend_many_%d", c.K), 64
	}
	return "attend_" + c.cacheName(), 8
}

type attendParams struct{ B, T, H, G, P, C, KV, Streams, Splits, K, V uint32 }

type combineParams struct{ Queries, Splits, V, Gated uint32 }

// attend adds the products and what puts their splits together.
func (p *plan) attend(c attend, q queries) {
	function, columns := c.kernel()
	tiles, n := lower.Ceil(c.T*(c.H/c.G), columns), c.B*c.T*c.H
	splits := attendSplits(tiles*c.G*c.B, c.KV)
	stats, parts := p.scratch(8*int64(splits)*int64(n)), p.out(0)
	if splits > 1 {
		parts = p.scratch(4 * int64(splits) * int64(n) * int64(c.V))
	}
	p.launch(function, dim{tiles * splits, c.G, c.B}, line(128),
		attendParams{
			uint32(c.B), uint32(c.T), uint32(c.H), uint32(c.G), uint32(c.P), uint32(c.C), uint32(c.KV),
			uint32(c.streams), uint32(splits), uint32(c.K), uint32(c.V),
		},
		q.high, q.low, q.factor, c.keys, c.values, c.slots, c.pos, stats, parts)
	combine := combineParams{uint32(n), uint32(splits), uint32(c.V), 0}
	if c.gate != null {
		combine.Gated = 1
	}
	p.launch("attention_combine", line(n), line(128), combine, stats, parts, c.gate, p.out(0))
}

// attendSplits is into how many splits positions are cut: for two blocks on each
// multiprocessor of a large card, but of 128 positions at the least.
func attendSplits(blocks, positions int) int {
	const wanted, most, least = 264, 128, 128
	return max(1, min(lower.Ceil(wanted, blocks), most, lower.Ceil(positions, least)))
}
