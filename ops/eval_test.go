package ops

import (
	"math"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/quant"
)

// array is a tensor read by its indices, as formulas are written.
type array struct {
	dims []int
	x    []float64
}

func arrayOf(t *testing.T, x graph.Tensor) array {
	t.Helper()
	a := array{x.Shape.Dims(), make([]float64, x.Shape.Len())}
	f := x.F
	if x.Raw != nil {
		f = make([]float32, x.Shape.Len())
		if err := quant.Unpack(x.Shape.DType, f, x.Raw); err != nil {
			t.Fatal(err)
		}
	}
	for i, v := range f {
		a.x[i] = float64(v)
	}
	for i, v := range x.I {
		a.x[i] = float64(v)
	}
	return a
}

// at takes more indices than there are axes, and any index along an axis of
// extent 1.
func (a array) at(idx ...int) float64 {
	idx = idx[len(idx)-len(a.dims):]
	n := 0
	for i, d := range a.dims {
		if n *= d; d > 1 {
			n += idx[i]
		}
	}
	return a.x[n]
}

func (a array) n(axis int) int { return a.dims[(axis+len(a.dims))%len(a.dims)] }

// with returns idx with the last indices replaced.
func with(idx []int, last ...int) []int {
	return append(append([]int(nil), idx[:len(idx)-len(last)]...), last...)
}

func total(n int, f func(int) float64) float64 {
	s := 0.0
	for i := n - 1; i >= 0; i-- {
		s += f(i)
	}
	return s
}

// element is one element of a result by its definition.
type element func(in []array, a graph.Attrs, idx []int) float64

func map1(f func(float64) float64) element {
	return func(in []array, _ graph.Attrs, idx []int) float64 { return f(in[0].at(idx...)) }
}

func map2(f func(a, b float64) float64) element {
	return func(in []array, _ graph.Attrs, idx []int) float64 { return f(in[0].at(idx...), in[1].at(idx...)) }
}

func squares(x array, idx []int) float64 {
	return total(x.n(-1), func(k int) float64 { return math.Pow(x.at(with(idx, k)...), 2) })
}

// sortedAt is the index whose element has p others before it; a NaN has all numbers.
func sortedAt(in []array, _ graph.Attrs, idx []int) float64 {
	x := make([]float64, in[0].n(-1))
	for i := range x {
		x[i] = in[0].at(with(idx, i)...)
	}
	for j := range x {
		before := 0
		for i := range x {
			nan, equal := math.IsNaN(x[j]), x[i] == x[j] || math.IsNaN(x[i]) && math.IsNaN(x[j])
			if x[i] > x[j] || nan && !math.IsNaN(x[i]) || equal && i < j {
				before++
			}
		}
		if before == idx[len(idx)-1] {
			return float64(j)
		}
	}
	return -1
}

