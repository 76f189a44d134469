package graph

// Node is one application of an op. It never changes, and a builder holds one
// node for any op, attributes and operands: equal pointers are equal values.
type Node struct {
	id     int
	op     *Op
	attrs  Attrs
	in     []Value
	out    []Shape
	scope  string
	b      *Builder
	from   origin
	kind   uint64 // hash of op and attributes
	hash   uint64 // hash of those and the operands
	fixed  bool   // depends on constants alone
	static bool   // depends on constants and weights alone
}

// Value is one result of a node: an edge of the graph. It is comparable.
type Value struct {
	n *Node
	i int
}

// ID numbers the nodes of one builder; operands have smaller numbers.
func (n *Node) ID() int      { return n.id }
func (n *Node) Op() *Op      { return n.op }
func (n *Node) Attrs() Attrs { return n.attrs }

// AttrText gives the attributes as the text form has them: those that are not
// zero, such as "axis=1, n=3", and no graphs.
func (n *Node) AttrText() string { return formatAttrs(n.attrs, nil) }

// Scope is the builder's scope when the node was made, such as blk.3.gdn.
func (n *Node) Scope() string { return n.scope }

// NumIn and In give the operands.
func (n *Node) NumIn() int     { return len(n.in) }
func (n *Node) In(i int) Value { return n.in[i] }

func (n *Node) NumOut() int { return len(n.out) }

// Out returns result i. It is safe on the nil node that a failed Apply gives.
func (n *Node) Out(i int) Value { return Value{n, i} }

// Fixed reports that the node depends on constants alone: no input, no state,
// no weight.
func (n *Node) Fixed() bool { return n.fixed }

// Static reports that the node depends on no input and no state, so that it
// can be computed when a model is loaded.
func (n *Node) Static() bool { return n.static }

// IsLeaf reports an input, weight, state or constant.
func (n *Node) IsLeaf() bool { return isLeaf(n.op) }

// IsCompute reports a node that computes when the graph runs: neither a view,
// nor a leaf, nor a constant expression.
func (n *Node) IsCompute() bool { return !n.op.View && !n.static && !n.IsLeaf() }

// Name returns the name of an input, weight or state, and "" otherwise.
func (n *Node) Name() string {
	if a, ok := n.attrs.(LeafAttrs); ok {
		return a.Name
	}
	return ""
}

// Node returns the node the value comes from, nil for the zero Value.
func (v Value) Node() *Node { return v.n }

// Index says which result of its node the value is.
func (v Value) Index() int { return v.i }

// Shape returns the shape, the invalid one where building has failed.
func (v Value) Shape() Shape {
	if v.n == nil || v.i < 0 || v.i >= len(v.n.out) {
		return Shape{}
	}
	return v.n.out[v.i]
}

// Builder returns the builder the value belongs to, nil for the zero Value.
func (v Value) Builder() *Builder {
	if v.n == nil {
		return nil
	}
	return v.n.b
}
