package cuda_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/ops"
)

// A row that there is not is zeros, and leaves the others as they are.
func TestRowsOutOfRange(t *testing.T) {
	s := session(t)
	for c := range ops.RowsOp.Cases {
		if c.In[1].Len() != 4 {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			in, err := ops.Operands(c, rand.New(rand.NewPCG(1, 2)))
			if err != nil {
				t.Fatal(err)
			}
			want := runNode(t, s, ops.RowsOp, c.Attrs, in)[0].F
			clear(want[len(want)/2:])
			in[1].I[2], in[1].I[3] = -1, int32(in[0].Shape.Dim(0))
			if got := runNode(t, s, ops.RowsOp, c.Attrs, in)[0].F; !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}
