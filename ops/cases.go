package ops

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/quant"
)

// Operands draws the operands of a case. A block type that cannot be packed
// gives an error that wraps errors.ErrUnsupported.
func Operands(c graph.Case, r *rand.Rand) ([]graph.Tensor, error) {
	in := make([]graph.Tensor, len(c.In))
	for i, s := range c.In {
		in[i] = graph.NewTensor(s)
		switch {
		case c.Fill != nil:
			c.Fill(i, in[i], r)
		case s.DType == graph.F32:
			fillNormal(in[i].F, r)
		}
		if raw := in[i].Raw; raw != nil && len(bytes.TrimLeft(raw, "\x00")) == 0 { // Fill has left it alone
			x := make([]float32, s.Len())
			fillNormal(x, r)
			if err := quant.Pack(s.DType, raw, x); err != nil {
				return nil, fmt.Errorf("ops: operand %d: %w", i, err)
			}
		}
	}
	return in, nil
}

func f32(dims ...int) graph.Shape { return graph.ShapeOf(graph.F32, dims...) }
func f16(dims ...int) graph.Shape { return graph.ShapeOf(graph.F16, dims...) }
func i32(dims ...int) graph.Shape { return graph.ShapeOf(graph.I32, dims...) }

func shapes(s ...graph.Shape) []graph.Shape { return s }

// caseList is the Cases of an op; a case without a name is called by its shapes
// and attributes.
func caseList(all ...graph.Case) func(func(graph.Case) bool) {
	for i := range all {
		c := &all[i]
		if c.Name == "" {
			var words []string
			for _, s := range c.In {
				words = append(words, s.String())
			}
			if c.Attrs != nil {
				words = append(words, fmt.Sprintf("%+v", c.Attrs))
			}
			c.Name = strings.Join(words, " ")
		}
	}
	return func(yield func(graph.Case) bool) {
		for _, c := range all {
			if !yield(c) {
				return
			}
		}
	}
}

// lastAxisCases are shapes for ops along the last axis: shorter and longer than
// a warp, not a multiple of one, many rows and one.
func lastAxisCases(attrs ...graph.Attrs) func(func(graph.Case) bool) {
	if len(attrs) == 0 {
		attrs = []graph.Attrs{nil}
	}
	var all []graph.Case
	for i, s := range []graph.Shape{f32(1), f32(3, 7), f32(2, 3, 4, 32), f32(5, 4, 3, 65), f32(2, 128), f32(1, 1025)} {
		for _, a := range attrs {
			all = append(all, graph.Case{In: shapes(s), Attrs: a})
		}
		if i > 2 {
			attrs = attrs[:1]
		}
	}
	return caseList(all...)
}

func fillNormal(x []float32, r *rand.Rand) {
	for i := range x {
		x[i] = float32(r.NormFloat64() / 2)
	}
}

// uniform fills f32 operands from lo to hi.
func uniform(lo, hi float32) func(int, graph.Tensor, *rand.Rand) {
	return func(_ int, t graph.Tensor, r *rand.Rand) {
		for i := range t.F {
			t.F[i] = lo + (hi-lo)*r.Float32()
		}
	}
}

// indices fills i32 operands with numbers below n, those of a row of the last
// axis all different where there are enough, and f32 operands normally.
func indices(n int) func(int, graph.Tensor, *rand.Rand) {
	return func(_ int, t graph.Tensor, r *rand.Rand) {
		fillNormal(t.F, r)
		var perm []int
		for i := range t.I {
			if row := t.Shape.Dim(-1); i%row == 0 && row <= n {
				perm = r.Perm(n)[:row]
			}
			if t.I[i] = int32(r.IntN(n)); perm != nil {
				t.I[i] = int32(perm[i%len(perm)])
			}
		}
	}
}

var minusInf = float32(math.Inf(-1))
