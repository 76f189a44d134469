package ggml_test

import (
	"fmt"
	"log"
	"strings"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/interop/ggml"
	"github.com/deltaloom/deltaloom/ops"
)

// A cache of three numbers, of which the text overwrites the second and reads
// the last two.
func Example() {
	g, err := ggml.Parse(strings.NewReader(`
0|LEAF|cache_s_l0|f32|leaf|3,1,1,1|4,12,12,12|-1|0||0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0
1|LEAF|inp_x|f32|leaf|1,1,1,1|4,4,4,4|-1|0||0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0
2|VIEW|second|f32|node|1,1,1,1|4,4,4,4|0|4|0|4,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0
3|CPY|write|f32|node|1,1,1,1|4,4,4,4|0|4|1,2|0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0
4|VIEW|last two|f32|node|2,1,1,1|4,8,8,8|0|4|0|4,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0
5|NEG|y|f32|node|2,1,1,1|4,8,8,8|-1|0|4|0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0
`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(g.Graph())
	r, err := ops.Run(g.Graph(), map[string]graph.Tensor{
		"cache_s_l0": {Shape: graph.ShapeOf(graph.F32, 1, 3), F: []float32{1, 2, 3}},
		"inp_x":      {Shape: graph.ShapeOf(graph.F32, 1), F: []float32{9}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Outputs["y"].F, r.States["cache_s_l0"].F)
	// Output:
	// %0 = state "cache_s_l0" : f32[1 3] @blk.0
	// %1 = input "inp_x" : f32[1] @blk.0
	// %2 = reshape(%1) {dims=[1 1]} : f32[1 1]
	// %3 = slice(%0) {axis=1, n=1} : f32[1 1]
	// %4 = slice(%0) {axis=1, start=2, n=1} : f32[1 1]
	// %5 = concat(%3, %2, %4) {axis=1} : f32[1 3]
	// %6 = slice(%5) {axis=1, start=1, n=2} : f32[1 2]
	// %7 = neg(%6) : f32[1 2]
	// output "y" = %7
	// next %0 = %5
	// [-9 -3] [1 9 3]
}
