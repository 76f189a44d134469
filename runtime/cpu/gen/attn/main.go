// Command attn writes the kernels of runtime/cpu/attn.
package main

import (
	"log"
	"math"
	"os"

	"github.com/deltaloom/deltaloom/runtime/cpu/gen/simd"
)

type V = simd.V

// tile is the number of positions that meet the softmax at once, and the length
// of a row of scores.
const tile = 64

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: attn DIR")
	}
	if err := simd.Generate(os.Args[1], "attn", define); err != nil {
		log.Fatal(err)
	}
}

func define(a *simd.Asm) {
	scores(a, "scores", false)
	scores(a, "scoresAhead", true)
	softmax(a, "softmax1", 1)
	softmax(a, "softmax4", 4)
	values(a, "values1", 1)
	values(a, "values4", 4)
}

// scores takes four queries at a time to four keys at a time. A product adds up
// its lanes over d in the same order whatever stands around it. Where each key is
// used once only, it asks for the keys 8 rows on and for the values of its own.
func scores(a *simd.Asm, name string, ahead bool) {
	doc := ` sets s[i][j] = q[i]·k[j] for 4 queries and n keys of d elements, a multiple of 16.
// q is [d/16][4][16], a key starts stride elements after the one before it, and a
// row of s is 64 long, of which up to 3 elements past n are written.`
	params := []string{"s *float32", "q *float32", "k *float32", "n int", "d int", "stride int"}
	if ahead {
		doc += "\n// The values of a key lie values bytes from it."
		params = append(params, "values int")
	}
	a.Func(name, doc, params, "", func() {
		s, q, k, n, d, stride := a.Arg("s"), a.Arg("q"), a.Arg("k"), a.Arg("n"), a.Arg("d"), a.Arg("stride")
		a.Times4(stride)
		var values simd.G
		if ahead {
			values = a.Arg("values")
		}
		var key [4]simd.G
		for j := range key {
			key[j] = a.G()
		}
		query, left := a.G(), a.G()
		rows := a.Lanes() / 4 // whose sums one register holds
		if a.Set == simd.NEON {
			rows = 4
		}
		acc := make([][4]V, rows)
		for i := range acc {
			acc[i] = [4]V(a.Pins(4))
		}
		keys := a.NewLabel("keys")
		a.Label(keys)
		for first := 0; first < 4; first += rows {
			a.Move(k, key[0])
			for j := 1; j < 4; j++ { // past the last key stands the last key again
				last := a.NewLabel("last")
				a.Move(key[j-1], key[j])
				a.JumpIf(n, "LE", j, last)
				a.IncBy(key[j], stride)
				a.Label(last)
			}
			a.Move(q, query)
			a.Move(d, left)
			for i := range acc {
				for j := range acc[i] {
					a.ZeroTo(acc[i][j])
				}
			}
			step := a.NewLabel("step")
			a.Label(step)
			for e := 0; e < 16; e += a.Lanes() {
				var x [4]V
				for j := range x {
					x[j] = a.Load(simd.Mem{Base: key[j], Offset: 4 * e})
				}
				for i := range acc {
					y := a.Load(simd.Mem{Base: query, Offset: 4 * (16*(first+i) + e)})
					for j := range x {
						a.FMATo(acc[i][j], x[j], y)
					}
				}
			}
			for j := range key {
				if ahead && first == 0 {
					a.Prefetch(key[j], stride, 8)
					a.Prefetch(key[j], values, 1)
				}
				a.Inc(key[j], 64)
			}
			a.Inc(query, 256)
			a.Inc(left, -16)
			a.JumpIf(left, "NE", 0, step)
			for i := 0; i < rows; i += a.Lanes() / 4 {
				sum := a.SumLanes(acc[i : i+a.Lanes()/4])
				for r := range a.Lanes() / 4 {
					a.StoreFour(sum, r, simd.Mem{Base: s, Offset: 4 * tile * (first + i + r)})
				}
			}
		}
		for range 4 {
			a.IncBy(k, stride)
		}
		a.Inc(s, 16)
		a.Inc(n, -4)
		a.JumpIf(n, "GT", 0, keys)
	})
}

