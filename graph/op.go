package graph

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"

	"github.com/deltaloom/deltaloom/graph/index"
)

// Attrs is the value of an op's attribute struct, one comparable type an op.
type Attrs any

// AttrsOf returns a as the attribute struct T; the builder has checked the type.
func AttrsOf[T any](a Attrs) T { return a.(T) }

// Alias says that result Result may take the memory of operand Operand.
type Alias struct{ Result, Operand int }

// Op is what is known of one operation. One file fills one literal.
type Op struct {
	Name  string
	Doc   string // the formula with its shapes, and where it comes from
	Attrs Attrs  // zero value of the attribute struct; nil for none
	Arity int    // number of operands; -n for n or more

	Commutative bool    // the two operands may be swapped
	View        bool    // result 0 is operand 0 seen through other indices: no data moves
	InPlace     []Alias // results that a plan may write over an operand

	// Axes names the axes along which the op computes. Along every other axis
	// it does the same thing at each index, with operands of extent 1 (or of
	// lower rank) broadcast, so those axes may be merged, split and permuted.
	// rest is the attributes without the axis numbers. A nil Axes says that
	// every axis matters.
	Axes func(a Attrs, rank int) (axes []int, rest Attrs)
	// Contract marks the sum of products over the last axis of both operands
	// (see ops.MatMul): each index of the result stands for itself.
	Contract bool
	// Back turns an index of the result into the index of operand 0, for ops
	// that only copy elements: the matcher looks through them. It reports
	// false where the map has no such form.
	Back func(m *index.Map, side index.Side, a Attrs, in, out Shape) bool

	// Infer returns the shapes of the results, or why the operands are wrong.
	Infer func(in []Shape, a Attrs) ([]Shape, error)
	// Eval is the meaning of the op: slow, accumulating in float64. The
	// results are allocated and of the inferred shapes.
	Eval func(in []Tensor, a Attrs, out []Tensor)
	// Decompose gives the same results in plainer ops; nil for a primitive.
	Decompose func(in []Value, a Attrs) []Value
	// Cases are the shapes and attributes every backend is tested with.
	Cases func(yield func(Case) bool)
}

// Pointwise is the Axes of ops that compute each element by itself.
func Pointwise(a Attrs, _ int) ([]int, Attrs) { return nil, a }

// LastAxes returns the Axes of an op that works along the last n axes.
func LastAxes(n int) func(Attrs, int) ([]int, Attrs) {
	return func(a Attrs, rank int) ([]int, Attrs) {
		var axes []int
		for i := max(0, rank-n); i < rank; i++ {
			axes = append(axes, i)
		}
		return axes, a
	}
}

// Case is one test of an op.
type Case struct {
	Name  string
	In    []Shape
	Attrs Attrs
	// Fill sets operand i; nil draws normal numbers of deviation 1/2 and, for
	// I32, zeros.
	Fill func(i int, t Tensor, r *rand.Rand)
	NMSE float64 // limit against Eval; 0 stands for 1e-7
}

// Tensor is dense memory with a shape: F holds F32, I holds I32, Raw every
// other type as it lies in a file.
type Tensor struct {
	Shape Shape
	F     []float32
	I     []int32
	Raw   []byte
}

// NewTensor returns a zeroed tensor.
func NewTensor(s Shape) Tensor {
	t := Tensor{Shape: s}
	switch s.DType {
	case F32:
		t.F = make([]float32, s.Len())
	case I32:
		t.I = make([]int32, s.Len())
	default:
		t.Raw = make([]byte, s.Bytes())
	}
	return t
}

// Check says whether the memory fits the shape.
func (t Tensor) Check() error {
	switch n := t.Shape.Len(); {
	case !t.Shape.Valid():
		return fmt.Errorf("a tensor without a valid shape")
	case t.Shape.DType == F32 && len(t.F) != n:
		return fmt.Errorf("%v with %d values", t.Shape, len(t.F))
	case t.Shape.DType == I32 && len(t.I) != n:
		return fmt.Errorf("%v with %d values", t.Shape, len(t.I))
	case t.Shape.DType != F32 && t.Shape.DType != I32 && int64(len(t.Raw)) != t.Shape.Bytes():
		return fmt.Errorf("%v with %d bytes, want %d", t.Shape, len(t.Raw), t.Shape.Bytes())
	}
	return nil
}

var registry = struct {
	sync.RWMutex
	ops map[string]*Op
}{ops: map[string]*Op{}}

// Register makes op known to the parser by its name. It is meant for package
// variables and panics on a definition that no graph could use: a name taken,
// no Infer, attributes that cannot be compared or have no text form.
func Register(op *Op) *Op {
	registry.Lock()
	defer registry.Unlock()
	switch {
	case op.Name == "" || registry.ops[op.Name] != nil:
		panic(fmt.Sprintf("graph: op %q registered twice or without a name", op.Name))
	case op.Infer == nil:
		panic(fmt.Sprintf("graph: op %q has no Infer", op.Name))
	}
	if op.Attrs != nil {
		if err := checkAttrs(reflect.TypeOf(op.Attrs)); err != nil {
			panic(fmt.Sprintf("graph: attributes of op %q: %v", op.Name, err))
		}
	}
	registry.ops[op.Name] = op
	return op
}

// Lookup returns the registered op of that name, or nil.
func Lookup(name string) *Op {
	registry.RLock()
	defer registry.RUnlock()
	return registry.ops[name]
}

// Ops returns every registered op, by name.
func Ops() []*Op {
	registry.RLock()
	defer registry.RUnlock()
	all := make([]*Op, 0, len(registry.ops))
	for _, op := range registry.ops {
		all = append(all, op)
	}
	slices.SortFunc(all, func(a, b *Op) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all
}
