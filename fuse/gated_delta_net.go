package fuse

import (
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// stateSizes proposes B, H, V and K for a next state: the four extents of a
// value, or of a leaf with as many elements, with either of the last two as the
// key axis.
func stateSizes(v At, yield func(Dims) bool) {
	seen := map[Dims]bool{}
	propose := func(s graph.Shape) bool {
		var d Dims
		switch s.Rank() {
		case 2:
			d = Dims{B: 1, H: 1, V: s.Dim(0), K: s.Dim(1)}
		case 3:
			d = Dims{B: 1, H: s.Dim(0), V: s.Dim(1), K: s.Dim(2)}
		case 4:
			d = Dims{B: s.Dim(0), H: s.Dim(1), V: s.Dim(2), K: s.Dim(3)}
			if d.H == 1 { // heads taken for a batch: each is a recurrence of its own
				d.B, d.H = 1, d.B
			}
		default:
			return true
		}
		for range 2 {
			if !seen[d] && !yield(d) {
				return false
			}
			seen[d] = true
			d.V, d.K = d.K, d.V
		}
		return true
	}
	// The state itself may have the axes apart that were merged on the way.
	reach(v.Value, 24, func(x graph.Value) bool { return propose(x.Shape()) })
}

// reach calls f with v and with up to n values of as many elements that v is
// computed from, nearest first.
func reach(v graph.Value, n int, f func(graph.Value) bool) {
	var room [32]graph.Value
	todo := append(room[:0], v)
	for i := 0; i < len(todo) && i < n; i++ {
		if !f(todo[i]) {
			return
		}
		for j := range todo[i].Node().NumIn() {
			x := todo[i].Node().In(j)
			if x.Shape().Len() == v.Shape().Len() && !slices.Contains(todo, x) {
				todo = append(todo, x)
			}
		}
	}
}

// gates proposes d with one decay a head and with one a key channel.
func gates(d Dims, yield func(Dims) bool) bool {
	d.G = 1
	if !yield(d) {
		return false
	}
	d.G = d.K
	return d.K == 1 || yield(d)
}

// headsInner turns [B H T D] into [B T H D], and back.
func headsInner(x graph.Value) graph.Value { return ops.Permute(x, 0, 2, 1, 3) }

// GatedDeltaStep fuses one token of the gated delta rule,
//
//	S~ = exp(g)·S    S' = S~ + beta·(v - S~k)kᵀ    o = S'q
//
// for a decay per head and per key channel.
var GatedDeltaStep = register(Rule{
	Name:  "gated-delta-net/step",
	Doc:   "S~ = exp(g)·S, S' = S~ + beta·(v - S~k)kᵀ, o = S'q → gated_delta_net: one node for eight, the state read and written once",
	Stage: Core,
	Sizes: func(v At, yield func(Dims) bool) {
		on := true
		stateSizes(v, func(d Dims) bool { on = on && gates(d, yield); return on })
	},
	Pattern: func(p *P, d Dims) Rewrite {
		s := p.Var("s", d.B, d.H, d.V, d.K)
		q, k, v := p.Var("q", d.B, d.H, 1, d.K), p.Var("k", d.B, d.H, 1, d.K), p.Var("v", d.B, d.H, d.V, 1)
		g, beta := p.Var("g", d.B, d.H, 1, d.G), p.Var("beta", d.B, d.H, 1, 1)
		o, next := ops.DeltaStep(q, k, v, g, beta, s)
		p.Out(next, o)
		return func(m *Match) []graph.Value {
			o, next := ops.GatedDeltaNet(headsInner(m.Get(q)), headsInner(m.Get(k)), ops.Permute(m.Get(v), 0, 3, 1, 2),
				headsInner(m.Get(g)), headsInner(m.Get(beta)), m.Get(s), ops.GatedDeltaNetAttrs{})
			return []graph.Value{next, ops.Permute(o, 0, 2, 3, 1)}
		}
	},
	Examples: []Dims{{B: 2, H: 3, V: 5, K: 4, G: 1}, {B: 2, H: 3, V: 4, K: 6, G: 6}, {B: 1, H: 2, V: 8, K: 8, G: 1}, {B: 1, H: 1, V: 4, K: 4, G: 4}},
})

// GatedDeltaChunks fuses the chunked form over any number of chunks. N and C are
// read off the graph: the tokens a chunk from the solve, the chunks from the
// chain of states.
var GatedDeltaChunks = register(Rule{
	Name:  "gated-delta-net/chunks",
	Doc:   "the chunked gated delta rule (masks, triangular solve, one state update a chunk) → gated_delta_net, all chunks in one node",
	Stage: Core,
	Sizes: func(v At, yield func(Dims) bool) {
		N, C := chunkCounts(v.Value)
		if N == 0 || C == 0 {
			return
		}
		on := true
		stateSizes(v, func(d Dims) bool {
			d.N, d.C = N, C
			on = on && gates(d, func(d Dims) bool {
				if !yield(d) {
					return false
				}
				d.Variant = int(ops.RowsFirst)
				return d.G == 1 || yield(d)
			})
			return on
		})
	},
	Pattern: func(p *P, d Dims) Rewrite {
		s := p.Var("s", d.B, d.H, d.V, d.K)
		q, k, v := p.Var("q", d.B, d.H, d.N, d.C, d.K), p.Var("k", d.B, d.H, d.N, d.C, d.K), p.Var("v", d.B, d.H, d.N, d.C, d.V)
		g, beta := p.Var("g", d.B, d.H, d.N, d.C, d.G), p.Var("beta", d.B, d.H, d.N, d.C, 1)
		parts, next := ops.DeltaChunks(q, k, v, g, beta, s, ops.Gram(d.Variant))
		p.Out(append([]graph.Value{next}, parts...)...)
		return func(m *Match) []graph.Value {
			tokens := func(x graph.Value, size int) graph.Value { // [B H N C D] -> [B T H D]
				return headsInner(ops.Reshape(m.Get(x), d.B, d.H, d.N*d.C, size))
			}
			o, next := ops.GatedDeltaNet(tokens(q, d.K), tokens(k, d.K), tokens(v, d.V), tokens(g, d.G), tokens(beta, 1), m.Get(s), ops.GatedDeltaNetAttrs{})
			res := []graph.Value{next}
			o = headsInner(o) // [B H T V]
			for c := range d.N {
				res = append(res, ops.Slice(o, 2, c*d.C, d.C))
			}
			return res
		}
	},
	Examples: []Dims{
		{B: 1, H: 2, V: 3, K: 4, G: 1, N: 1, C: 5},
		{B: 2, H: 2, V: 4, K: 3, G: 1, N: 3, C: 4},
		{B: 1, H: 2, V: 5, K: 4, G: 4, N: 2, C: 3},
		{B: 2, H: 1, V: 4, K: 4, G: 4, N: 1, C: 4},
		{B: 1, H: 2, V: 3, K: 4, G: 4, N: 2, C: 3, Variant: int(ops.RowsFirst)},
	},
})

// chunkCounts returns the chunks and the tokens a chunk that the graph below a
// next state suggests: each chunk adds to the state once, and the solve behind
// the update has the extents [… C C].
func chunkCounts(next graph.Value) (N, C int) {
	state, update := chunkUpdate(next)
	if state.Node() == nil {
		return 0, 0
	}
	C = solveBelow(update)
	for state.Node() != nil {
		N++
		state, _ = chunkUpdate(state)
	}
	return N, C
}

// solveBelow returns the extent of the nearest triangular solve that v is computed
// from; 0 where none is near.
func solveBelow(v graph.Value) int {
	todo := []*graph.Node{through(v).Node()}
	seen := map[*graph.Node]bool{todo[0]: true}
	for i := 0; i < len(todo) && i < 64; i++ {
		if todo[i].Op() == ops.SolveTriOp {
			return todo[i].Out(0).Shape().Dim(-1)
		}
		for j := range todo[i].NumIn() {
			if n := through(todo[i].In(j)).Node(); !seen[n] && !n.IsLeaf() {
				seen[n] = true
				todo = append(todo, n)
			}
		}
	}
	return 0
}

// chunkUpdate takes S' = decay·S + update apart, where the update is a matmul.
func chunkUpdate(v graph.Value) (state, update graph.Value) {
	v = through(v)
	if v.Node().Op() != ops.AddOp {
		return
	}
	a, b := through(v.Node().In(0)), through(v.Node().In(1))
	if a.Node().Op() == ops.MatMulOp {
		a, b = b, a
	}
	if a.Node().Op() != ops.MulOp || b.Node().Op() != ops.MatMulOp {
		return
	}
	for i := range 2 {
		if x := a.Node().In(i); !stretched(x, v.Shape().Len()) {
			return x, b
		}
	}
	return
}

// stretched reports that x has not n elements, or only by repeating some.
func stretched(x graph.Value, n int) bool {
	if x.Shape().Len() != n {
		return true
	}
	for ; looksThrough(x); x = x.Node().In(0) {
		if x.Node().In(0).Shape().Len() < n {
			return true
		}
	}
	return false
}

// through returns what v copies or shows.
func through(v graph.Value) graph.Value {
	for looksThrough(v) {
		v = v.Node().In(0)
	}
	return v
}
