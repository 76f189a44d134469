// Command vec writes the kernels of runtime/cpu/vec.
package main

import (
	"log"
	"os"
	"slices"
	"strings"

	"github.com/deltaloom/deltaloom/runtime/cpu/gen/simd"
)

type V = simd.V

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: vec DIR")
	}
	if err := simd.Generate(os.Args[1], "vec", define, simd.AVX2, simd.AVX512); err != nil {
		log.Fatal(err)
	}
}

func define(a *simd.Asm) {
	// each declares a function of the pointers out and in, some of which may be the
	// same, a count and numbers.
	each := func(name, doc string, unroll int, out, in, numbers string, body func(number, x []V) []V) {
		names := strings.Fields(out)
		for _, p := range strings.Fields(in) {
			if !slices.Contains(names, p) {
				names = append(names, p)
			}
		}
		var params []string
		for _, p := range names {
			params = append(params, p+" *float32")
		}
		params = append(params, "n int")
		for _, p := range strings.Fields(numbers) {
			params = append(params, p+" float32")
		}
		a.Func(name, doc, params, "", func() {
			pointer := map[string]simd.G{}
			for _, p := range names {
				pointer[p] = a.Arg(p)
			}
			list := func(names string) (g []simd.G) {
				for _, p := range strings.Fields(names) {
					g = append(g, pointer[p])
				}
				return g
			}
			n := a.Arg("n")
			var number []V
			for _, p := range strings.Fields(numbers) {
				number = append(number, a.ArgF(p))
			}
			a.Each(n, unroll, a.C(0), list(in), list(out), func(_ int, x []V) []V { return body(number, x) })
		})
	}
	unary := func(name, doc string, f func(V) V) {
		each(name, doc, 2, "y", "x", "", func(_, x []V) []V { return []V{f(x[0])} })
	}
	binary := func(name, doc string, unroll int, f func(x, w V) V) {
		each(name, doc, unroll, "y", "x w", "", func(_, x []V) []V { return []V{f(x[0], x[1])} })
	}
	unary("exp", " sets y = e^x.", a.Exp)
	unary("sigmoid", " sets y = 1/(1+e^-x).", a.Sigmoid)
	unary("silu", " sets y = x/(1+e^-x).", a.Silu)
	unary("softplus", " sets y = ln(1+e^x).", a.Softplus)
	binary("add", " sets y = x + w.", 4, a.Add)
	binary("sub", " sets y = x - w.", 4, a.Sub)
	binary("mul", " sets y = x·w.", 4, a.Mul)
	binary("div", " sets y = x/w.", 4, a.Div)
	// What is not a number comes through from either side.
	binary("larger", " sets y = max(x, w).", 2, func(x, w V) V { return a.Or(a.Max(x, w), a.Max(w, x)) })
	binary("smaller", " sets y = min(x, w).", 2, func(x, w V) V { return a.Or(a.Min(x, w), a.Min(w, x)) })
	binary("mulSigmoid", " sets y = x·sigmoid(w).", 2, func(x, w V) V { return a.Mul(x, a.Sigmoid(w)) })
	binary("mulSilu", " sets y = x·silu(w).", 2, func(x, w V) V { return a.Mul(x, a.Silu(w)) })
	a.Func("mulSiluRows", " sets y = x·silu(w) in rows of n elements, a multiple of 16: those of x and w lie side by side, those of y have gap bytes between them.",
		[]string{"y *float32", "x *float32", "w *float32", "n int", "rows int", "gap int"}, "", func() {
			y, x, w, n, rows, gap := a.Arg("y"), a.Arg("x"), a.Arg("w"), a.Arg("n"), a.Arg("rows"), a.Arg("gap")
			left, row, done := a.G(), a.NewLabel("row"), a.NewLabel("done")
			a.Label(row)
			a.JumpIf(rows, "EQ", 0, done)
			a.Move(n, left)
			a.Each(left, 2, a.C(0), []simd.G{x, w}, []simd.G{y}, func(_ int, x []V) []V { return []V{a.Mul(x[0], a.Silu(x[1]))} })
			a.IncBy(y, gap)
			a.Inc(rows, -1)
			a.Jump(row)
			a.Label(done)
		})
	each("scale", " sets y = a·x.", 4, "y", "x", "a", func(c, x []V) []V { return []V{a.Mul(x[0], c[0])} })
	each("shift", " sets y = x + a.", 4, "y", "x", "a", func(c, x []V) []V { return []V{a.Add(x[0], c[0])} })
	each("over", " sets y = x/a.", 4, "y", "x", "a", func(c, x []V) []V { return []V{a.Div(x[0], c[0])} })
	each("clamp", " sets y = min(max(x, lo), hi).", 4, "y", "x", "lo hi", func(c, x []V) []V {
		return []V{a.Min(c[1], a.Max(c[0], x[0]))}
	})
	each("scaleMul", " sets y = a·x·w.", 4, "y", "x w", "a", func(c, x []V) []V {
		return []V{a.Mul(a.Mul(x[0], c[0]), x[1])}
	})
	each("axpy", " sets y = a·x + y.", 4, "y", "y x", "a", func(c, x []V) []V { return []V{a.FMA(x[1], c[0], x[0])} })
	each("rotate", " turns the pairs (u, v).", 2, "u v", "u v cos sin", "", func(_, x []V) []V {
		u, v, cos, sin := x[0], x[1], x[2], x[3]
		return []V{a.FNMA(v, sin, a.Mul(u, cos)), a.FMA(u, sin, a.Mul(v, cos))}
	})
	each("mulAdd", " sets y = x·w + y.", 4, "y", "y x w", "", func(_, x []V) []V { return []V{a.FMA(x[1], x[2], x[0])} })
	filters(a)
	reductions(a)
	halves(a)
}
