package main

import "github.com/deltaloom/deltaloom/runtime/cpu/gen/simd"

// filters are the causal convolution of four taps.
func filters(a *simd.Asm) {
	params := []string{"y *float32", "x0 *float32", "x1 *float32", "x2 *float32", "x3 *float32", "w0 *float32", "w1 *float32", "w2 *float32", "w3 *float32", "n int"}
	a.Func("filter4", " sets y = silu(Σ_p x_p·w_p).", params, "", func() {
		y := a.Arg("y")
		var in []simd.G
		for _, p := range []string{"x0", "x1", "x2", "x3", "w0", "w1", "w2", "w3"} {
			in = append(in, a.Arg(p))
		}
		a.Each(a.Arg("n"), 1, a.C(0), in, []simd.G{y}, func(_ int, x []V) []V {
			s := a.Mul(x[0], x[4])
			for p := 1; p < 4; p++ {
				s = a.FMA(x[p], x[4+p], s)
			}
			return []V{a.Silu(s)}
		})
	})
	a.Func("transpose4", " sets y[p][i] = x[i][p] for the first n/16·16 of n quadruples; a row of y is n long.", []string{"y *float32", "x *float32", "n int"}, "", func() {
		y, x, n := a.Arg("y"), a.Arg("x"), a.Arg("n")
		stride := a.G()
		a.Move(n, stride)
		a.Times4(stride)
		rows := a.Rows(y, a.Stride(stride, 4), 4)
		rows.Start()
		loop, done := a.NewLabel("loop"), a.NewLabel("done")
		a.Label(loop)
		a.JumpIf(n, "LT", 16, done)
		for i := 0; i < 16; i += a.Lanes() {
			for p, v := range a.LoadFours(simd.Mem{Base: x, Offset: 16 * i}) {
				a.Store(v, rows.At(p, 4*i))
			}
		}
		rows.Inc(64)
		a.Inc(x, 256)
		a.Inc(n, -16)
		a.Jump(loop)
		a.Label(done)
	})
}