var definitions = map[*graph.Op]element{
	NegOp:      map1(func(x float64) float64 { return 0 - x }),
	ExpOp:      map1(func(x float64) float64 { return math.Pow(math.E, x) }),
	LogOp:      map1(func(x float64) float64 { return math.Log2(x) * math.Ln2 }),
	SqrtOp:     map1(func(x float64) float64 { return math.Pow(x, 0.5) }),
	RsqrtOp:    map1(func(x float64) float64 { return math.Pow(x, -0.5) }),
	SigmoidOp:  map1(func(x float64) float64 { return 0.5 + 0.5*math.Tanh(x/2) }),
	SiluOp:     map1(func(x float64) float64 { return x * (0.5 + 0.5*math.Tanh(x/2)) }),
	SoftplusOp: map1(func(x float64) float64 { return math.Max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }),
	TanhOp:     map1(func(x float64) float64 { return 1 - 2/(math.Exp(2*x)+1) }),
	ReluOp:     map1(func(x float64) float64 { return (x + math.Abs(x)) / 2 }),
	AddOp:      map2(func(a, b float64) float64 { return b + a }),
	SubOp:      map2(func(a, b float64) float64 { return -(b - a) }),
	MulOp:      map2(func(a, b float64) float64 { return b * a }),
	DivOp:      map2(func(a, b float64) float64 { return 1 / (b / a) }),
	MaxOp:      map2(math.Max),
	MinOp:      map2(math.Min),
	ScaleOp: func(in []array, a graph.Attrs, idx []int) float64 {
		return in[0].at(idx...) * float64(a.(ScalarAttrs).S)
	},
	AddScalarOp: func(in []array, a graph.Attrs, idx []int) float64 {
		return in[0].at(idx...) + float64(a.(ScalarAttrs).S)
	},
	ClampOp: func(in []array, a graph.Attrs, idx []int) float64 {
		c := a.(ClampAttrs)
		switch x := in[0].at(idx...); {
		case x < float64(c.Lo):
			return float64(c.Lo)
		case x > float64(c.Hi):
			return float64(c.Hi)
		default:
			return x
		}
	},
	MatMulOp: func(in []array, _ graph.Attrs, idx []int) float64 {
		m, n := idx[len(idx)-2], idx[len(idx)-1]
		return total(in[0].n(-1), func(k int) float64 { return in[0].at(with(idx, m, k)...) * in[1].at(with(idx, n, k)...) })
	},
	ExpertMatMulOp: func(in []array, _ graph.Attrs, idx []int) float64 {
		t, u, n := idx[0], idx[1], idx[2]
		e := int(in[2].at(t, u))
		return total(in[0].n(-1), func(k int) float64 { return in[0].at(t, u, k) * in[1].at(e, n, k) })
	},
	SumLastOp: func(in []array, _ graph.Attrs, idx []int) float64 {
		return total(in[0].n(-1), func(k int) float64 { return in[0].at(with(idx, k)...) })
	},
	MeanLastOp: func(in []array, _ graph.Attrs, idx []int) float64 {
		return total(in[0].n(-1), func(k int) float64 { return in[0].at(with(idx, k)...) / float64(in[0].n(-1)) })
	},
	MaxLastOp: func(in []array, _ graph.Attrs, idx []int) float64 {
		m := math.Inf(-1)
		for k := range in[0].n(-1) {
			m = math.Max(m, in[0].at(with(idx, k)...))
		}
		return m
	},
	CumSumOp: func(in []array, _ graph.Attrs, idx []int) float64 {
		return total(idx[len(idx)-1]+1, func(k int) float64 { return in[0].at(with(idx, k)...) })
	},
	SoftmaxOp: func(in []array, _ graph.Attrs, idx []int) float64 {
		if math.IsInf(in[0].at(idx...), -1) {
			return 0
		}
		return 1 / total(in[0].n(-1), func(k int) float64 { return math.Exp(in[0].at(with(idx, k)...) - in[0].at(idx...)) })
	},
	RMSNormOp: func(in []array, a graph.Attrs, idx []int) float64 {
		return in[0].at(idx...) * math.Pow(squares(in[0], idx)/float64(in[0].n(-1))+float64(a.(RMSNormAttrs).Eps), -0.5)
	},
	L2NormOp: func(in []array, a graph.Attrs, idx []int) float64 {
		eps, sum := float64(a.(L2NormAttrs).Eps), squares(in[0], idx)
		if a.(L2NormAttrs).Mode == L2Max {
			return in[0].at(idx...) / math.Max(eps, math.Sqrt(sum))
		}
		return in[0].at(idx...) / math.Sqrt(eps+sum)
	},
	TriOp: func(in []array, a graph.Attrs, idx []int) float64 {
		r, c := idx[len(idx)-2], idx[len(idx)-1]
		if map[TriKind]bool{Lower: !(c > r), StrictLower: r > c, Upper: !(r > c), StrictUpper: c > r}[a.(TriAttrs).Kind] {
			return in[0].at(idx...)
		}
		return 0
	},
	DiagOp: func(in []array, _ graph.Attrs, idx []int) float64 {
		if idx[len(idx)-1] == idx[len(idx)-2] {
			return in[0].at(idx[:len(idx)-1]...)
		}
		return 0
	},
	PadOp: func(in []array, a graph.Attrs, idx []int) float64 {
		if axis := a.(PadAttrs).Axis; idx[axis] >= in[0].n(axis) {
			return 0
		}
		return in[0].at(idx...)
	},
	ConcatOp: func(in []array, a graph.Attrs, idx []int) float64 {
		axis := a.(ConcatAttrs).Axis
		idx = append([]int(nil), idx...)
		for _, x := range in {
			if idx[axis] < x.n(axis) {
				return x.at(idx...)
			}
			idx[axis] -= x.n(axis)
		}
		return math.NaN()
	},
	ReshapeOp: func(in []array, a graph.Attrs, idx []int) float64 {
		n := 0
		for i, d := range a.(ReshapeAttrs).Dims.Slice() {
			n = n*d + idx[i]
		}
		return in[0].x[n]
	},
	PermuteOp: func(in []array, a graph.Attrs, idx []int) float64 {
		from := make([]int, len(idx))
		for i, p := range a.(PermuteAttrs).Perm.Slice() {
			from[p] = idx[i]
		}
		return in[0].at(from...)
	},
	SliceOp: func(in []array, a graph.Attrs, idx []int) float64 {
		idx = append([]int(nil), idx...)
		idx[a.(SliceAttrs).Axis] += a.(SliceAttrs).Start
		return in[0].at(idx...)
	},
	BroadcastOp: map1(func(x float64) float64 { return x }),
	ContOp:      map1(func(x float64) float64 { return x }),
	RepeatOp: func(in []array, a graph.Attrs, idx []int) float64 {
		r := a.(RepeatAttrs)
		idx = append([]int(nil), idx...)
		if r.Mode == RepeatTiled {
			idx[r.Axis] %= in[0].n(r.Axis)
		} else {
			idx[r.Axis] /= r.N
		}
		return in[0].at(idx...)
	},
	RowsOp: func(in []array, _ graph.Attrs, idx []int) float64 {
		i := len(in[1].dims)
		return in[0].at(append([]int{int(in[1].at(idx[:i]...))}, idx[i:]...)...)
	},
	ScatterRowsOp: func(in []array, _ graph.Attrs, idx []int) float64 {
		row := in[2].x
		size := len(row) / len(in[1].x)
		at := 0
		for i := 1; i < len(idx); i++ {
			at = at*in[0].dims[i] + idx[i]
		}
		for i, r := range in[1].x {
			if int(r) == idx[0] {
				return row[i*size+at]
			}
		}
		return in[0].at(idx...)
	},
	ArgSortOp: sortedAt,
	TopKOp:    sortedAt,
	GatherLastOp: func(in []array, _ graph.Attrs, idx []int) float64 {
		return in[0].at(with(idx, int(in[1].at(idx...)))...)
	},
	RopeOp: func(in []array, a graph.Attrs, idx []int) float64 {
		r := a.(RopeAttrs)
		b, t, h, i := idx[0], idx[1], idx[2], idx[3]
		if i >= r.Dims {
			return in[0].at(idx...)
		}
		j, other, sign := i, i+r.Dims/2, -1.0 // the pair, the partner, the sign of its part
		switch {
		case r.Mode == Normal && i%2 == 0:
			j, other = i/2, i+1
		case r.Mode == Normal:
			j, other, sign = i/2, i-1, 1
		case i >= r.Dims/2:
			j, other, sign = i-r.Dims/2, i-r.Dims/2, 1
		}
		stream := 0
		if r.Mode == IMRope {
			s := r.Sections.Slice()
			n := j % (s[0] + s[1] + s[2] + s[3])
			stream = 3
			for k := range 3 {
				if n%3 == k && n < 3*s[k] {
					stream = k
				}
			}
		}
		var p float64
		if len(in[1].dims) == 3 {
			p = in[1].at(b, t, stream)
		} else if stream < 3 {
			p = in[1].at(b, t)
		}
		angle := p * math.Exp(-float64(j)*2/float64(r.Dims)*math.Log(float64(r.Base)))
		return in[0].at(idx...)*math.Cos(angle) + sign*in[0].at(b, t, h, other)*math.Sin(angle)
	},
	CausalConvOp: func(in []array, _ graph.Attrs, idx []int) float64 {
		return total(in[1].n(1), func(p int) float64 { return in[0].at(idx[0], idx[1]+p, idx[2]) * in[1].at(idx[2], p) })
	},
	CausalMaskOp: func(in []array, _ graph.Attrs, idx []int) float64 {
		if float64(idx[2]) > in[0].at(idx[0], idx[1]) {
			return math.Inf(-1)
		}
		return 0
	},
	RecallOp: func(in []array, _ graph.Attrs, idx []int) float64 {
		if x := in[0].at(idx...); x >= 0 {
			return x
		}
		return in[1].at(int(in[2].at(idx...)))
	},
	PickOp: definePick,
	// The result is checked instead: a x = b.
	SolveTriOp: nil,
}

