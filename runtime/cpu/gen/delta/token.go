package main

import (
	"slices"

	"github.com/deltaloom/deltaloom/runtime/cpu/gen/simd"
)

// token is dots and update in one go through a state that comes from memory. A few rows
// are updated in the loop that multiplies the next few: what the sums of the former have
// to wait for is hidden behind the latter, and memory is read all the time.
type token struct {
	channels bool // a decay for every channel
}

func (t token) write(a *simd.Asm, name, doc string) {
	params := []string{"s *float32", "d *float32", "n int", "keys int", "next *float32", "v *float32", "o *float32", "ask *float32"}
	a.Func(name, doc, params, "", func() {
		const rows = 4
		w := tokenWriter{token: t, a: a, s: a.Arg("s"), u: a.Arg("s"), d: a.Arg("d"), n: a.Arg("n"),
			next: a.Arg("next"), v: a.Arg("v"), o: a.Arg("o"), ask: a.Arg("ask"), left: a.G()}
		keys := a.Arg("keys")
		a.Times4(keys)
		w.stride = a.Stride(keys, rows)
		if !t.channels {
			w.decay = a.Pin()
			a.BroadcastTo(w.decay, simd.Mem{Base: w.next, Offset: decayAt})
		}
		a.Inc(w.next, header)
		w.rows(rows)
		w.rows(1)
	})
}

// tokenWriter writes one kernel.
type tokenWriter struct {
	token
	a          *simd.Asm
	s, u       simd.G // rows to multiply, rows to update
	d, n, next simd.G
	v, o, ask  simd.G
	left       simd.G // bytes of a row
	stride     simd.Stride
	decay      V
}

// rows takes R rows at a time. A row adds up as in the kernels for many tokens.
func (w tokenWriter) rows(R int) {
	a := w.a
	more, last, done := a.NewLabel("more"), a.NewLabel("last"), a.NewLabel("done")
	d := a.Pins(R)
	a.JumpIf(w.n, "LT", R, done)
	w.correct(d, w.columns(R, nil, true))
	a.Label(more)
	a.Inc(w.n, -R)
	a.JumpIf(w.n, "LT", R, last)
	w.correct(d, w.columns(R, d, true))
	a.Jump(more)
	a.Label(last)
	w.columns(R, d, false)
	a.Label(done)
	a.Release(d...)
}

// columns goes through two times R rows: where d is not nil it adds d·k to those at u, and
// where dots is set it decays those at s and returns their products with k and q.
func (w tokenWriter) columns(R int, d []V, dots bool) (sums [2][]V) {
	a := w.a
	s, u, next := a.Rows(w.s, w.stride, R), a.Rows(w.u, w.stride, R), a.Rows(w.next, w.stride, 3)
	if dots {
		for i := range sums {
			sums[i] = a.Pins(R)
			for _, v := range sums[i] {
				a.ZeroTo(v)
			}
		}
	}
	loop := a.NewLabel("columns")
	a.Move(w.stride[0], w.left)
	a.Label(loop)
	for e := 0; e < 64; e += 4 * a.Lanes() {
		k, decay := a.Load(next.At(key, e)), w.decay
		if w.channels {
			decay = a.Load(next.At(all, e))
		}
		for i := range R {
			if dots {
				if e == 0 {
					a.PrefetchLine(simd.Mem{Base: w.ask, Offset: 64 * i})
				}
				x := a.Mul(a.Load(s.At(i, e)), decay)
				a.Store(x, s.At(i, e))
				a.FMATo(sums[0][i], x, k)
				a.FMALoadTo(sums[1][i], x, next.At(query, e))
			}
			if d != nil {
				a.Store(a.FMA(d[i], k, a.Load(u.At(i, e))), u.At(i, e))
			}
		}
	}
	forward := func(move func(rows simd.G)) {
		if dots {
			move(w.s)
		}
		if d != nil {
			move(w.u)
		}
	}
	a.Inc(w.next, 64)
	if dots {
		a.Inc(w.ask, 64*R)
	}
	forward(func(rows simd.G) { a.Inc(rows, 64) })
	a.Inc(w.left, -64)
	a.JumpIf(w.left, "NE", 0, loop)
	a.DecBy(w.next, w.stride[0])
	for range R - 1 {
		forward(func(rows simd.G) { a.IncBy(rows, w.stride[0]) })
	}
	return sums
}

// correct turns sums into d and o.
func (w tokenWriter) correct(d []V, sums [2][]V) {
	a := w.a
	R := len(d)
	sk, sq := sums[0], sums[1]
	a.Release(sk...)
	a.Release(sq...)
	number := func(at int) V { return a.Broadcast(simd.Mem{Base: w.next, Offset: at - header}) }
	both := func(v, sk, sq V) (d, o V) {
		d = a.Mul(number(betaAt), a.Sub(v, sk))
		return d, a.FMA(d, number(kqAt), sq)
	}
	v, o := simd.Mem{Base: w.v}, simd.Mem{Base: w.o}
	if R == 1 {
		alone := func(v V) V { return a.SumLanes(slices.Repeat([][4]V{{v, v, v, v}}, a.Lanes()/4)) }
		x, y := both(a.Broadcast(v), alone(sk[0]), alone(sq[0]))
		a.CopyTo(d[0], x)
		a.StoreFirst(y, o)
	} else {
		sum := a.SumLanes([][4]V{[4]V(sk), [4]V(sq)})
		x, y := both(a.BroadcastFour(v), sum, a.Upper(sum, a.Lanes()))
		a.StoreFour(x, 0, simd.Mem{Base: w.d})
		a.StoreFour(y, 0, o)
		for i := range d {
			a.BroadcastTo(d[i], simd.Mem{Base: w.d, Offset: 4 * i})
		}
	}
	a.Inc(w.v, 4*R)
	a.Inc(w.o, 4*R)
}
