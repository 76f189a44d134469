package fuse

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// LatentAttention makes attention to a shared latent one node: the norm of the
// latent, the cache write, softmax attention.
var LatentAttention = register(Rule{
	Name: "latent-attention",
	Doc:  "concat(norm(c), p), cache write, softmax([q | q'] kᵀ + mask) c → latent_attention",
	Sizes: func(v At, yield func(Dims) bool) {
		mask := firstBelow(v.Value, ops.CausalMaskOp, 3)
		softmax := firstBelow(v.Value, ops.SoftmaxOp, 1)
		rows := firstBelow(v.Value, ops.RowsOp, 1)
		if mask == nil || softmax == nil || rows == nil {
			return
		}
		m, cache := mask.Out(0).Shape(), rows.In(0).Shape()
		scores, out := softmax.Out(0).Shape().Len(), v.Shape().Len()
		if cache.Rank() == 4 && cache.Dim(2) == 1 {
			d := Dims{B: m.Dim(0), T: m.Dim(1), H: scores / m.Len(), K: out * m.Dim(2) / scores, C: slotPositions(rows), Axis: cache.Dim(0), N: m.Dim(2),
				Cache: cache.DType}
			if d.G = cache.Dim(3) - d.K; d.G > 0 && d.H*m.Len() == scores && d.H*d.B*d.T*d.K == out {
				yield(d)
			}
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		in := []graph.Value{
			p.Pool("pool", d, d.Axis, d.C, 1, d.K+d.G), p.Index("rows", d.B, d.T), p.Slots(d.B), p.Index("pos", d.B, d.T),
			p.Var("q", d.B, d.H, d.T, d.K), p.Var("qp", d.B, d.T, d.H, d.G), p.Var("kv", d.B, d.T, d.K+d.G), p.Var("norm", d.K),
		}
		out := ops.LatentAttention(d.N, in...)
		p.AnyAttrsOf(ops.RMSNormOp)
		p.AnyAttrsOf(ops.ScaleOp)
		p.KeepAll(ops.CausalMaskOp)
		return p.Coarse(ops.LatentAttentionOp, in, out...)
	},
	Examples: []Dims{
		{B: 2, T: 1, H: 3, K: 4, G: 2, C: 8, Axis: 3, N: 8}, {B: 1, T: 3, H: 2, K: 6, G: 3, C: 8, Axis: 1, N: 5},
		{B: 1, T: 2, H: 2, K: 4, G: 2, C: 6, Axis: 2, N: 4},
	},
})
