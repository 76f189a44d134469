package cuda_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/runtimetest"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// blockTypes have kernels of their own in many ops; activations beside them are
// rounded to 8 bits. Products with the others are as exact as their types.
var blockTypes = []graph.DType{graph.Q4_0, graph.Q4_1, graph.Q5_0, graph.Q5_1, graph.Q8_0, graph.Q2_K, graph.Q3_K,
	graph.Q4_K, graph.Q5_K, graph.Q6_K, graph.IQ4_NL, graph.IQ4_XS, graph.MXFP4}

var plainTypes = []struct {
	graph.DType
	nmse float64
}{{graph.F32, 1e-7}, {graph.F16, 2e-7}, {graph.BF16, 6e-6}}

// eachType runs an op at shapes with weights of each type: its formula, and its
// operands by the type and the length of a row, a multiple of 256 for block formats.
func eachType(t *testing.T, b sched.Backend, op *graph.Op, formula func(in []graph.Value) []graph.Value,
	operands func(w graph.DType, K int) []graph.Shape) {
	t.Helper()
	cases := func(yield func(graph.Case) bool) {
		add := func(w graph.DType, K int, nmse float64) bool {
			in := operands(w, K)
			body, err := ops.BodyOf(in, formula)
			if err != nil {
				t.Fatal(err)
			}
			return yield(graph.Case{Name: fmt.Sprint(w, " ", K), In: in, Attrs: ops.CoarseAttrs{Body: body}, NMSE: nmse, Fill: few})
		}
		for _, w := range blockTypes {
			if !add(w, 256, 2e-4) {
				return
			}
		}
		for _, w := range plainTypes {
			for _, K := range []int{64, 37} {
				if !add(w.DType, K, w.nmse) {
					return
				}
			}
		}
	}
	runtimetest.RunCases(t, b, op, iter.Seq[graph.Case](cases))
}

// few fills with normal numbers, and indices with 0 and 1.
func few(_ int, x graph.Tensor, r *rand.Rand) {
	for i := range x.F {
		x.F[i] = float32(r.NormFloat64()) / 2
	}
	for i := range x.I {
		x.I[i] = int32(r.IntN(2))
	}
}

// moreCases reaches the kernels for types and sizes that no case of an op has.
func moreCases(t *testing.T, b sched.Backend) {
	f := func(dims ...int) graph.Shape { return graph.ShapeOf(graph.F32, dims...) }
	is := func(dims ...int) graph.Shape { return graph.ShapeOf(graph.I32, dims...) }
	t.Run("types", func(t *testing.T) {
		for _, N := range []int{2, 12} {
			up := func(in []graph.Value) []graph.Value {
				return ops.ExpertsUp(ops.Mul(ops.RMSNorm(in[0], 1e-6), in[1]), in[2], in[3], in[4], in[5], in[6])
			}
			eachType(t, b, ops.ExpertsUpOp, up, func(w graph.DType, K int) []graph.Shape {
				e, s := graph.ShapeOf(w, 3, 16, K), graph.ShapeOf(w, 24, K)
				return []graph.Shape{f(N, K), f(K), is(N, 2), e, e, s, s}
			})
			down := func(in []graph.Value) []graph.Value {
				return []graph.Value{ops.ExpertsDown(in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7])}
			}
			eachType(t, b, ops.ExpertsDownOp, down, func(w graph.DType, K int) []graph.Shape {
				return []graph.Shape{f(N, 2, K), is(N, 2), f(N, 2), graph.ShapeOf(w, 3, 24, K), f(N, K), graph.ShapeOf(w, 24, K), f(N, 24), f(N, 1)}
			})
			router := func(in []graph.Value) []graph.Value {
				experts, weights := ops.Router(ops.RouterForm{Used: 2}, in...)
				return []graph.Value{experts, weights}
			}
			eachType(t, b, ops.RouterOp, router, func(w graph.DType, K int) []graph.Shape {
				return []graph.Shape{f(N, K), graph.ShapeOf(w, 8, K)}
			})
		}
		for _, w := range plainTypes {
			runtimetest.RunCases(t, b, ops.ExpertMatMulOp, func(yield func(graph.Case) bool) {
				yield(graph.Case{Name: fmt.Sprint(w, " 37"), In: []graph.Shape{f(2, 1, 37), graph.ShapeOf(w.DType, 3, 8, 37), is(2, 2)}, Fill: few, NMSE: w.nmse})
			})
		}
		for _, T := range []int{1, 2, 3, 6, 20} {
			linear := func(in []graph.Value) []graph.Value { return ops.NormLinear(in[0], in[1], in[2:]...) }
			eachType(t, b, ops.NormLinearOp, linear, func(w graph.DType, K int) []graph.Shape {
				return []graph.Shape{f(1, T, K), f(K), graph.ShapeOf(w, 40, K), graph.ShapeOf(graph.F32, 3, K)}
			})
			swiglu := func(in []graph.Value) []graph.Value { return []graph.Value{ops.SwiGLU(in[0], in[1], in[2])} }
			eachType(t, b, ops.SwiGLUOp, swiglu, func(w graph.DType, K int) []graph.Shape {
				return []graph.Shape{f(1, T, K), graph.ShapeOf(w, 24, K), graph.ShapeOf(w, 24, K)}
			})
		}
	})
	t.Run("sizes", func(t *testing.T) {
		for _, D := range []int{16, 32, 256} {
			const Hk, H = 1, 2
			n, in, err := runtimetest.DeltaBlock(2, Hk, H, D)
			if err != nil {
				t.Fatal(err)
			}
			c := graph.Case{Name: fmt.Sprint(D), Attrs: n.Attrs(), Fill: func(i int, x graph.Tensor, _ *rand.Rand) {
				copy(x.F, in[i].F)
				copy(x.I, in[i].I)
			}}
			for _, x := range in {
				c.In = append(c.In, x.Shape)
			}
			runtimetest.RunCases(t, b, ops.DeltaBlockOp, func(yield func(graph.Case) bool) { yield(c) })
		}
	})
	t.Run("shared memory", func(t *testing.T) { // 48 KiB, and a little that the kernel has of its own
		runtimetest.RunCases(t, b, ops.MatMulOp, func(yield func(graph.Case) bool) {
			for tokens := 1; tokens <= 8; tokens *= 2 {
				x := f(tokens, 12288/tokens)
				if !yield(graph.Case{Name: x.String(), In: []graph.Shape{x, f(3, x.Dim(1))}, Fill: few}) {
					return
				}
			}
		})
	})
	t.Run("bytes", func(t *testing.T) {
		odd, even := graph.ShapeOf(graph.MXFP4, 3, 96), graph.ShapeOf(graph.Q8_0, 3, 32)
		runtimetest.RunCases(t, b, ops.ConcatOp, func(yield func(graph.Case) bool) {
			for _, s := range []graph.Shape{odd, even} {
				if !yield(graph.Case{Name: s.String(), In: []graph.Shape{s, s}, Attrs: ops.ConcatAttrs{Axis: 1}}) {
					return
				}
			}
		})
		runtimetest.RunCases(t, b, ops.SliceOp, func(yield func(graph.Case) bool) {
			yield(graph.Case{Name: odd.String(), In: []graph.Shape{odd}, Attrs: ops.SliceAttrs{Axis: 1, Start: 32, N: 32}})
		})
	})
}
