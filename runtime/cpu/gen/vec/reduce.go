package main

import (
	"math"
	"strings"

	"github.com/deltaloom/deltaloom/runtime/cpu/gen/simd"
)

// reductions are the functions that give one number: four partial results a lane,
// which meet in a fixed order.
func reductions(a *simd.Asm) {
	reduce := func(name, doc, out, in, number string, start, fill float32, op func(x, y V) V, to func(d, x V), body func(acc V, x []V, number V) []V) {
		var params []string
		for _, p := range strings.Fields(out + " " + in) {
			params = append(params, p+" *float32")
		}
		params = append(params, "n int")
		if number != "" {
			params = append(params, number+" float32")
		}
		a.Func(name, doc, params, "float32", func() {
			acc := a.Pins(4)
			for _, v := range acc {
				a.CopyTo(v, a.C(start))
			}
			past := a.C(fill)
			pointers := func(names string) (g []simd.G) {
				for _, p := range strings.Fields(names) {
					g = append(g, a.Arg(p))
				}
				return g
			}
			var c V
			if number != "" {
				c = a.ArgF(number)
			}
			a.Each(a.Arg("n"), len(acc), past, pointers(in), pointers(out), func(u int, x []V) []V { return body(acc[u], x, c) })
			to(acc[0], acc[1])
			to(acc[2], acc[3])
			to(acc[0], acc[2])
			a.Return(a.Fold(acc[0], op))
		})
	}
	minusInf := float32(math.Inf(-1))
	reduce("dot", " returns Σ x·w.", "", "x w", "", 0, 0, a.Add, a.AddTo, func(acc V, x []V, _ V) []V {
		a.FMATo(acc, x[0], x[1])
		return nil
	})
	reduce("sumSquares", " returns Σ x².", "", "x", "", 0, 0, a.Add, a.AddTo, func(acc V, x []V, _ V) []V {
		a.FMATo(acc, x[0], x[0])
		return nil
	})
	reduce("max", " returns the largest element, -Inf of none.", "", "x", "", minusInf, minusInf, a.Max, a.MaxTo, func(acc V, x []V, _ V) []V {
		a.MaxTo(acc, x[0])
		return nil
	})
	reduce("expSum", " sets y = e^(x-m) and returns its sum.", "y", "x", "m", 0, minusInf, a.Add, a.AddTo, func(acc V, x []V, m V) []V {
		e := a.Exp(a.Sub(x[0], m))
		a.AddTo(acc, e)
		return []V{e}
	})
}
