// Package graph is the intermediate representation: an immutable, interned
// dataflow graph with typed attributes, views as ops and states as values.
package graph

import "fmt"

// Output is a named result.
type Output struct {
	Name  string
	Value Value
}

// StateNext pairs a state with its value at the following run.
type StateNext struct{ State, Next Value }

// Graph is a set of results and everything they need. It never changes.
type Graph struct {
	b       *Builder
	nodes   []*Node
	outputs []Output
	states  []StateNext
}

func newGraph(b *Builder, outputs []Output, states []StateNext) *Graph {
	g := &Graph{b: b, outputs: outputs, states: states}
	need := make([]bool, len(b.nodes))
	for _, o := range outputs {
		need[o.Value.n.id] = true
	}
	for _, s := range states {
		need[s.State.n.id], need[s.Next.n.id] = true, true
	}
	count := 0
	for id := len(b.nodes) - 1; id >= 0; id-- { // operands have smaller IDs
		if need[id] {
			count++
			for _, v := range b.nodes[id].in {
				need[v.n.id] = true
			}
		}
	}
	g.nodes = make([]*Node, 0, count)
	for id, n := range b.nodes {
		if need[id] {
			g.nodes = append(g.nodes, n)
		}
	}
	return g
}

// Builder returns the builder that holds the nodes. Nodes added to it do not
// change the graph.
func (g *Graph) Builder() *Builder { return g.b }

// Nodes returns the nodes, operands before users. The slice is not to be changed.
func (g *Graph) Nodes() []*Node { return g.nodes }

// Outputs returns the named results. The slice is not to be changed.
func (g *Graph) Outputs() []Output { return g.outputs }

// States returns the states that have a next value. The slice is not to be changed.
func (g *Graph) States() []StateNext { return g.states }

// MaxID is larger than every node's ID: the length of a slice indexed by them.
func (g *Graph) MaxID() int { return len(g.b.nodes) }

// Use is one operand of a node.
type Use struct {
	Node    *Node
	Operand int
}

// Uses says who reads each node of a graph.
type Uses struct {
	start []int32 // by node ID: where its readers begin
	all   []Use
}

// Of returns the readers of n, in the order of the graph.
func (u Uses) Of(n *Node) []Use { return u.all[u.start[n.id]:u.start[n.id+1]] }

// Uses returns who reads each node of the graph.
func (g *Graph) Uses() Uses {
	u := Uses{start: make([]int32, g.MaxID()+2)}
	total := 0
	for _, n := range g.nodes {
		for _, v := range n.in {
			u.start[v.n.id+2]++
			total++
		}
	}
	for i := 2; i < len(u.start); i++ {
		u.start[i] += u.start[i-1]
	}
	u.all = make([]Use, total)
	for _, n := range g.nodes {
		for i, v := range n.in {
			u.all[u.start[v.n.id+1]] = Use{n, i}
			u.start[v.n.id+1]++
		}
	}
	return u
}

// Verify checks what every pass must keep: operands before users, shapes as the
// ops infer them, one writer a state and a next value of the state's shape.
func (g *Graph) Verify() error {
	seen := make([]bool, g.MaxID())
	for _, n := range g.nodes {
		shapes := make([]Shape, len(n.in))
		for i, v := range n.in {
			if !seen[v.n.id] {
				return fmt.Errorf("%s: operand %d comes after its user", Label(n), i)
			}
			shapes[i] = v.Shape()
		}
		seen[n.id] = true
		out, err := n.op.Infer(shapes, n.attrs)
		if err != nil {
			return fmt.Errorf("%s: %w", Label(n), err)
		}
		if len(out) != len(n.out) {
			return fmt.Errorf("%s: %d results, inferred %d", Label(n), len(n.out), len(out))
		}
		for i := range out {
			if out[i] != n.out[i] {
				return fmt.Errorf("%s: result %d is %v, inferred %v", Label(n), i, n.out[i], out[i])
			}
		}
	}
	written := map[Value]bool{}
	for _, s := range g.states {
		switch {
		case written[s.State]:
			return fmt.Errorf("state %q has two writers", s.State.n.Name())
		case s.State.Shape() != s.Next.Shape():
			return fmt.Errorf("state %q is %v, its next value %v", s.State.n.Name(), s.State.Shape(), s.Next.Shape())
		}
		written[s.State] = true
	}
	return nil
}

// Label names a node in messages: its scope and op, or a leaf's name.
func Label(n *Node) string {
	switch {
	case n == nil || n.op == nil:
		return "no node"
	case n.Name() != "":
		return fmt.Sprintf("%s %q", n.op.Name, n.Name())
	case n.scope != "":
		return n.scope + ": " + n.op.Name
	}
	return n.op.Name
}
