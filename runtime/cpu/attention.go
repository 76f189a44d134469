package cpu

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
)

func init() {
	register(attention, ops.AttentionOp)
	register(latentAttention, ops.LatentAttentionOp)
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

// pairs numbers the tokens so that every share of them costs the same: the i-th
// pair is the i-th token from the front and from the back.
func pairs(T int) int { return (T + 1) / 2 }

// ofPair calls f for the tokens of a pair.
func ofPair(i, T int, f func(t int)) {
	f(i)
	if other := T - 1 - i; other != i {
		f(other)
	}
}

// softmaxValues sets o to Σ_j softmax(scores)_j · v_j, v_j being D elements from
// values[j·step] on. The scores are used up.
func softmaxValues(v *vec.Funcs, o, scores, values []float32, step int) {
	sum := v.ExpSum(scores, scores, v.Max(scores))
	clear(o)
	for j, s := range scores {
		v.Axpy(o, s, values[j*step:][:len(o)])
	}
	v.Scale(o, 1/sum, o)
}

// attention writes the cache first, then each unit is the query heads of one key
// head for a pair of tokens.
func attention(n *graph.Node, p *plan) error {
	KV := positionsRead(n)
	found := formula{func(in []graph.Value) []graph.Value { return ops.Attention(KV, in...) },
		[]*graph.Op{ops.RMSNormOp, ops.RopeOp, ops.ScaleOp}}.match(n)
	if KV == 0 || found == nil {
		return unsupported("another body")
	}
	pool, q, k := n.In(0).Shape(), n.In(5).Shape(), n.In(6).Shape()
	P, C := pool.Dim(0), pool.Dim(1)
	B, T, H, G, D := q.Dim(0), q.Dim(1), q.Dim(2), k.Dim(2), k.Dim(3)
	norms, ropes := found[ops.RMSNormOp], found[ops.RopeOp]
	qEps, kEps := norms[0].(ops.RMSNormAttrs).Eps, norms[1].(ops.RMSNormAttrs).Eps
	if ropes[0] != ropes[1] {
		return unsupported("query and key turn differently")
	}
	r := newRope(ropes[0].(ops.RopeAttrs), n.In(4).Shape(), p.threads)
	scale := found[ops.ScaleOp][0].(ops.ScalarAttrs).S

	p.copyTo(1, 0, n)
	p.copyTo(2, 1, n)
	queries := p.share(4 * B * T * H * D)
	p.step(B*T, float64(4*(H+2*G)*D+20*r.Dims), func(f *frame, lo, hi int) {
		for i := lo; i < hi; i++ {
			row, ok := f.index(f.ints(2), i, P*C)
			if !ok {
				return
			}
			table := r.at(f.Worker, f.ints(4), i)
			for h := range H {
				head := f.sharedFloats(queries)[(i*H+h)*D:][:D]
				f.vec.RMSNorm(head, f.in(5)[(i*H+h)*2*D:][:D], f.in(8), qEps)
				r.turn(head, table)
			}
			for g := range G {
				head := f.out(1)[(row*G+g)*D:][:D]
				f.vec.RMSNorm(head, f.in(6)[(i*G+g)*D:][:D], f.in(9), kEps)
				r.turn(head, table)
			}
			copy(f.out(2)[row*G*D:(row+1)*G*D], f.in(7)[i*G*D:])
		}
	})
	scores := p.own(4 * KV)
	p.step(B*G*pairs(T), float64(2*H/G*D*KV), func(f *frame, lo, hi int) {
		for u := lo; u < hi; u++ {
			b, g := u/pairs(T)/G, u/pairs(T)%G
			slot, ok := f.index(f.ints(3), b, P)
			if !ok {
				return
			}
			keys, values := f.out(1)[(slot*C*G+g)*D:], f.out(2)[(slot*C*G+g)*D:]
			ofPair(u%pairs(T), T, func(t int) {
				i := b*T + t
				seen := min(max(int(f.ints(4)[i*r.streams])+1, 0), KV)
				scores := f.ownFloats(scores)[:seen]
				for h := g * (H / G); h < (g+1)*(H/G); h++ {
					o := f.out(0)[(i*H+h)*D:][:D]
					if seen == 0 {
						f.vec.Scale(o, nan, o)
						continue
					}
					q := f.sharedFloats(queries)[(i*H+h)*D:][:D]
					for j := range scores {
						scores[j] = scale * f.vec.Dot(q, keys[j*G*D:][:D])
					}
					softmaxValues(f.vec, o, scores, values, G*D)
					f.vec.MulSigmoid(o, o, f.in(5)[((i*H+h)*2+1)*D:][:D])
				}
			})
		}
	})
	return nil
}

// latentAttention is the same for heads that share one key, of which a part is
// the value.
func latentAttention(n *graph.Node, p *plan) error {
	KV := positionsRead(n)
	found := formula{func(in []graph.Value) []graph.Value { return ops.LatentAttention(KV, in...) },
		[]*graph.Op{ops.RMSNormOp, ops.ScaleOp}}.match(n)
	if KV == 0 || found == nil {
		return unsupported("another body")
	}
	pool, q := n.In(0).Shape(), n.In(4).Shape()
	P, C, W := pool.Dim(0), pool.Dim(1), pool.Dim(3)
	B, H, T, R := q.Dim(0), q.Dim(1), q.Dim(2), q.Dim(3)
	S := W - R
	scale := found[ops.ScaleOp][0].(ops.ScalarAttrs).S

	p.copyTo(1, 0, n)
	p.step(B*T, float64(4*W), func(f *frame, lo, hi int) {
		for i := lo; i < hi; i++ {
			row, ok := f.index(f.ints(1), i, P*C)
			if !ok {
				return
			}
			key := f.out(1)[row*W : (row+1)*W]
			copy(key, f.in(6)[i*W:(i+1)*W])
			f.vec.RMSNorm(key[:R], key[:R], f.in(7), normEps(found))
		}
	})
	scores := p.own(4 * KV)
	p.step(B*H*pairs(T), float64(2*W*KV), func(f *frame, lo, hi int) {
		for u := lo; u < hi; u++ {
			b, h := u/pairs(T)/H, u/pairs(T)%H
			slot, ok := f.index(f.ints(2), b, P)
			if !ok {
				return
			}
			keys := f.out(1)[slot*C*W:]
			ofPair(u%pairs(T), T, func(t int) {
				seen := min(max(int(f.ints(3)[b*T+t])+1, 0), KV)
				scores := f.ownFloats(scores)[:seen]
				o := f.out(0)[((b*T+t)*H+h)*R:][:R]
				if seen == 0 {
					f.vec.Scale(o, nan, o)
					return
				}
				q, turned := f.in(4)[((b*H+h)*T+t)*R:][:R], f.in(5)[((b*T+t)*H+h)*S:][:S]
				for j := range scores {
					key := keys[j*W : (j+1)*W]
					scores[j] = scale * (f.vec.Dot(q, key[:R]) + f.vec.Dot(turned, key[R:]))
				}
				softmaxValues(f.vec, o, scores, keys, W)
			})
		}
	})
	return nil
}
