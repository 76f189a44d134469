package fuse

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

const fourPairs = "with sections 1 1 1 or 2 1 1 the fourth pair, the last one here, turns by stream t"

// Attention makes full attention between its projections one node: q and k norm,
// rope, cache write, softmax attention, output gate. The mask is made of the
// positions, and other layers may read it.
var Attention = register(Rule{
	Name: "attention",
	Doc:  "q/k norm, rope, cache write, softmax(q kᵀ + mask) v, sigmoid gate → attention",
	Sizes: func(v At, yield func(Dims) bool) {
		// What these read and give lies as it does in the pattern, in any spelling.
		mask := firstBelow(v.Value, ops.CausalMaskOp, 4)
		rows := firstBelow(v.Value, ops.RowsOp, 6)
		rope := firstBelow(v.Value, ops.RopeOp, 10)
		if mask == nil || rows == nil || rope == nil {
			return
		}
		if m, cache := mask.Out(0).Shape(), rows.In(0).Shape(); cache.Rank() == 4 {
			d := Dims{B: m.Dim(0), T: m.Dim(1), Hk: cache.Dim(2), K: cache.Dim(3), C: slotPositions(rows), Axis: cache.Dim(0), N: m.Dim(2),
				Variant: rope.In(1).Shape().Rank() - 2, Cache: cache.DType}
			if d.H = v.Shape().Len() / (d.B * d.T * d.K); d.H*d.B*d.T*d.K == v.Shape().Len() {
				yield(d)
			}
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		pool := func(name string) graph.Value { return p.Pool(name, d, d.Axis, d.C, d.Hk, d.K) }
		positions := []int{d.B, d.T}
		if d.Variant == 1 { // the streams of a rope with sections
			positions = append(positions, 4)
		}
		in := []graph.Value{
			pool("kcache"), pool("vcache"), p.Index("rows", d.B, d.T), p.Slots(d.B), p.Index("positions", positions...),
			p.Var("qg", d.B, d.T, d.H, 2*d.K), p.Var("k", d.B, d.T, d.Hk, d.K), p.Var("v", d.B, d.T, d.Hk, d.K),
			p.Var("qnorm", d.K), p.Var("knorm", d.K),
		}
		out := ops.Attention(d.N, in...)
		for _, op := range []*graph.Op{ops.RMSNormOp, ops.RopeOp, ops.ScaleOp} {
			p.AnyAttrsOf(op)
		}
		p.KeepAll(ops.CausalMaskOp)
		return p.Coarse(ops.AttentionOp, in, out...)
	},
	Examples: []Dims{
		{B: 2, T: 1, H: 4, Hk: 2, K: 8, C: 8, Axis: 3, N: 8, Variant: 1}, {B: 1, T: 3, H: 2, Hk: 2, K: 4, C: 8, Axis: 1, N: 5},
		{B: 1, T: 2, H: 2, Hk: 1, K: 4, C: 6, Axis: 2, N: 4},
	},
	Equivalent: map[string]string{
		"attention/body/rope/sections[0]+":   fourPairs,
		"attention/body/rope#2/sections[0]+": fourPairs,
	},
})

// slotPositions is how many positions a slot of the cache has; rows looks up the
// first ones of some slots.
func slotPositions(rows *graph.Node) int {
	read := rows.In(0).Shape()
	return through(rows.In(0)).Shape().Len() * read.Dim(1) / read.Len()
}

// firstBelow returns the first node of op within so many nodes below v, nil if there
// is none.
func firstBelow(v graph.Value, op *graph.Op, depth int) *graph.Node {
	level := []*graph.Node{v.Node()}
	seen := map[*graph.Node]bool{}
	for ; depth > 0 && len(level) > 0; depth-- {
		var next []*graph.Node
		for _, n := range level {
			for i := range n.NumIn() {
				x := through(n.In(i)).Node()
				if x.Op() == op {
					return x
				}
				if !seen[x] && !x.Static() {
					seen[x] = true
					next = append(next, x)
				}
			}
		}
		level = next
	}
	return nil
}
