// Package gorgonia joins this module with gorgonia.org: tensors pass both ways
// without copies, graphs run on them, and Gorgonia's own machine computes the
// gated delta rule as a second opinion.
//
// Nothing else in the module imports it, so that only programs that use it carry
// Gorgonia with them. Gorgonia panics where this module returns errors; the
// functions here do the latter.
package gorgonia

import (
	"fmt"

	"gorgonia.org/tensor"

	"github.com/deltaloom/deltaloom/graph"
)

// FromDense returns d as a tensor of this module over the same memory. It takes
// float32 and int32 in row-major order without gaps; what is not of that form,
// such as a transposed tensor or a slice of columns, is to be materialised first.
func FromDense(d *tensor.Dense) (t graph.Tensor, err error) {
	defer recovered(&err)
	if d == nil {
		return t, fmt.Errorf("no tensor")
	}
	dims := []int(d.Shape())
	if err := graph.CheckDims(dims); err != nil {
		return t, err
	}
	switch {
	case d.IsMasked():
		return t, fmt.Errorf("a masked tensor %v cannot be shared", d.Shape())
	case !d.IsNativelyAccessible():
		return t, fmt.Errorf("the memory of %v is not the host's", d.Shape())
	case !rowMajor(dims, d.Strides()):
		return t, fmt.Errorf("a tensor %v with strides %v cannot be shared: materialise it", d.Shape(), d.Strides())
	}
	switch d.Dtype() {
	case tensor.Float32:
		t = graph.Tensor{Shape: graph.ShapeOf(graph.F32, dims...), F: d.Float32s()}
	case tensor.Int32:
		t = graph.Tensor{Shape: graph.ShapeOf(graph.I32, dims...), I: d.Int32s()}
	default:
		return t, fmt.Errorf("elements of type %v: want float32 or int32", d.Dtype())
	}
	return t, t.Check()
}

// rowMajor reports dense memory in the order of the axes, the last one fastest.
func rowMajor(dims, strides []int) bool {
	if len(dims) != len(strides) {
		return false
	}
	want := 1
	for i := len(dims) - 1; i >= 0; i-- {
		if dims[i] > 1 && strides[i] != want {
			return false
		}
		want *= dims[i]
	}
	return true
}

// ToDense returns t as a tensor of Gorgonia over the same memory. It takes f32
// and i32; the block formats have no like there.
func ToDense(t graph.Tensor) (d *tensor.Dense, err error) {
	defer recovered(&err)
	if err := t.Check(); err != nil {
		return nil, err
	}
	var backing any = t.F
	switch t.Shape.DType {
	case graph.F32:
	case graph.I32:
		backing = t.I
	default:
		return nil, fmt.Errorf("%v: only f32 and i32 have a tensor of Gorgonia", t.Shape)
	}
	options := []tensor.ConsOpt{tensor.WithBacking(backing)}
	if dims := t.Shape.Dims(); len(dims) > 0 { // without a shape, one element is a scalar
		options = append(options, tensor.WithShape(dims...))
	}
	return tensor.New(options...), nil
}

// recovered turns a panic into the error of the function that defers it.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("gorgonia: %v", r)
	}
}
