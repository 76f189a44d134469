package graph

import "fmt"

// LeafAttrs identifies an input, weight or state.
type LeafAttrs struct {
	Name  string
	Shape Shape
}

// ConstAttrs holds the value of a constant, an f32 scalar.
type ConstAttrs struct{ Value float32 }

func inferLeaf(_ []Shape, a Attrs) ([]Shape, error) {
	l := AttrsOf[LeafAttrs](a)
	if l.Name == "" {
		return nil, fmt.Errorf("a leaf needs a name")
	}
	if e, _ := l.Shape.DType.Block(); l.Shape.Valid() && e > 1 && l.Shape.Dim(-1)%e != 0 {
		return nil, fmt.Errorf("%q: rows of %v are not whole blocks of %d", l.Name, l.Shape, e)
	}
	return []Shape{l.Shape}, nil
}

// The leaves of every graph.
var (
	InputOp  = Register(&Op{Name: "input", Doc: "A tensor given anew at every run.", Attrs: LeafAttrs{}, Infer: inferLeaf})
	WeightOp = Register(&Op{Name: "weight", Doc: "A tensor of the model, by name: its data never enters the graph.", Attrs: LeafAttrs{}, Infer: inferLeaf})
	StateOp  = Register(&Op{Name: "state", Doc: "A tensor kept from run to run; SetState gives its next value.", Attrs: LeafAttrs{}, Infer: inferLeaf})
	ConstOp  = Register(&Op{Name: "const", Doc: "A scalar known when the graph is built: f32[].", Attrs: ConstAttrs{},
		Infer: func([]Shape, Attrs) ([]Shape, error) { return []Shape{ShapeOf(F32)}, nil },
		Eval:  func(_ []Tensor, a Attrs, out []Tensor) { out[0].F[0] = AttrsOf[ConstAttrs](a).Value }})
)

func isLeaf(op *Op) bool { return op == InputOp || op == WeightOp || op == StateOp || op == ConstOp }

// Input declares a tensor that is given anew at every run.
func (b *Builder) Input(name string, s Shape) Value { return b.leaf(InputOp, name, s) }

// Weight declares a tensor of the model.
func (b *Builder) Weight(name string, s Shape) Value { return b.leaf(WeightOp, name, s) }

// State declares a tensor that is kept from run to run.
func (b *Builder) State(name string, s Shape) Value { return b.leaf(StateOp, name, s) }

// Const returns the f32 scalar x.
func (b *Builder) Const(x float32) Value { return b.apply(ConstOp, ConstAttrs{x}, nil).Out(0) }

func (b *Builder) leaf(op *Op, name string, s Shape) Value {
	return b.apply(op, LeafAttrs{name, s}, nil).Out(0)
}

// declare refuses a second leaf of one name.
func (b *Builder) declare(op *Op, l LeafAttrs) error {
	if !l.Shape.Valid() {
		return fmt.Errorf("%q has no valid shape", l.Name)
	}
	had, ok := b.names[l.Name]
	if ok && had != (leafKey{op, l.Shape}) {
		return fmt.Errorf("%q is declared twice: %s %v and %s %v", l.Name, had.op.Name, had.shape, op.Name, l.Shape)
	}
	b.names[l.Name] = leafKey{op, l.Shape}
	return nil
}

type leafKey struct {
	op    *Op
	shape Shape
}
