package lower

import (
	"math"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// Rope says how pairs of elements of a head turn.
type Rope struct {
	ops.RopeAttrs
	Streams int       // positions of a token
	Stream  []int     // of each pair, -1 for one that does not turn
	Freq    []float64 // of each pair: the angle of one position, in radians
}

// NewRope returns the rope of these attributes with positions of that shape.
func NewRope(a ops.RopeAttrs, pos graph.Shape) Rope {
	r := Rope{RopeAttrs: a, Streams: 1}
	if pos.Rank() == 3 {
		r.Streams = pos.Dim(2)
	}
	for j := range a.Dims / 2 {
		s := a.Stream(j)
		if r.Streams == 1 && s > 0 { // t = h = w = pos, e = 0
			if s < 3 {
				s = 0
			} else {
				s = -1
			}
		}
		r.Stream = append(r.Stream, s)
		r.Freq = append(r.Freq, math.Pow(float64(a.Base), -2*float64(j)/float64(a.Dims)))
	}
	return r
}
