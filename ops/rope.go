package ops

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/deltaloom/deltaloom/graph"
)

// RopeMode says which elements of a head turn together, and by which position.
type RopeMode int

const (
	NeoX   RopeMode = iota + 1 // pairs (j, j + dims/2)
	IMRope                     // pairs as NeoX, positions interleaved from four streams
	Normal                     // pairs (2j, 2j + 1)
)

var ropeModes = []string{"", "neox", "imrope", "normal"}

func (m RopeMode) String() string               { return enumName(ropeModes, int(m)) }
func (m RopeMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }
func (m *RopeMode) UnmarshalText(text []byte) error {
	return parseEnum(ropeModes, string(text), (*int)(m))
}

// RopeAttrs are the attributes of rope.
type RopeAttrs struct {
	Dims     int        // elements of a head that turn; the rest is copied
	Base     float32    // pair j turns by Base^(-2j/Dims) a position
	Mode     RopeMode   // which elements are a pair, and whose position turns it
	Sections graph.Ints // IMRope only: pairs of t, h, w, e
}

var RopeOp = graph.Register(&graph.Op{
	Name: "rope",
	Doc: `Rotary position embedding of the first dims elements of each head: pair j turns by the angle
p·base^(-2j/dims), (u, v) -> (u cos - v sin, u sin + v cos). mode neox pairs (j, j+dims/2), normal (2j, 2j+1).
x, y [B T H D], pos i32 [B T]. mode imrope pairs as neox and takes p from four streams t h w e, pos i32 [B T 4]:
with s = j mod Σsections it is h where s mod 3 = 1 and s < 3·sections[1], w where s mod 3 = 2 and
s < 3·sections[2], t where s mod 3 = 0 and s < 3·sections[0], and e elsewhere; pos [B T] stands for
t = h = w = pos, e = 0. Su et al., "RoFormer", 2021, equation 34.`,
	Attrs: RopeAttrs{}, Arity: 2,
	InPlace: inPlace,
	Infer: func(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
		x, pos := in[0], in[1]
		r := graph.AttrsOf[RopeAttrs](a)
		if err := r.check(); err != nil {
			return nil, err
		}
		if err := wantF32(4, x); err != nil {
			return nil, err
		}
		if err := wantIndex(1, pos, 2); err != nil {
			return nil, err
		}
		streams := pos.Rank() == 3 && pos.Dim(2) == 4
		switch {
		case x.Rank() != 4 || pos.Rank() != 2 && !streams || pos.Dim(0) != x.Dim(0) || pos.Dim(1) != x.Dim(1):
			return nil, fmt.Errorf("%v at %v, want [B T H D] at [B T] or [B T 4]", x, pos)
		case streams && r.Mode != IMRope:
			return nil, fmt.Errorf("mode %v takes positions [B T], has %v", r.Mode, pos)
		case r.Dims > x.Dim(3):
			return nil, fmt.Errorf("%d elements turn, heads of %v have %d", r.Dims, x, x.Dim(3))
		}
		return in[:1], nil
	},
	Eval: func(in []graph.Tensor, a graph.Attrs, out []graph.Tensor) {
		x, pos, y := in[0], in[1], out[0]
		r := graph.AttrsOf[RopeAttrs](a)
		H, D := x.Shape.Dim(2), x.Shape.Dim(3)
		copy(y.F, x.F)
		for bt := range x.Shape.Dim(0) * x.Shape.Dim(1) {
			for j := range r.Dims / 2 {
				p := 0.0
				switch s := r.Stream(j); {
				case pos.Shape.Rank() == 3:
					p = float64(pos.I[bt*4+s])
				case s < 3:
					p = float64(pos.I[bt])
				}
				theta := p * math.Pow(float64(r.Base), -2*float64(j)/float64(r.Dims))
				sin, cos := math.Sincos(theta)
				first, second := r.Pair(j)
				for h := range H {
					head := y.F[(bt*H+h)*D : (bt*H+h+1)*D]
					u, v := float64(head[first]), float64(head[second])
					head[first], head[second] = float32(u*cos-v*sin), float32(u*sin+v*cos)
				}
			}
		}
	},
	Cases: ropeCases,
})

