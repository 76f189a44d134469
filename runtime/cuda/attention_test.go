package cuda_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// A slot, rows or positions that are none change nothing for another sequence: the
// results are zero, or the cache is left as it was.
func TestAttentionOutOfRange(t *testing.T) {
	s := session(t)
	for _, op := range []struct {
		*graph.Op
		rows, slots, pos int // operands
	}{{ops.AttentionOp, 2, 3, 4}, {ops.LatentAttentionOp, 1, 2, 3}} {
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
				slots, rows := in[0].Shape.Dim(0), in[0].Shape.Dim(0)*in[0].Shape.Dim(1)
				for _, spoiled := range []struct {
					operand, index int
				}{{op.slots, -1}, {op.slots, slots}, {op.pos, -1}, {op.rows, -1}, {op.rows, rows}} {
					x := in[spoiled.operand]
					second := slices.Clone(x.I)
					for i := len(x.I) / 2; i < len(x.I); i++ {
						second[i] = int32(spoiled.index)
					}
					other := slices.Clone(in)
					other[spoiled.operand].I = second
					got := runNode(t, s, op.Op, c.Attrs, other)
					name := fmt.Sprintf("operand %d is %d", spoiled.operand, spoiled.index)
					half := len(want[0].F) / 2
					if !slices.Equal(got[0].F[:half], want[0].F[:half]) {
						t.Errorf("%s: the results of the other sequence changed", name)
					}
					if spoiled.operand != op.rows {
						if slices.ContainsFunc(got[0].F[half:], func(y float32) bool { return y != 0 }) {
							t.Errorf("%s: results are not zero", name)
						}
						continue
					}
					for i, pool := range got[1:] {
						left := sched.HostOf(want[1+i]).Bytes() // but for the second sequence's rows
						size := len(left) / rows
						for _, row := range x.I[len(x.I)/2:] {
							copy(left[int(row)*size:][:size], sched.HostOf(in[i]).Bytes()[int(row)*size:])
						}
						if !bytes.Equal(sched.HostOf(pool).Bytes(), left) {
							t.Errorf("%s: pool %d was written to elsewhere", name, i)
						}
					}
				}
			})
		}
	}
}