// definePick finds the token at which the shares of the kept ones, summed up, pass the
// random number.
func definePick(in []array, _ graph.Attrs, idx []int) float64 {
	b := idx[0]
	bits := func(i int) uint64 {
		return uint64(uint32(int32(in[2].at(b, i)))) | uint64(uint32(int32(in[2].at(b, i+1))))<<32
	}
	topK, random := int(in[2].at(b, 0)), float64(bits(1)>>11)/(1<<53)
	temperature, topP, minP := math.Float64frombits(bits(3)), math.Float64frombits(bits(5)), math.Float64frombits(bits(7))
	var kept []int
	for j := range in[0].n(1) {
		if v := in[0].at(b, j); !math.IsNaN(v) && !math.IsInf(v, 0) {
			kept = append(kept, j)
		}
	}
	if len(kept) == 0 {
		return -1
	}
	first := kept[0]
	kept = kept[:min(topK, len(kept))]
	share := func(j int, t float64) float64 { return math.Exp((in[0].at(b, j) - in[0].at(b, first)) / t) }
	if temperature == 0 {
		return in[1].at(b, first)
	}
	sum := total(len(kept), func(i int) float64 { return share(kept[i], 1) })
	if have := 0.0; topP > 0 {
		for i, j := range kept {
			if have += share(j, 1); have >= topP*sum {
				kept = kept[:i+1]
				break
			}
		}
	}
	for i, j := range kept {
		if share(j, 1) < minP {
			kept = kept[:i]
			break
		}
	}
	sum = total(len(kept), func(i int) float64 { return share(kept[i], temperature) })
	have := 0.0
	for _, j := range kept {
		if have += share(j, temperature); have > random*sum {
			return in[1].at(b, j)
		}
	}
	return math.NaN()
}

