// Command delta writes the kernels of runtime/cpu/delta.
package main

import (
	"log"
	"os"
	"slices"

	"github.com/deltaloom/deltaloom/runtime/cpu/gen/simd"
)

type V = simd.V

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: delta DIR")
	}
	if err := simd.Generate(os.Args[1], "delta", define, simd.AVX2); err != nil {
		log.Fatal(err)
	}
}

func define(a *simd.Asm) {
	pass{dots: true}.write(a, "dots", ` sets s = a·s, d = beta(v - s·k) and o = s·q + d(k·q) for n rows of s; r is for
// n numbers. It asks for v and o of the token behind, vnext and onext bytes on.`)
	pass{dots: true, channels: true}.write(a, "dotsChannels", ` is dots with a decay for every channel, s = a∘s.`)
	pass{outer: true, dots: true}.write(a, "step", ` is update with last, then dots with next.`)
	pass{outer: true, dots: true, channels: true}.write(a, "stepChannels", ` is update with last, then dotsChannels with next.`)
	pass{outer: true}.write(a, "update", ` adds d·k to n rows of s.`)
	if a.Set != simd.NEON {
		token{}.write(a, "token", ` is dots, then update; d is for 4 numbers. It asks for as many lines from ask on as n
// rows have.`)
		token{channels: true}.write(a, "tokenChannels", ` is token with a decay for every channel.`)
	}
	products(a)
	ask(a)
}

// The parts of a token's record: in bytes, then in rows.
const (
	decayAt, betaAt, kqAt, header = 0, 4, 8, 64
	key, query, all               = 0, 1, 2
)

// pass is one reading and writing of the state.
type pass struct {
	outer    bool // adds d kᵀ of the token last
	dots     bool // then decays, and multiplies with k and q of the token next
	channels bool // a decay for every channel
}

func (p pass) write(a *simd.Asm, name, doc string) {
	params := []string{"s *float32", "d *float32", "n int", "keys int"}
	if p.outer {
		params = append(params, "last *float32")
	}
	if p.dots {
		params = append(params, "next *float32", "r *float32", "v *float32", "o *float32", "vnext int", "onext int")
	}
	a.Func(name, doc, params, "", func() {
		rows := 8
		if a.Set == simd.AVX2 {
			rows = 4
		}
		w := writer{pass: p, a: a, s: a.Arg("s"), d: a.Arg("d"), n: a.Arg("n")}
		keys := a.Arg("keys")
		a.Times4(keys)
		w.stride = a.Stride(keys, rows)
		w.left = a.G()
		if p.outer {
			w.last = a.Arg("last")
			a.Inc(w.last, header)
		}
		if p.dots {
			w.zero = a.C(0)
			w.r = a.Arg("r")
			next := a.Arg("next")
			if !p.channels {
				w.decay = a.Pin()
				a.BroadcastTo(w.decay, simd.Mem{Base: next, Offset: decayAt})
			}
			a.Inc(next, header)
			w.next = a.Rows(next, w.stride, 3)
			w.next.Start()
			w.nextBase = next
		}
		w.rows(rows)
		w.rows(1)
		if p.dots {
			w.correct()
		}
	})
}

// writer writes one kernel.
type writer struct {
	pass
	a              *simd.Asm
	s, d, r, n     simd.G
	left           simd.G // bytes of a row
	last, nextBase simd.G
	stride         simd.Stride
	next           simd.Rows
	decay, zero    V
}

// rows takes R rows at a time. A row adds up lane by lane, then its lanes in the
// order of SumLanes, whatever R is.
func (w writer) rows(R int) {
	a := w.a
	s := a.Rows(w.s, w.stride, R)
	var d, sk, sq []V
	if w.outer {
		d = a.Pins(R)
	}
	if w.dots {
		sk, sq = a.Pins(R), a.Pins(R)
	}
	group, done, step := a.NewLabel("rows"), a.NewLabel("done"), a.NewLabel("step")
	a.Label(group)
	a.JumpIf(w.n, "LT", R, done)
	s.Start()
	for i, v := range d {
		a.BroadcastTo(v, simd.Mem{Base: w.d, Offset: 4 * i})
	}
	for i := range sk {
		a.ZeroTo(sk[i])
		a.ZeroTo(sq[i])
	}
	a.Move(w.stride[0], w.left)
	a.Label(step)
	for e := 0; e < 64; e += 4 * a.Lanes() {
		w.column(s, e, d, sk, sq)
	}
	s.Inc(64)
	if w.outer {
		a.Inc(w.last, 64)
	}
	if w.dots {
		w.next.Inc(64)
	}
	a.Inc(w.left, -64)
	a.JumpIf(w.left, "NE", 0, step)
	if w.outer {
		a.DecBy(w.last, w.stride[0])
	}
	if w.dots {
		a.DecBy(w.nextBase, w.stride[0])
		w.next.Start()
		w.sum(sk, sq)
		a.Inc(w.r, 4*R)
	}
	for range R - 1 {
		a.IncBy(w.s, w.stride[0])
	}
	a.Inc(w.d, 4*R)
	a.Inc(w.n, -R)
	a.Jump(group)
	a.Label(done)
	a.Release(d...)
}

