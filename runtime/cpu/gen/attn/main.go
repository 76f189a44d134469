// Command attn writes the kernels of runtime/cpu/attn.
package main

import (
	"fmt"
	"log"
	"math"
	"os"

	"github.com/deltaloom/deltaloom/runtime/cpu/gen/simd"
)

type V = simd.V

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: attn DIR")
	}
	if err := simd.Generate(os.Args[1], "attn", define, simd.AVX2, simd.AVX512); err != nil {
		log.Fatal(err)
	}
}

func define(a *simd.Asm) {
	f32 := element{"F32", 4, a.Load}
	f16 := element{"F16", 2, a.LoadHalf}
	scores(a, "scores", f32, false)
	scores(a, "scoresF32", f32, true)
	scores(a, "scoresF16", f16, true)
	softmax(a)
	values(a, "values1", f32, 1, false)
	values(a, "values4", f32, 4, false)
	values(a, "valuesF32", f32, 4, true)
	values(a, "valuesF16", f16, 4, true)
}

// element is a type of the cache.
type element struct {
	name string
	size int // bytes
	load func(simd.Mem) V
}

// rowsAhead is how many positions on a cache is asked for where its rows are used
// once only.
const rowsAhead = 8

// scores takes four queries to some keys at a time. A product adds up its lanes
// over d in the same order whatever stands around it.
func scores(a *simd.Asm, name string, t element, ahead bool) {
	doc := " sets s[j][i] = q[i]·k[j] for 4 queries and n keys of d elements of " + t.name + `, a multiple of 16.
// q is [d/16][4][16], a key starts stride bytes after the one before it. Up to 3 rows
// of s past n are written.`
	if ahead {
		doc += "\n// It asks for the keys that follow."
	}
	a.Func(name, doc, []string{"s *float32", "q *float32", "k *byte", "n int", "d int", "stride int"}, "", func() {
		s, q, k, n, d, stride := a.Arg("s"), a.Arg("q"), a.Arg("k"), a.Arg("n"), a.Arg("d"), a.Arg("stride")
		keys := 4 // as many as registers allow
		if a.Set == simd.AVX2 {
			keys = 3
		}
		key, acc := make([]simd.G, keys), make([][4]V, keys)
		for j := range key {
			key[j], acc[j] = a.G(), [4]V(a.Pins(4))
		}
		query, left := a.G(), a.G()
		next := a.NewLabel("next")
		a.Label(next)
		a.Move(k, key[0])
		for j := 1; j < keys; j++ { // past the last key stands the last key again
			last := a.NewLabel("last")
			a.Move(key[j-1], key[j])
			a.JumpIf(n, "LE", j, last)
			a.IncBy(key[j], stride)
			a.Label(last)
		}
		a.Move(q, query)
		a.Move(d, left)
		for j := range key {
			for i := range acc[j] {
				a.ZeroTo(acc[j][i])
			}
		}
		step := a.NewLabel("step")
		a.Label(step)
		for e := 0; e < 16; e += a.Lanes() {
			x := make([]V, keys)
			for j := range x {
				x[j] = t.load(simd.Mem{Base: key[j], Offset: t.size * e})
			}
			for i := range 4 {
				y := a.Load(simd.Mem{Base: query, Offset: 4 * (16*i + e)})
				for j := range x {
					a.FMATo(acc[j][i], x[j], y)
				}
			}
		}
		for _, g := range key {
			if ahead {
				a.Prefetch(simd.Mem{Base: g}, stride, rowsAhead)
			}
			a.Inc(g, 16*t.size)
		}
		a.Inc(query, 256)
		a.Inc(left, -16)
		a.JumpIf(left, "NE", 0, step)
		for some, at := acc, 0; len(some) > 0; {
			m := simd.Mem{Base: s, Offset: 16 * at}
			if together := a.Lanes() / 4; together <= len(some) {
				a.Store(a.SumLanes(some[:together]), m)
				some, at = some[together:], at+together
			} else { // one of AVX2
				a.StoreFour(a.SumLanes([][4]V{some[0], some[0]}), 0, m)
				some = nil
			}
		}
		for range key {
			a.IncBy(k, stride)
		}
		a.Inc(s, 16*keys)
		a.Inc(n, -keys)
		a.JumpIf(n, "GT", 0, next)
	})
}