// TestDefinitions holds each element of each case against the op's definition.
func TestDefinitions(t *testing.T) {
	eachCase(t, nil, func(t *testing.T, op *graph.Op, c graph.Case, args []graph.Tensor) {
		define, ok := definitions[op]
		if _, ok := c.Attrs.(CoarseAttrs); ok || op == GatedDeltaNetOp { // the body is the definition
			return
		}
		if !ok {
			t.Fatal("no definition to test against")
		}
		n := caseNode(t, op, c)
		out := results(n)
		if err := EvalNode(n, args, out); err != nil {
			t.Fatal(err)
		}
		in := make([]array, len(args))
		for i, x := range args {
			in[i] = arrayOf(t, x)
		}
		y := arrayOf(t, out[0])
		if op == SolveTriOp {
			define = func(in []array, _ graph.Attrs, idx []int) float64 {
				r, m := idx[len(idx)-2], idx[len(idx)-1]
				rest := total(r, func(k int) float64 { return in[0].at(with(idx, r, k)...) * y.at(with(idx, k, m)...) })
				return (in[1].at(idx...) - rest) / in[0].at(with(idx, r, r)...)
			}
		}
		idx := make([]int, len(y.dims))
		for i, got := range y.x {
			for axis, rest := len(idx)-1, i; axis >= 0; axis-- {
				idx[axis], rest = rest%y.dims[axis], rest/y.dims[axis]
			}
			want := define(in, c.Attrs, idx)
			limit := 6e-8*math.Abs(want) + 1e-12
			switch {
			case op == SolveTriOp:
				limit = 1e-6 // the x put in are rounded
			case out[0].Shape.DType == graph.F16:
				limit = 0x1p-11*math.Abs(want) + 0x1p-25 // half a step
			}
			if !(math.Abs(got-want) <= limit) && got != want {
				t.Fatalf("element %v is %v, want %v", idx, got, want)
			}
		}
	})
}