// softmax is one step of the online softmax of some queries. Milakov and
// Gimelshein, "Online normalizer calculation for softmax", 2018, algorithm 3.
func softmax(a *simd.Asm, name string, rows int) {
	const doc = ` takes n products of each row of s, of which scale·s are the scores, into the
// running maxima m and sums l: s becomes e^(scale·s-m) with the new m, and c what
// the sums before are worth, e^(old m - m). A row of s is 64 long.`
	a.Func(name, doc, []string{"s *float32", "n int", "m *float32", "l *float32", "c *float32", "scale float32"}, "", func() {
		s, n, m, l, c := a.Arg("s"), a.Arg("n"), a.Arg("m"), a.Arg("l"), a.Arg("c")
		scale, past := a.ArgF("scale"), a.C(float32(math.Inf(-1)))
		left := a.G()
		together := min(rows, 4) // as many as registers allow, to overlap their latencies
		if a.Set == simd.AVX2 {
			together = min(rows, 2)
		}
		from, top, sum := make([]simd.G, together), a.Pins(together), a.Pins(together)
		for i := range from {
			from[i] = a.G()
		}
		start := func(first int) {
			for i, g := range from {
				a.Move(s, g)
				a.Inc(g, 4*tile*(first+i))
			}
			a.Move(n, left)
		}
		for first := 0; first < rows; first += together {
			at := func(g simd.G, i int) simd.Mem { return simd.Mem{Base: g, Offset: 4 * (first + i)} }
			start(first)
			for i := range from {
				a.CopyTo(top[i], a.Broadcast(at(m, i)))
				a.ZeroTo(sum[i])
			}
			a.Each(left, 1, past, from, from, func(_ int, x []V) []V {
				for i := range x {
					x[i] = a.Mul(x[i], scale)
					a.MaxTo(top[i], x[i])
				}
				return x
			})
			start(first)
			for i := range from {
				a.CopyTo(top[i], a.Splat(a.Fold(top[i], a.Max)))
			}
			a.Each(left, 1, past, from, from, func(_ int, x []V) []V {
				for i := range x {
					x[i] = a.Exp(a.Sub(x[i], top[i]))
					a.AddTo(sum[i], x[i])
				}
				return x
			})
			for i := range from {
				kept := a.Exp(a.Sub(a.Broadcast(at(m, i)), top[i]))
				a.StoreFirst(kept, at(c, i))
				a.StoreFirst(a.FMA(a.Broadcast(at(l, i)), kept, a.Fold(sum[i], a.Add)), at(l, i))
				a.StoreFirst(top[i], at(m, i))
			}
		}
	})
}

// values adds the values of n positions to the outputs of some queries, column
// block by column block.
func values(a *simd.Asm, name string, rows int) {
	doc := ` sets o[i] = c[i]·o[i] + Σ_j s[i][j]·v[j] for n positions and d elements, a multiple of 16.
// A row of s is 64 long, a row of o ostride and one of v vstride.`
	a.Func(name, doc, []string{"o *float32", "s *float32", "c *float32", "v *float32", "n int", "d int", "ostride int", "vstride int"}, "", func() {
		o, s, c, v := a.Arg("o"), a.Arg("s"), a.Arg("c"), a.Arg("v")
		n, d, ostride, vstride := a.Arg("n"), a.Arg("d"), a.Arg("ostride"), a.Arg("vstride")
		a.Times4(ostride)
		a.Times4(vstride)
		at, weight, left := a.G(), a.G(), a.G()
		widths := []int{16}
		if a.Set == simd.AVX512 {
			widths = []int{64, 16}
		}
		all := a.Pins(rows * widths[0] / a.Lanes())
		for _, width := range widths {
			vectors := width / a.Lanes()
			acc := all[:rows*vectors]
			columns, done := a.NewLabel("columns"), a.NewLabel("done")
			a.Label(columns)
			a.JumpIf(d, "LT", width, done)
			output := func(do func(acc V, i int, m simd.Mem)) {
				a.Move(o, at)
				for i := range rows {
					for j := range vectors {
						do(acc[i*vectors+j], i, simd.Mem{Base: at, Offset: 4 * a.Lanes() * j})
					}
					a.IncBy(at, ostride)
				}
			}
			scale := make([]V, rows)
			for i := range scale {
				scale[i] = a.Broadcast(simd.Mem{Base: c, Offset: 4 * i})
			}
			output(func(acc V, i int, m simd.Mem) { a.CopyTo(acc, a.Mul(a.Load(m), scale[i])) })
			a.Move(v, at)
			a.Move(s, weight)
			a.Move(n, left)
			step := a.NewLabel("step")
			a.Label(step)
			x := make([]V, vectors)
			for j := range x {
				x[j] = a.Load(simd.Mem{Base: at, Offset: 4 * a.Lanes() * j})
			}
			for i := range rows {
				w := a.Broadcast(simd.Mem{Base: weight, Offset: 4 * tile * i})
				for j := range x {
					a.FMATo(acc[i*vectors+j], x[j], w)
				}
			}
			a.IncBy(at, vstride)
			a.Inc(weight, 4)
			a.Inc(left, -1)
			a.JumpIf(left, "NE", 0, step)
			output(func(acc V, _ int, m simd.Mem) { a.Store(acc, m) })
			a.Inc(o, 4*width)
			a.Inc(v, 4*width)
			a.Inc(d, -width)
			a.Jump(columns)
			a.Label(done)
		}
	})
}