// softmax is one step of the online softmax of four queries. Milakov and
// Gimelshein, "Online normalizer calculation for softmax", 2018, algorithm 3.
func softmax(a *simd.Asm) {
	const doc = ` takes the scores s [n][4] of four queries into their running maxima m and
// sums l: s becomes e^(s-m) with the new m, and c what the sums before are worth,
// e^(old m - m).`
	a.Func("softmax", doc, []string{"s *float32", "n int", "m *float32", "l *float32", "c *float32"}, "", func() {
		s, n, m, l, c := a.Arg("s"), a.Arg("n"), a.Arg("m"), a.Arg("l"), a.Arg("c")
		past := a.C(float32(math.Inf(-1)))
		a.Times4(n)
		at, left := []simd.G{a.G()}, a.G()
		top, sum := a.Pin(), a.Pin()
		start := func() {
			a.Move(s, at[0])
			a.Move(n, left)
		}
		start()
		a.CopyTo(top, a.BroadcastFour(simd.Mem{Base: m}))
		a.Each(left, 2, past, at, nil, func(_ int, x []V) []V {
			a.MaxTo(top, x[0])
			return nil
		})
		a.CopyTo(top, a.FoldFours(top, a.Max))
		start()
		a.ZeroTo(sum)
		a.Each(left, 2, past, at, at, func(_ int, x []V) []V {
			e := a.Exp(a.Sub(x[0], top))
			a.AddTo(sum, e)
			return []V{e}
		})
		kept := a.Exp(a.Sub(a.BroadcastFour(simd.Mem{Base: m}), top))
		a.StoreFour(kept, 0, simd.Mem{Base: c})
		a.StoreFour(a.FMA(a.BroadcastFour(simd.Mem{Base: l}), kept, a.FoldFours(sum, a.Add)), 0, simd.Mem{Base: l})
		a.StoreFour(top, 0, simd.Mem{Base: m})
	})
}

// values adds the values of n positions to the outputs of some queries, column
// block by column block.
func values(a *simd.Asm, name string, t element, rows int, ahead bool) {
	doc := fmt.Sprintf(` sets o[i] = c[i]·o[i] + Σ_j s[j][i]·v[j] for %d of 4 queries, n positions and d elements of %s,
// a multiple of 16. A row of o is d long, one of v starts stride bytes after the one before it.`, rows, t.name)
	if ahead {
		doc += "\n// It asks for the values that follow."
	}
	a.Func(name, doc, []string{"o *float32", "s *float32", "c *float32", "v *byte", "n int", "d int", "stride int"}, "", func() {
		o, s, c, v := a.Arg("o"), a.Arg("s"), a.Arg("c"), a.Arg("v")
		n, d, stride := a.Arg("n"), a.Arg("d"), a.Arg("stride")
		at, weight, left, row := a.G(), a.G(), a.G(), a.G()
		a.Move(d, row)
		a.Times4(row)
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
					a.IncBy(at, row)
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
				x[j] = t.load(simd.Mem{Base: at, Offset: t.size * a.Lanes() * j})
			}
			for i := range rows {
				w := a.Broadcast(simd.Mem{Base: weight, Offset: 4 * i})
				for j := range x {
					a.FMATo(acc[i*vectors+j], x[j], w)
				}
			}
			for line := 0; ahead && line < t.size*width; line += 64 {
				a.Prefetch(simd.Mem{Base: at, Offset: line}, stride, rowsAhead)
			}
			a.IncBy(at, stride)
			a.Inc(weight, 16)
			a.Inc(left, -1)
			a.JumpIf(left, "NE", 0, step)
			output(func(acc V, _ int, m simd.Mem) { a.Store(acc, m) })
			a.Inc(o, 4*width)
			a.Inc(v, t.size*width)
			a.Inc(d, -width)
			a.Jump(columns)
			a.Label(done)
		}
	})
}
