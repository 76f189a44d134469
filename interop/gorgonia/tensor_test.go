package gorgonia_test

import (
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/interop/gorgonia"
)

func floats(n int) []float32 {
	f := make([]float32, n)
	for i := range f {
		f[i] = float32(i) + 0.5
	}
	return f
}

func dense(t *testing.T, dims ...int) *tensor.Dense {
	t.Helper()
	n := 1
	for _, d := range dims {
		n *= d
	}
	return tensor.New(tensor.WithShape(dims...), tensor.WithBacking(floats(n)))
}

// slice is Dense.Slice; nil stands for a whole axis.
func slice(t *testing.T, d *tensor.Dense, s ...tensor.Slice) *tensor.Dense {
	t.Helper()
	v, err := d.Slice(s...)
	if err != nil {
		t.Fatal(err)
	}
	return v.(*tensor.Dense)
}

func TestShared(t *testing.T) {
	for _, dims := range [][]int{{}, {1}, {5}, {1, 1, 1}, {2, 3}, {1, 4}, {4, 1}, {2, 1, 3}, {2, 1, 2, 1, 2, 3}} {
		shape := graph.ShapeOf(graph.F32, dims...)
		x := graph.Tensor{Shape: shape, F: floats(shape.Len())}
		d, err := gorgonia.ToDense(x)
		if err != nil {
			t.Fatal(err)
		}
		if !d.Shape().Eq(tensor.Shape(dims)) || d.Dtype() != tensor.Float32 {
			t.Errorf("%v becomes %v of %v", shape, d.Shape(), d.Dtype())
		}
		y, err := gorgonia.FromDense(d)
		if err != nil {
			t.Fatal(err)
		}
		if y.Shape != shape || len(y.F) != len(x.F) || &y.F[0] != &x.F[0] {
			t.Errorf("%v does not come back: %v", shape, y)
		}
		d.Set(shape.Len()-1, float32(-7))
		if x.F[shape.Len()-1] != -7 {
			t.Errorf("%v: a copy", shape)
		}
	}
	shape := graph.ShapeOf(graph.I32, 2, 2)
	x := graph.Tensor{Shape: shape, I: []int32{1, 2, 3, 4}}
	d, err := gorgonia.ToDense(x)
	if err != nil {
		t.Fatal(err)
	}
	if y, err := gorgonia.FromDense(d); err != nil || y.Shape != shape || &y.I[3] != &x.I[3] {
		t.Errorf("i32 does not come back: %v %v", y, err)
	}
	scalar, err := gorgonia.FromDense(tensor.New(tensor.FromScalar(float32(3))))
	if err != nil || scalar.Shape.Rank() != 0 || scalar.F[0] != 3 {
		t.Error(scalar, err)
	}
}

// Views in order are shared as they are.
func TestSharedViews(t *testing.T) {
	whole := dense(t, 4, 3)
	for name, c := range map[string]struct {
		d     *tensor.Dense
		shape string
		first float32
	}{
		"rows":         {slice(t, whole, tensor.S(1, 3), nil), "f32[2 3]", 3.5},
		"one row":      {slice(t, whole, tensor.S(2), nil), "f32[3]", 6.5},
		"a vector":     {slice(t, dense(t, 9), tensor.S(4, 7)), "f32[3]", 4.5},
		"one element":  {slice(t, whole, tensor.S(3), tensor.S(1)), "f32[]", 10.5},
		"row by T":     {transposed(t, dense(t, 1, 4)), "f32[4 1]", 0.5},
		"T twice":      {transposed(t, transposed(t, dense(t, 2, 3))), "f32[2 3]", 0.5},
		"new order":    {moved(t, dense(t, 2, 3)), "f32[3 2]", 0.5},
		"other extent": {reshaped(t, dense(t, 6), 3, 2), "f32[3 2]", 0.5},
	} {
		x, err := gorgonia.FromDense(c.d)
		if err != nil || x.Shape.String() != c.shape || x.F[0] != c.first {
			t.Errorf("%s: %v %v", name, x, err)
			continue
		}
		if x.F[0] = 99; first(c.d) != 99 {
			t.Errorf("%s: a copy", name)
		}
	}
}

func first(d *tensor.Dense) float32 { return d.Float32s()[0] }

func transposed(t *testing.T, d *tensor.Dense) *tensor.Dense {
	t.Helper()
	if err := d.T(); err != nil {
		t.Fatal(err)
	}
	return d
}

func moved(t *testing.T, d *tensor.Dense) *tensor.Dense {
	t.Helper()
	transposed(t, d)
	if err := d.Transpose(); err != nil {
		t.Fatal(err)
	}
	return d
}

func reshaped(t *testing.T, d *tensor.Dense, dims ...int) *tensor.Dense {
	t.Helper()
	if err := d.Reshape(dims...); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestNotShared(t *testing.T) {
	masked := dense(t, 2, 2)
	masked.ResetMask(false)
	for name, c := range map[string]struct {
		d    *tensor.Dense
		want string
	}{
		"nothing":        {nil, "no tensor"},
		"float64":        {tensor.New(tensor.WithShape(2), tensor.WithBacking([]float64{1, 2})), "elements of type float64: want float32 or int32"},
		"int":            {tensor.New(tensor.WithShape(2), tensor.WithBacking([]int{1, 2})), "elements of type int: want float32 or int32"},
		"float64 scalar": {tensor.New(tensor.FromScalar(2.0)), "elements of type float64: want float32 or int32"},
		"transposed":     {transposed(t, dense(t, 2, 3)), "a tensor (3, 2) with strides [1 3] cannot be shared: materialise it"},
		"columns":        {slice(t, dense(t, 4, 3), nil, tensor.S(0, 2)), "a tensor (4, 2) with strides [3 1] cannot be shared: materialise it"},
		"one column":     {slice(t, dense(t, 4, 3), nil, tensor.S(1)), "a tensor (4) with strides [3] cannot be shared: materialise it"},
		"every second":   {slice(t, dense(t, 8), tensor.S(0, 8, 2)), "cannot be shared: materialise it"},
		"column-major":   {tensor.New(tensor.WithShape(2, 3), tensor.AsFortran(floats(6))), "a tensor (2, 3) with strides [1 2] cannot be shared: materialise it"},
		"masked":         {masked, "a masked tensor (2, 2) cannot be shared"},
		"seven axes":     {dense(t, 1, 1, 1, 1, 1, 1, 1), "rank 7 is more than 6"},
		"zero value":     {new(tensor.Dense), ""},
	} {
		x, err := gorgonia.FromDense(c.d)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v %v, want %s", name, x, err, c.want)
		}
	}
	for _, x := range []graph.Tensor{
		{},
		{Shape: graph.ShapeOf(graph.F32, 2), F: floats(3)},
		graph.NewTensor(graph.ShapeOf(graph.F16, 2)),
		graph.NewTensor(graph.ShapeOf(graph.Q8_0, 2, 32)),
	} {
		if d, err := gorgonia.ToDense(x); err == nil {
			t.Errorf("%v becomes %v", x.Shape, d)
		}
	}
}
