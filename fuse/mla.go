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
		softmax := firstBelow(v.Value, ops.SoftmaxOp, 1)
		rows := firstBelow(v.Value, ops.RowsOp, 1)
		if softmax == nil || rows == nil {
			return
		}
		cache, s, o := rows.In(0).Shape(), softmax.Out(0).Shape(), v.Shape()
		if cache.Rank() == 4 && cache.Dim(2) == 1 {
			T := s.Dim(-2)
			B := rows.Out(0).Shape().Dim(0)
			H, R := s.Len()/(B*T*s.Dim(-1)), o.Len()*s.Dim(-1)/s.Len()
			yield(Dims{B: B, T: T, H: H, K: R, G: cache.Dim(3) - R, C: cache.Dim(1), Axis: cache.Dim(0), N: s.Dim(-1)})
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		in := []graph.Value{
			p.Var("pool", d.Axis, d.C, 1, d.K+d.G), p.Index("rows", d.B, d.T), p.Slots(d.B), p.Index("pos", d.B, d.T),
			p.Var("q", d.B, d.H, d.T, d.K), p.Var("qp", d.B, d.T, d.H, d.G), p.Var("kv", d.B, d.T, d.K+d.G), p.Var("norm", d.K),
		}
		out := ops.LatentAttention(d.N, in...)
		p.AnyAttrsOf(ops.RMSNormOp)
		p.AnyAttrsOf(ops.ScaleOp)
		p.KeepAll(ops.CausalMaskOp)
		return p.Coarse(ops.LatentAttentionOp, in, out...)
	},
	Examples: []Dims{{B: 2, T: 1, H: 3, K: 4, G: 2, C: 8, Axis: 3, N: 8}, {B: 1, T: 3, H: 2, K: 6, G: 3, C: 8, Axis: 1, N: 5}},
})
