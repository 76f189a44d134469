package cpu

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/cpu/attn"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() {
	register(attention, ops.AttentionOp)
	register(latentAttention, ops.LatentAttentionOp)
}

// store writes x from element at of a tensor of F32 or F16 on.
func (f *frame) store(t graph.DType, to []byte, at int, x []float32) {
	to = to[t.Bytes(at):][:t.Bytes(len(x))]
	if t == graph.F16 {
		f.vec.ToHalf(to, x)
	} else {
		copy(floats(to), x)
	}
}

// attention writes the cache first. Heads of a size that package attn does not take
// are not supported: such a node is taken apart.
func attention(n *graph.Node, p *plan) error {
	a, err := lower.AttentionOf(n)
	if err != nil {
		return err
	}
	B, T, H, G, D, P, C := a.B, a.T, a.H, a.G, a.D, a.P, a.C
	if err := attn.Takes(H/G, D); err != nil {
		return err
	}
	r := newRope(a.Rope, p.threads)

	p.copyTo(1, 0, n)
	p.copyTo(2, 1, n)
	queries, key := p.share(4*B*T*H*D), p.own(4*D)
	p.step(B*T, float64(4*(H+2*G)*D+20*r.Dims), func(f *frame, lo, hi int) {
		for i := lo; i < hi; i++ {
			row, ok := f.index(f.ints(2), i, P*C)
			if !ok {
				return
			}
			table := r.at(f.Worker, f.ints(4), i)
			for h := range H {
				head := f.sharedFloats(queries)[(i*H+h)*D:][:D]
				f.vec.RMSNorm(head, f.in(5)[(i*H+h)*2*D:][:D], f.in(8), a.QueryEps)
				r.turn(head, table)
			}
			for g := range G {
				head := f.ownFloats(key)
				f.vec.RMSNorm(head, f.in(6)[(i*G+g)*D:][:D], f.in(9), a.KeyEps)
				r.turn(head, table)
				f.store(a.Cache, f.outBytes(1), (row*G+g)*D, head)
			}
			f.store(a.Cache, f.outBytes(2), row*G*D, f.in(7)[i*G*D:][:G*D])
		}
	})
	whole := attn.Call{B: B, T: T, H: H, G: G, K: D, V: D, P: P, C: C, Cache: a.Cache, Len: a.KV, Scale: a.Scale,
		Parts: []int{D}, PosStep: r.Streams, Out: attn.Rows{Seq: T * H * D, Token: H * D, Head: D}}
	p.attend(whole, func(f *frame, c *attn.Call) {
		c.Q[0] = attn.Rows{Data: f.sharedFloats(queries), Seq: T * H * D, Token: H * D, Head: D}
		c.Keys, c.Values, c.Slots, c.Pos, c.Out.Data = f.outBytes(1), f.outBytes(2), f.ints(3), f.ints(4), f.out(0)
	})
	p.step(B*T, float64(H*D), func(f *frame, lo, hi int) {
		for i := lo * H; i < hi*H; i++ {
			o := f.out(0)[i*D : (i+1)*D]
			f.vec.MulSigmoid(o, o, f.in(5)[(i*2+1)*D:][:D])
		}
	})
	return nil
}

// attend adds the steps of attention to a cache that has been written. bind sets
// the memory of a call.
func (p *plan) attend(c attn.Call, bind func(f *frame, c *attn.Call)) {
	kernels := attn.For(p.set)
	calls := make([]attn.Call, p.threads)
	for i := range calls {
		calls[i] = c
		calls[i].Q = make([]attn.Rows, len(c.Parts))
	}
	bound := func(f *frame) (*attn.Call, bool) {
		c := &calls[f.Worker]
		bind(f, c)
		err := c.Check()
		if err != nil {
			f.fail(err)
		}
		return c, err == nil
	}
	// A plan that is kept must not keep a session's memory.
	unbind := func(bound *attn.Call) {
		q := bound.Q
		clear(q)
		*bound = c
		bound.Q = q
	}
	U, N := c.Units(), c.Chunks()
	scratch := p.own(4 * c.Scratch())
	work := float64(c.B*c.T*c.H*c.Len*(c.K+c.V)) / 20
	if U >= 2*p.threads || N < 2 {
		p.step(U, work/float64(U), func(f *frame, lo, hi int) {
			c, ok := bound(f)
			defer unbind(c)
			for i := lo; ok && i < hi; i++ {
				u := i / 2 // the last ones read the most: take turns with the first
				if i%2 == 1 {
					u = U - 1 - u
				}
				kernels.Run(c, u, f.ownFloats(scratch))
			}
		})
		return
	}
	size := c.Partial()
	parts := p.share(4 * size * U * N)
	p.step(U*N, work/float64(U*N), func(f *frame, lo, hi int) {
		c, ok := bound(f)
		defer unbind(c)
		if !ok {
			return
		}
		seen := c.ChunksSeen() // a share of all is a share of these
		for i := lo * seen / N; i < hi*seen/N; i++ {
			u, chunk := i/seen, i%seen
			kernels.Part(c, u, chunk, f.ownFloats(scratch), f.sharedFloats(parts)[(u*N+chunk)*size:][:size])
		}
	})
	p.step(U, float64(size*N), func(f *frame, lo, hi int) {
		c, ok := bound(f)
		defer unbind(c)
		for u := lo; ok && u < hi; u++ {
			kernels.Combine(c, u, f.sharedFloats(parts)[u*N*size:][:N*size])
		}
	})
}

// latentAttention is the same for heads that share one key, of which a part is
// the value.
func latentAttention(n *graph.Node, p *plan) error {
	l, err := lower.LatentAttention(n)
	if err != nil {
		return err
	}
	B, T, H, R, S, P, C := l.B, l.T, l.H, l.R, l.S, l.P, l.C
	W := R + S
	if err := attn.Takes(H, R, W); err != nil {
		return err
	}

	p.copyTo(1, 0, n)
	key := p.own(4 * W)
	p.step(B*T, float64(4*W), func(f *frame, lo, hi int) {
		for i := lo; i < hi; i++ {
			row, ok := f.index(f.ints(1), i, P*C)
			if !ok {
				return
			}
			to := f.ownFloats(key)
			copy(to, f.in(6)[i*W:(i+1)*W])
			f.vec.RMSNorm(to[:R], to[:R], f.in(7), l.Eps)
			f.store(l.Cache, f.outBytes(1), row*W, to)
		}
	})
	p.attend(attn.Call{B: B, T: T, H: H, G: 1, K: W, V: R, P: P, C: C, Cache: l.Cache, Len: l.KV, Scale: l.Scale, Latent: true,
		Parts: []int{R, S}, PosStep: 1, Out: attn.Rows{Seq: T * H * R, Token: H * R, Head: R}}, func(f *frame, c *attn.Call) {
		c.Q[0] = attn.Rows{Data: f.in(4), Seq: H * T * R, Token: R, Head: T * R}
		c.Q[1] = attn.Rows{Data: f.in(5), Seq: T * H * S, Token: H * S, Head: S}
		c.Keys, c.Slots, c.Pos, c.Out.Data = f.outBytes(1), f.ints(2), f.ints(3), f.out(0)
	})
	return nil
}
