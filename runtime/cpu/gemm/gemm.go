// Package gemm multiplies matrices of weights in GGUF block layout by rows of
// activations.
//
// The weights are read where they lie, usually in a mapped file: nothing is
// repacked. Activations are prepared once a row (see Prepare) and serve every
// product of the same Kind and row length. All functions may run concurrently.
package gemm

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/quant"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
)

// Kind is the form in which a product takes its activations.
type Kind uint8

const (
	Float Kind = iota // float32, for weights that are floating-point numbers
	Int8              // blocks of 32 int8 and a scale, for quantised weights
)

// Product is y[i][r] = Σ_k x[i][k]·W[r][k] for one type of weight, row length
// and instruction set.
type Product struct {
	t        graph.DType
	k        int // elements a row
	rowBytes int // bytes a row of W
	kind     Kind
	kernels  *kernels   // of the type, or those of F32 when rows are unpacked; nil: plain Go
	vec      *vec.Funcs // multiplies unpacked rows where no kernel does
	unpack   bool       // rows are unpacked to F32 before they are multiplied
	panel    *panelType // for many rows of activations; nil: as few
}

// New returns the product of weights of type t and k elements a row. A type that
// the set has no kernel for is unpacked row by row to F32. A type that is no type
// of weights, or a k that is no whole number of its blocks, gives an error that
// wraps errors.ErrUnsupported.
func New(set isa.Set, t graph.DType, k int) (*Product, error) {
	block, size := t.Block()
	if t == graph.I32 || size == 0 {
		return nil, fmt.Errorf("matrix product with weights of %v: %w", t, errors.ErrUnsupported)
	}
	if k <= 0 || k%block != 0 {
		return nil, fmt.Errorf("matrix product with rows of %d %v: %w: not a whole number of blocks of %d", k, t, errors.ErrUnsupported, block)
	}
	if err := quant.Unpack(t, make([]float32, block), make([]byte, size)); err != nil {
		return nil, fmt.Errorf("matrix product: %w", err)
	}
	p := &Product{t: t, k: k, rowBytes: k / block * size, vec: vec.For(set)}
	if block > 1 {
		p.kind = Int8
	}
	p.panel = panelOf(set, t)
	if p.kernels = kernelsOf(set, t); p.kernels == nil {
		p.kernels, p.unpack = kernelsOf(set, graph.F32), true
	}
	return p, nil
}

// Kind returns the form in which the product takes its activations: products of
// equal kind and k share prepared activations.
func (p *Product) Kind() Kind { return p.kind }

// Rows writes y[i*ldy+r] for 0 ≤ i < m and lo ≤ r < hi. acts are m consecutive
// prepared rows of activations and w holds all rows of W; w needs no alignment and
// is never read past its end. Lengths that do not fit panic as an index out of
// range does. The bits of a result depend on neither lo nor hi.
func (p *Product) Rows(s *Scratch, y []float32, ldy int, w []byte, acts []byte, m, lo, hi int) {
	p.RowsIn(p.Form(1), s, y, ldy, w, nil, acts, m, lo, hi)
}

// RowsIn is Rows for activations in a form: that of Rows, or Form(m). next are weights
// that will be wanted next: they may be on their way to a near cache meanwhile.
func (p *Product) RowsIn(f Form, s *Scratch, y []float32, ldy int, w, next []byte, acts []byte, m, lo, hi int) {
	if m <= 0 || hi <= lo {
		return
	}
	// The third index keeps the slices within the lengths, not the capacities.
	acts = acts[:f.Bytes(m):len(acts)]
	w = w[lo*p.rowBytes : hi*p.rowBytes : len(w)]
	y = y[lo : (m-1)*ldy+hi : len(y)]
	switch {
	case p.panel != nil && m >= p.panel.min:
		if many := p.Form(m); f != many {
			acts = many.tilesOf(s, acts, m)
		}
		p.panels(s, y, ldy, w, next, acts, m, hi-lo)
	case p.unpack:
		p.unpacked(s, y, ldy, w, acts, m, hi-lo)
	case m == 1 || len(acts) <= nearBytes:
		p.stream(s, y, ldy, w, acts, m, hi-lo)
	default:
		p.matrix(s, y, ldy, w, acts, m, hi-lo)
	}
}

// RowsAtOnce returns how many rows of W meet m rows of activations before the next ones
// do, or 0.
func (p *Product) RowsAtOnce(m int) int {
	if p.panel == nil || m < p.panel.min {
		return 0
	}
	return p.panel.panels * p.panel.rows
}

// Scratch is memory that a call of Rows works in and leaves to the next one; the zero
// value is ready to use. It serves one call at a time.
type Scratch struct {
	tile tile
	row  []float32 // one unpacked row of W
	acts []float32 // activations of kind Float

	sums16 []byte // see kernels.sums

	parts  parts
	floats []byte // rows of W of floating-point numbers
	panel  []byte
	tiles  []byte
	sums   []float32
}

// grow returns a slice of n elements, *s where that is long enough.
func grow[T any](s *[]T, n int) []T {
	if cap(*s) < n {
		*s = make([]T, n)
	}
	return (*s)[:n]
}

// floats returns the float32 values that the bytes are.
func floats(b []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}
