// Command peak writes the kernels of runtime/cpu/vec/peak.
package main

import (
	"log"
	"os"

	"github.com/deltaloom/deltaloom/runtime/cpu/gen/simd"
)

// sums is how many independent sums hide the latency of a multiply-add.
const sums = 12

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: peak DIR")
	}
	err := simd.Generate(os.Args[1], "peak", func(a *simd.Asm) {
		a.Func("multiplyAdd", " does 12 multiply-adds of a register n times, n > 0.", []string{"n int"}, "", func() {
			n, loop := a.Arg("n"), a.NewLabel("loop")
			x, acc := a.Pin(), a.Pins(sums)
			for _, v := range append(acc, x) {
				a.ZeroTo(v)
			}
			a.Label(loop)
			for _, v := range acc {
				a.FMATo(v, x, x)
			}
			a.Inc(n, -1)
			a.JumpIf(n, "NE", 0, loop)
		})
	}, simd.AVX2, simd.AVX512)
	if err != nil {
		log.Fatal(err)
	}
}
