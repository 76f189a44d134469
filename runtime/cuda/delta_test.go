package cuda_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/runtimetest"
)

// A slot that is none leaves the pools as they were and changes nothing for the
// other sequence.
func TestDeltaSlotsOutOfRange(t *testing.T) {
	s := session(t)
	for _, op := range []struct {
		*graph.Op
		slots int // operand, behind the pools
	}{{ops.ConvSlotsOp, 1}, {ops.DeltaSlotsOp, 1}, {ops.DeltaBlockOp, 2}} {
		for c := range op.Cases {
			if c.In[op.slots].Dim(0) != 2 {
				continue
			}
			t.Run(op.Name+"/"+c.Name, func(t *testing.T) {
				in, err := ops.Operands(c, rand.New(rand.NewPCG(1, 2)))
				if err != nil {
					t.Fatal(err)
				}
				want := runNode(t, s, op.Op, c.Attrs, in)
				for i, pool := range want[1:] { // the second sequence has slot 1
					row := len(pool.F) / pool.Shape.Dim(0)
					copy(pool.F[row:2*row], in[i].F[row:])
				}
				for _, slot := range []int{-1, in[0].Shape.Dim(0)} {
					in[op.slots].I[1] = int32(slot)
					got := runNode(t, s, op.Op, c.Attrs, in)
					half := len(got[0].F) / 2
					if !slices.Equal(got[0].F[:half], want[0].F[:half]) {
						t.Errorf("slot %d: the results of the other sequence changed", slot)
					}
					for i, pool := range got[1:] {
						if !slices.Equal(pool.F, want[1+i].F) {
							t.Errorf("slot %d: pool %d was written to elsewhere", slot, i)
						}
					}
				}
			})
		}
	}
}

// tokens returns the operands of a node over one sequence with tokens from to to-1
// of those whose second axis is T tokens.
func tokens(in []graph.Tensor, T, from, to int) []graph.Tensor {
	part := slices.Clone(in)
	for i, x := range in {
		if x.Shape.Rank() < 3 || x.Shape.Dim(1) != T || x.Shape.Dim(0) != 1 {
			continue
		}
		dims := x.Shape.Dims()
		dims[1] = to - from
		size := len(x.F) / T
		part[i] = graph.Tensor{Shape: graph.ShapeOf(graph.F32, dims...), F: x.F[from*size : to*size]}
	}
	return part
}

// Steps of a few tokens have the same bits however a sequence is cut into them.
func TestDeltaSteps(t *testing.T) {
	s := session(t)
	const T = 7
	run := func(in []graph.Tensor, n int) []graph.Tensor {
		node, _, err := runtimetest.DeltaBlock(n, 1, 2, 128)
		if err != nil {
			t.Fatal(err)
		}
		return runNode(t, s, node.Op(), node.Attrs(), in)
	}
	_, in, err := runtimetest.DeltaBlock(T, 1, 2, 128)
	if err != nil {
		t.Fatal(err)
	}
	want := run(in, T)
	for _, cut := range [][]int{{1, 1, 5}, {4, 3}} {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			in, from := slices.Clone(in), 0
			var y []float32
			for _, n := range cut {
				out := run(tokens(in, T, from, from+n), n)
				y, in[0], in[1], from = append(y, out[0].F...), out[1], out[2], from+n
			}
			if !slices.Equal(y, want[0].F) || !slices.Equal(in[0].F, want[1].F) || !slices.Equal(in[1].F, want[2].F) {
				t.Error("other bits than in one step")
			}
		})
	}
}

// What a prompt gives at a token does not depend on the tokens behind it.
func TestDeltaPrefix(t *testing.T) {
	s := session(t)
	const all, some = 140, 71
	for _, channels := range []bool{false, true} {
		t.Run(fmt.Sprintf("channels %v", channels), func(t *testing.T) {
			run := func(T int) []float32 {
				node, in, err := runtimetest.GatedDeltaNet(1, all, 1, 1, 128, channels)
				if err != nil {
					t.Fatal(err)
				}
				return runNode(t, s, node.Op(), node.Attrs(), tokens(in, all, 0, T))[0].F
			}
			if !slices.Equal(run(all)[:some*128], run(some)) {
				t.Error("later tokens have changed bits")
			}
		})
	}
}