// column takes a register of every row, e bytes on.
func (w writer) column(s simd.Rows, e int, d, sk, sq []V) {
	a := w.a
	var k, nk, nq V
	if w.outer {
		k = a.Load(simd.Mem{Base: w.last, Offset: e})
	}
	decay := w.decay
	if w.channels {
		decay = a.Load(w.next.At(all, e))
	}
	inMemory := a.Set == simd.AVX2 // where registers are few
	if w.dots {
		nk = a.Load(w.next.At(key, e))
		if !inMemory {
			nq = a.Load(w.next.At(query, e))
		}
	}
	for i := range max(len(d), len(sk)) {
		x := a.Load(s.At(i, e))
		if w.outer {
			x = a.FMA(d[i], k, x)
		}
		if w.dots {
			x = a.Mul(x, decay)
		}
		a.Store(x, s.At(i, e))
		if !w.dots {
			continue
		}
		a.FMATo(sk[i], x, nk)
		if inMemory {
			a.FMALoadTo(sq[i], x, w.next.At(query, e))
		} else {
			a.FMATo(sq[i], x, nq)
		}
	}
}

// sum leaves the sums of sk in d, those of sq in r.
func (w writer) sum(sk, sq []V) {
	a := w.a
	R := len(sk)
	a.Release(sk...)
	a.Release(sq...)
	if R == 1 {
		alone := func(v V) V { return a.SumLanes(slices.Repeat([][4]V{{v, v, v, v}}, a.Lanes()/4)) }
		a.StoreFirst(alone(sk[0]), simd.Mem{Base: w.d})
		a.StoreFirst(alone(sq[0]), simd.Mem{Base: w.r})
		return
	}
	var fours [][4]V
	var to []simd.Mem
	for _, x := range []struct {
		sums []V
		base simd.G
	}{{sk, w.d}, {sq, w.r}} {
		for i := 0; i < R; i += 4 {
			fours = append(fours, [4]V(x.sums[i:]))
			to = append(to, simd.Mem{Base: x.base, Offset: 4 * i})
		}
	}
	for n := a.Lanes() / 4; len(fours) > 0; fours, to = fours[n:], to[n:] {
		sum := a.SumLanes(fours[:n])
		for i := range n {
			a.StoreFour(sum, i, to[i])
		}
	}
}

// correct turns the sums into d and o.
func (w writer) correct() {
	a := w.a
	if !w.channels {
		a.Release(w.decay)
	}
	d, r, n, v, o, vnext, onext := w.d, w.r, w.n, w.s, w.left, w.stride[0], a.G()
	beta, kq := a.Pin(), a.Pin()
	a.BroadcastTo(beta, simd.Mem{Base: w.nextBase, Offset: betaAt - header})
	a.BroadcastTo(kq, simd.Mem{Base: w.nextBase, Offset: kqAt - header})
	for i, name := range []string{"d", "r", "n", "v", "o", "vnext", "onext"} {
		a.ArgTo([]simd.G{d, r, n, v, o, vnext, onext}[i], name)
	}
	a.Each(n, 1, w.zero, []simd.G{d, r, v}, []simd.G{d, o}, func(_ int, x []V) []V {
		a.Prefetch(simd.Mem{Base: v}, vnext, 1)
		a.Prefetch(simd.Mem{Base: o}, onext, 1)
		e := a.Mul(beta, a.Sub(x[2], x[0]))
		return []V{e, a.FMA(e, kq, x[1])}
	})
}

// products are the numbers that the norms of a token's q and k need.
func products(a *simd.Asm) {
	const doc = ` sets y to Σq², Σk² and Σqk of n elements, a multiple of 16.`
	a.Func("products", doc, []string{"y *float32", "q *float32", "k *float32", "n int"}, "", func() {
		y, q, k, n, loop := a.Arg("y"), a.Arg("q"), a.Arg("k"), a.Arg("n"), a.NewLabel("loop")
		var acc [3][]V // two sums of each
		for i := range acc {
			acc[i] = a.Pins(2)
			for _, v := range acc[i] {
				a.ZeroTo(v)
			}
		}
		a.Label(loop)
		for e := 0; e < 16; e += a.Lanes() {
			u := e / a.Lanes() % 2
			x, w := a.Load(simd.Mem{Base: q, Offset: 4 * e}), a.Load(simd.Mem{Base: k, Offset: 4 * e})
			a.FMATo(acc[0][u], x, x)
			a.FMATo(acc[1][u], w, w)
			a.FMATo(acc[2][u], x, w)
		}
		a.Inc(q, 64)
		a.Inc(k, 64)
		a.Inc(n, -16)
		a.JumpIf(n, "NE", 0, loop)
		for i, v := range acc {
			a.StoreFirst(a.Fold(a.Add(v[0], v[1]), a.Add), simd.Mem{Base: y, Offset: 4 * i})
		}
	})
}

// ask brings what comes next into the caches.
func ask(a *simd.Asm) {
	a.Func("ask", " asks for the lines of n elements at x, n > 0; any address will do.", []string{"x *float32", "n int"}, "", func() {
		x, n, loop := a.Arg("x"), a.Arg("n"), a.NewLabel("loop")
		a.Label(loop)
		a.PrefetchLine(simd.Mem{Base: x})
		a.Inc(x, 64)
		a.Inc(n, -16)
		a.JumpIf(n, "GT", 0, loop)
	})
}