func (r RopeAttrs) check() error {
	if err := wantEnum("mode", ropeModes, int(r.Mode)); err != nil {
		return err
	}
	if r.Dims < 2 || r.Dims%2 != 0 {
		return fmt.Errorf("dims %d is not an even number from 2", r.Dims)
	}
	if !(r.Base > 0) || math.IsInf(float64(r.Base), 0) {
		return fmt.Errorf("base %v is not a finite number above 0", r.Base)
	}
	if r.Mode != IMRope {
		if r.Sections.Len() != 0 {
			return fmt.Errorf("sections %v in mode %v", r.Sections, r.Mode)
		}
		return nil
	}
	sum := 0
	for _, n := range r.Sections.Slice() {
		if n < 0 || n > maxExtent {
			return fmt.Errorf("sections %v", r.Sections)
		}
		sum += n
	}
	if r.Sections.Len() != 4 || sum == 0 {
		return fmt.Errorf("sections %v, want the pairs of t, h, w, e", r.Sections)
	}
	return nil
}

// Rope turns pairs of elements by their position: x [B T H D], pos i32 [B T] or,
// in mode IMRope, [B T 4].
func Rope(x, pos graph.Value, a RopeAttrs) graph.Value { return one(RopeOp, a, x, pos) }

// Stream says which of t h w e gives the position of pair j.
func (r RopeAttrs) Stream(j int) int {
	if r.Mode != IMRope {
		return 0
	}
	sum := 0
	for _, n := range r.Sections.Slice() {
		sum += n
	}
	s := j % sum
	if k := s % 3; s < 3*r.Sections.At(k) {
		return k
	}
	return 3
}

// Pair returns the elements that turn together.
func (r RopeAttrs) Pair(j int) (first, second int) {
	if r.Mode == Normal {
		return 2 * j, 2*j + 1
	}
	return j, j + r.Dims/2
}

func ropeCases(yield func(graph.Case) bool) {
	at := func(n int) func(int, graph.Tensor, *rand.Rand) {
		return func(i int, t graph.Tensor, r *rand.Rand) {
			fillNormal(t.F, r)
			for j := range t.I {
				t.I[j] = int32(r.IntN(n))
			}
		}
	}
	sections := graph.IntsOf(11, 11, 10, 0)
	caseList(
		graph.Case{In: shapes(f32(1, 1, 1, 2), i32(1, 1)), Attrs: RopeAttrs{Dims: 2, Base: 1e4, Mode: NeoX}, Fill: at(9)},
		graph.Case{In: shapes(f32(2, 5, 3, 16), i32(2, 5)), Attrs: RopeAttrs{Dims: 16, Base: 1e4, Mode: NeoX}, Fill: at(500)},
		graph.Case{In: shapes(f32(2, 5, 3, 16), i32(2, 5)), Attrs: RopeAttrs{Dims: 8, Base: 1e7, Mode: NeoX}, Fill: at(500)},
		graph.Case{Name: "far", In: shapes(f32(2, 5, 1, 256), i32(2, 5)), Attrs: RopeAttrs{Dims: 256, Base: 1e7, Mode: NeoX}, Fill: at(1 << 20)},
		graph.Case{In: shapes(f32(2, 5, 3, 16), i32(2, 5)), Attrs: RopeAttrs{Dims: 16, Base: 1e4, Mode: Normal}, Fill: at(500)},
		graph.Case{In: shapes(f32(2, 5, 3, 16), i32(2, 5)), Attrs: RopeAttrs{Dims: 6, Base: 1e4, Mode: Normal}, Fill: at(500)},
		graph.Case{In: shapes(f32(1, 7, 2, 80), i32(1, 7)), Attrs: RopeAttrs{Dims: 64, Base: 1e7, Mode: IMRope, Sections: sections}, Fill: at(500)},
		graph.Case{In: shapes(f32(1, 7, 2, 80), i32(1, 7, 4)), Attrs: RopeAttrs{Dims: 64, Base: 1e7, Mode: IMRope, Sections: sections}, Fill: at(500)},
		graph.Case{In: shapes(f32(2, 3, 2, 20), i32(2, 3, 4)), Attrs: RopeAttrs{Dims: 20, Base: 1e4, Mode: IMRope, Sections: graph.IntsOf(2, 1, 1, 2)}, Fill: at(100)},
		graph.Case{In: shapes(f32(2, 3, 2, 20), i32(2, 3)), Attrs: RopeAttrs{Dims: 20, Base: 1e4, Mode: IMRope, Sections: graph.IntsOf(2, 1, 1, 2)}, Fill: at(100)},
	)(yield)
}
