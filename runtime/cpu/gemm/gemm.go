// Package gemm multiplies activations with rows of weights that stay as they lie
// in a file.
package gemm

import (
	"fmt"
	"unsafe"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/quant"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
)

// Kind is a form of prepared activations.
type Kind uint8

const (
	Float Kind = iota // as they are
	Int8              // blocks of 32 with a scale
)

// Product is y[i][r] = Σ_k x[i][k]·W[r][k] for one type of weight.
type Product struct {
	t    graph.DType
	k    int
	size int // bytes of a row of W
	vec  *vec.Funcs
}

func New(set isa.Set, t graph.DType, k int) (*Product, error) {
	s := graph.ShapeOf(t, 1, k)
	if !s.Valid() {
		return nil, fmt.Errorf("rows of %d elements of %v", k, t)
	}
	return &Product{t, k, int(s.Bytes()), vec.For(set)}, nil
}

func (p *Product) Kind() Kind { return Float }

func ActBytes(kind Kind, k int) int { return (k*4 + 63) &^ 63 }

func Prepare(set isa.Set, kind Kind, dst []byte, x []float32) {
	copy(unsafe.Slice((*float32)(unsafe.Pointer(&dst[0])), len(x)), x)
}

func (p *Product) Rows(y []float32, ldy int, w []byte, acts []byte, m, lo, hi int) {
	row := make([]float32, p.k)
	size := ActBytes(Float, p.k)
	for r := lo; r < hi; r++ {
		if err := quant.Unpack(p.t, row, w[r*p.size:(r+1)*p.size]); err != nil {
			panic(err)
		}
		for i := range m {
			x := unsafe.Slice((*float32)(unsafe.Pointer(&acts[i*size])), p.k)
			y[i*ldy+r] = p.vec.Dot(x, row)
		}
	}
}