// TestDecompose holds the decomposition of an op against its own Eval.
func TestDecompose(t *testing.T) {
	eachCase(t, nil, func(t *testing.T, op *graph.Op, c graph.Case, in []graph.Tensor) {
		if op.Eval == nil || op.Decompose == nil {
			return
		}
		n := caseNode(t, op, c)
		want, got := results(n), results(n)
		if err := EvalNode(n, in, want); err != nil {
			t.Fatal(err)
		}
		if err := evalDecomposed(n, in, got, optionsOf(nil)); err != nil {
			t.Fatal(err)
		}
		for i := range want {
			var diff, norm float64
			for j, w := range want[i].F {
				diff += math.Pow(float64(got[i].F[j]-w), 2)
				norm += math.Pow(float64(w), 2)
			}
			if !(diff <= 1e-10*norm) {
				t.Errorf("result %d: NMSE %g", i, diff/norm)
			}
		}
	})
}

func TestSpecialValues(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name    string
		op      *graph.Op
		attrs   graph.Attrs
		x, want []float32
	}{
		{"softplus has no overflow", SoftplusOp, nil, []float32{-200, 0, 20, 21, 200, inf}, []float32{0, math.Ln2, 20, 21, 200, inf}},
		{"silu of far left", SiluOp, nil, []float32{-1000, -inf, inf}, []float32{0, 0, inf}},
		{"sigmoid of far ends", SigmoidOp, nil, []float32{-1000, 1000}, []float32{0, 1}},
		{"softmax of large scores", SoftmaxOp, nil, []float32{1e4, 1e4 - 1000, -inf, 1e4}, []float32{0.5, 0, 0, 0.5}},
		{"softmax of a masked row", SoftmaxOp, nil, []float32{-inf, -inf}, []float32{nan, nan}},
		{"max keeps NaN", MaxLastOp, nil, []float32{1, nan, 3}, []float32{nan}},
		{"norm of zeros", RMSNormOp, RMSNormAttrs{1e-6}, []float32{0, 0}, []float32{0, 0}},
		{"l2 sum of zeros", L2NormOp, L2NormAttrs{L2Sum, 1e-6}, []float32{0, 0}, []float32{0, 0}},
		{"l2 max of zeros", L2NormOp, L2NormAttrs{L2Max, 1e-6}, []float32{0, 0}, []float32{0, 0}},
		{"the sum is not in f32", SumLastOp, nil, []float32{1e9, 1, -1e9}, []float32{1}},
		{"an exact running sum", CumSumOp, nil, []float32{1e9, 1, -1e9}, []float32{1e9, 1e9, 1}},
		{"clamp has open ends", ClampOp, ClampAttrs{0, inf}, []float32{-1, 5}, []float32{0, 5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := caseNode(t, c.op, graph.Case{In: shapes(f32(len(c.x))), Attrs: c.attrs})
			out := results(n)
			if err := EvalNode(n, []graph.Tensor{{Shape: f32(len(c.x)), F: c.x}}, out); err != nil {
				t.Fatal(err)
			}
			for i, want := range c.want {
				if got := out[0].F[i]; got != want && !(isNaN(got) && isNaN(want)) {
					t.Errorf("element %d is %v, want %v", i, got, want)
				}
			}
		})
	}
}

func TestArgSortPutsNaNLast(t *testing.T) {
	nan := float32(math.NaN())
	x := graph.Tensor{Shape: f32(5), F: []float32{nan, 1, nan, float32(math.Inf(-1)), 2}}
	n := caseNode(t, ArgSortOp, graph.Case{In: shapes(x.Shape)})
	out := results(n)
	if err := EvalNode(n, []graph.Tensor{x}, out); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int32{4, 1, 3, 0, 2} {
		if out[0].I[i] != want {
			t.Fatalf("%v", out[0].I)
		}
	}
}
