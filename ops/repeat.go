package ops

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/graph/index"
)

// RepeatMode is the order of the copies that repeat makes.
type RepeatMode int

const (
	RepeatTiled       RepeatMode = iota + 1 // 0 1 2 0 1 2: index mod extent
	RepeatInterleaved                       // 0 0 1 1 2 2: index div n
)

var repeatModes = []string{"", "tiled", "interleaved"}

func (m RepeatMode) String() string               { return enumName(repeatModes, int(m)) }
func (m RepeatMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }
func (m *RepeatMode) UnmarshalText(text []byte) error {
	return parseEnum(repeatModes, string(text), (*int)(m))
}

// RepeatAttrs are the attributes of repeat.
type RepeatAttrs struct {
	Axis, N int
	Mode    RepeatMode
}

var RepeatOp = graph.Register(&graph.Op{
	Name: "repeat",
	Doc: `n copies of an axis of extent e. mode tiled: y[i] = x[i mod e], the whole axis again and again; mode
interleaved: y[i] = x[i div n], each index n times.`,
	Attrs: RepeatAttrs{}, Arity: 1,
	Axes: func(a graph.Attrs, _ int) ([]int, graph.Attrs) {
		r := graph.AttrsOf[RepeatAttrs](a)
		return []int{r.Axis}, RepeatAttrs{N: r.N, Mode: r.Mode}
	},
	Back: func(m *index.Map, side index.Side, a graph.Attrs, in, _ graph.Shape) bool {
		r := graph.AttrsOf[RepeatAttrs](a)
		e, drop := in.Dim(r.Axis), r.Axis
		split := []int{r.N, e}
		if r.Mode == RepeatInterleaved {
			split, drop = []int{e, r.N}, r.Axis+1
		}
		// The axis as two, of which one says which copy it is.
		dims := append(append(in.Dims()[:r.Axis:r.Axis], split...), in.Dims()[r.Axis+1:]...)
		if !m.Reshape(side, dims) {
			return false
		}
		forms := append(m.Forms[side][:drop:drop], m.Forms[side][drop+1:]...)
		m.Set(side, in.Dims(), forms)
		return true
	},
	Infer: func(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
		x, r := in[0], graph.AttrsOf[RepeatAttrs](a)
		if err := wantEnum("mode", repeatModes, int(r.Mode)); err != nil {
			return nil, err
		}
		if err := wantAxis(r.Axis, x); err != nil {
			return nil, err
		}
		if r.N < 1 || r.N > maxExtent/x.Dim(r.Axis) {
			return nil, fmt.Errorf("%d copies of axis %d of %v", r.N, r.Axis, x)
		}
		if isBlock(x) && r.Axis == x.Rank()-1 {
			return nil, fmt.Errorf("copies along axis %d would break the blocks of %v", r.Axis, x)
		}
		return result(x.DType, withDim(x, r.Axis, r.N*x.Dim(r.Axis))...)
	},
	Eval: func(in []graph.Tensor, a graph.Attrs, out []graph.Tensor) {
		r := graph.AttrsOf[RepeatAttrs](a)
		dims, _ := units(in[0].Shape)
		e, size := dims[r.Axis], product(dims[r.Axis+1:])
		for i := range product(dims[:r.Axis]) {
			for j := range e * r.N {
				from := j % e
				if r.Mode == RepeatInterleaved {
					from = j / r.N
				}
				copySpan(out[0], (i*e*r.N+j)*size, in[0], (i*e+from)*size, size)
			}
		}
	},
	Cases: caseList(
		graph.Case{In: shapes(f32(3)), Attrs: RepeatAttrs{0, 4, RepeatTiled}},
		graph.Case{In: shapes(f32(3)), Attrs: RepeatAttrs{0, 4, RepeatInterleaved}},
		graph.Case{In: shapes(f32(2, 5, 2, 32)), Attrs: RepeatAttrs{2, 3, RepeatTiled}},
		graph.Case{In: shapes(f32(2, 5, 2, 32)), Attrs: RepeatAttrs{2, 3, RepeatInterleaved}},
		graph.Case{In: shapes(f32(2, 33)), Attrs: RepeatAttrs{0, 2, RepeatInterleaved}},
		graph.Case{In: shapes(i32(2, 3)), Attrs: RepeatAttrs{1, 2, RepeatTiled}, Fill: indices(99)},
		graph.Case{In: shapes(graph.ShapeOf(graph.Q8_0, 2, 3, 64)), Attrs: RepeatAttrs{1, 2, RepeatInterleaved}},
	),
})

// Repeat copies an axis n times; once it returns x.
func Repeat(x graph.Value, axis, n int, mode RepeatMode) graph.Value {
	axis = axisOf(x, axis)
	if n == 1 && x.Shape().Valid() && wantAxis(axis, x.Shape()) == nil {
		return x
	}
	return one(RepeatOp, RepeatAttrs{axis, n, mode}, x)
}
