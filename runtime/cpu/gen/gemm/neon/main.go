// Command neon writes the kernels of runtime/cpu/gemm for arm64 into the folder that
// it is given.
package main

import (
	"log"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: neon DIR")
	}
	a := newAsm()
	for _, f := range []floatFormat{f32, f16, bf16} {
		for _, m := range []int{4, 2, 1} {
			a.floatRows(f, 4, m)
			a.floatRows(f, 1, m)
		}
	}
	for _, f := range []int8Format{q4_0, q4_1, q5_0, q5_1, q8_0, q2K, q3K, q4K, q5K, q6K, iq4NL, iq4XS, mxfp4} {
		a.unpack(f)
		for _, m := range []int{2, 1} {
			a.int8Rows(f, 4, m)
			a.int8Rows(f, 1, m)
		}
	}
	a.quantize()
	for _, p := range panelShapes {
		for _, m := range []int{6, 4, 2, 1} {
			a.panel(p, m)
		}
	}
	a.interleave()
	if err := a.write(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}
