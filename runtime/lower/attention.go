package lower

import (
	"errors"
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// Attention is the sizes and attributes of attention: B sequences of T tokens, H
// heads of D elements on G keys, pools of P slots with C positions of a type, of
// which KV are read.
type Attention struct {
	B, T, H, G, D, P, C, KV int
	Cache                   graph.DType
	QueryEps, KeyEps, Scale float32
	Rope                    Rope
}

// positionsRead is how many positions of the cache a body reads, 0 if it is none
// of attention.
func positionsRead(n *graph.Node) int {
	a, ok := n.Attrs().(ops.CoarseAttrs)
	if !ok || a.Body.Graph() == nil {
		return 0
	}
	for _, m := range a.Body.Graph().Nodes() {
		if m.Op() == ops.CausalMaskOp {
			return m.Attrs().(ops.CausalMaskAttrs).N
		}
	}
	return 0
}

// AttentionOf describes a node of attention.
func AttentionOf(n *graph.Node) (Attention, error) {
	KV := positionsRead(n)
	found := formula{func(in []graph.Value) []graph.Value { return ops.Attention(KV, in...) },
		[]*graph.Op{ops.RMSNormOp, ops.RopeOp, ops.ScaleOp}}.match(n)
	if KV == 0 || found == nil {
		return Attention{}, errAnother
	}
	pool, q, k := n.In(0).Shape(), n.In(5).Shape(), n.In(6).Shape()
	if t := n.In(1).Shape().DType; t != pool.DType {
		return Attention{}, fmt.Errorf("keys of %v beside values of %v: %w", pool.DType, t, errors.ErrUnsupported)
	}
	norms, ropes := found[ops.RMSNormOp], found[ops.RopeOp]
	if ropes[0] != ropes[1] {
		return Attention{}, fmt.Errorf("query and key turn differently: %w", errors.ErrUnsupported)
	}
	return Attention{
		q.Dim(0), q.Dim(1), q.Dim(2), k.Dim(2), k.Dim(3), pool.Dim(0), pool.Dim(1), KV, pool.DType,
		norms[0].(ops.RMSNormAttrs).Eps, norms[1].(ops.RMSNormAttrs).Eps, found[ops.ScaleOp][0].(ops.ScalarAttrs).S,
		NewRope(ropes[0].(ops.RopeAttrs), n.In(4).Shape()),
	}, nil
}

// Latent is the sizes and attributes of latent_attention: H heads on one key a
// position of R + S elements, of which the first R are the value.
type Latent struct {
	B, T, H, R, S, P, C, KV int
	Cache                   graph.DType
	Eps, Scale              float32
}

// LatentAttention describes a node of latent_attention.
func LatentAttention(n *graph.Node) (Latent, error) {
	KV := positionsRead(n)
	found := formula{func(in []graph.Value) []graph.Value { return ops.LatentAttention(KV, in...) },
		[]*graph.Op{ops.RMSNormOp, ops.ScaleOp}}.match(n)
	if KV == 0 || found == nil {
		return Latent{}, errAnother
	}
	pool, q := n.In(0).Shape(), n.In(4).Shape()
	R := q.Dim(3)
	return Latent{q.Dim(0), q.Dim(2), q.Dim(1), R, pool.Dim(3) - R, pool.Dim(0), pool.Dim(1), KV, pool.DType,
		normEps(found), found[ops.ScaleOp][0].(ops.ScalarAttrs).S}, nil
}
