package main

import "github.com/deltaloom/deltaloom/runtime/cpu/gen/simd"

// halves are the conversions of half precision, of n elements in whole registers.
func halves(a *simd.Asm) {
	convert := func(name, doc, y, x string, sizeY, sizeX int, step func(x, y simd.G)) {
		a.Func(name, doc, []string{"y *" + y, "x *" + x, "n int"}, "", func() {
			py, px, n := a.Arg("y"), a.Arg("x"), a.Arg("n")
			loop, done := a.NewLabel("loop"), a.NewLabel("done")
			a.Label(loop)
			a.JumpIf(n, "LT", 16, done)
			step(px, py)
			a.Inc(px, 16*sizeX)
			a.Inc(py, 16*sizeY)
			a.Inc(n, -16)
			a.Jump(loop)
			a.Label(done)
		})
	}
	convert("fromHalf", " sets y = x for the first n/16·16 elements.", "float32", "byte", 4, 2, func(x, y simd.G) {
		for i := 0; i < 16; i += a.Lanes() {
			a.Store(a.LoadHalf(simd.Mem{Base: x, Offset: 2 * i}), simd.Mem{Base: y, Offset: 4 * i})
		}
	})
	convert("toHalf", " sets y to the nearest of x, ties to even, for the first n/16·16 elements.", "byte", "float32", 2, 4, func(x, y simd.G) {
		for i := 0; i < 16; i += a.Lanes() {
			a.StoreHalf(a.Load(simd.Mem{Base: x, Offset: 4 * i}), simd.Mem{Base: y, Offset: 2 * i})
		}
	})
}
