package cuda_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// An expert that is none changes nothing for the other pairs of a token and an
// expert, and adds nothing to a sum.
func TestExpertsOutOfRange(t *testing.T) {
	s := session(t)
	for _, op := range []struct {
		*graph.Op
		experts, w, weights int // operands; weights is 0 where there are none
	}{{ops.ExpertMatMulOp, 2, 1, 0}, {ops.ExpertsUpOp, 2, 3, 0}, {ops.ExpertsDownOp, 1, 3, 2}} {
		for c := range op.Cases {
			if c.In[op.experts].Dim(1) == 1 {
				continue
			}
			t.Run(op.Name+"/"+c.Name, func(t *testing.T) {
				in, err := ops.Operands(c, rand.New(rand.NewPCG(1, 2)))
				if err != nil {
					t.Fatal(err)
				}
				experts, E := in[op.experts].I, int32(in[op.w].Shape.Dim(0))
				other := slices.Clone(in)
				other[op.experts].I = slices.Clone(experts)
				if op.weights > 0 {
					in[op.weights].F = slices.Clone(in[op.weights].F)
				}
				none := []int32{-1, E, math.MinInt32, math.MaxInt32}
				for i := 1; i < len(experts); i += 3 {
					other[op.experts].I[i] = none[i%len(none)]
					if op.weights > 0 {
						in[op.weights].F[i] = 0
					}
				}
				want, got := runNode(t, s, op.Op, c.Attrs, in)[0].F, runNode(t, s, op.Op, c.Attrs, other)[0].F
				if op.weights == 0 { // what belongs to no expert may be anything
					size := len(want) / len(experts)
					for i := 1; i < len(experts); i += 3 {
						copy(got[i*size:(i+1)*size], want[i*size:])
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("have %v, want %v", got, want)
				}
			})
		}
	}
}

func TestGatherLastOutOfRange(t *testing.T) {
	x, index := graph.NewTensor(graph.ShapeOf(graph.F32, 2, 3)), graph.NewTensor(graph.ShapeOf(graph.I32, 2, 3))
	copy(x.F, []float32{1, 2, 3, 4, 5, 6})
	copy(index.I, []int32{2, 3, 0, -1, 1, math.MinInt32})
	if got := runNode(t, session(t), ops.GatherLastOp, nil, []graph.Tensor{x, index})[0].F; !slices.Equal(got, []float32{3, 0, 1, 0, 5, 0}) {
		t.Errorf("have %v", got)
	}
}
