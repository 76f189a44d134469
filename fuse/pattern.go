package fuse

import (
	"fmt"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/graph/index"
)

// P builds one pattern: the formula that a rule looks for, at given sizes, in
// the constructors a model uses.
type P struct {
	b     *graph.Builder
	vars  []graph.Value
	types map[graph.Value]bool          // vars that take any element type
	plain map[graph.Value]bool          // vars that look through views, not through copies
	wild  map[graph.Value][]graph.Attrs // nodes matched whatever their attributes
	kept  []graph.Value                 // nodes that may have other readers
	where []func(*Match) error
	out   []graph.Value
}

// Builder returns the builder of the pattern, for constructors that need one.
func (p *P) Builder() *graph.Builder { return p.b }

// Var is an operand of the pattern: any f32 value whose elements can be named
// by these extents, seen through whatever views stand in between.
func (p *P) Var(name string, dims ...int) graph.Value { return p.typed(graph.F32, name, dims...) }

func (p *P) typed(t graph.DType, name string, dims ...int) graph.Value {
	v := p.b.Input(name, graph.ShapeOf(t, dims...))
	p.vars = append(p.vars, v)
	return v
}

// Pool is a Var that holds a cache, of element type d.Cache.
func (p *P) Pool(name string, d Dims, dims ...int) graph.Value {
	if d.Cache == graph.Invalid {
		d.Cache = graph.F32
	}
	return p.typed(d.Cache, name, dims...)
}

// Weight is a Var that is known when a model is loaded: a weight, or what depends
// on weights alone. Its elements may be of any type, such as those of a quantised
// matrix.
func (p *P) Weight(name string, dims ...int) graph.Value {
	v := p.b.Weight(name, graph.ShapeOf(graph.F32, dims...))
	p.vars = append(p.vars, v)
	p.types[v] = true
	return v
}

// ViewOf is a Var of any element type that looks through views but not through
// copies such as repeat.
func (p *P) ViewOf(name string, dims ...int) graph.Value {
	v := p.Var(name, dims...)
	p.types[v], p.plain[v] = true, true
	return v
}

// AnyAttrs lets the node of v match whatever its attributes are; Attrs reads
// them. The alternatives are further values that the rule claims to handle: each
// is proved, so that no claim goes untested.
func (p *P) AnyAttrs(v graph.Value, alternatives ...graph.Attrs) graph.Value {
	p.wild[v] = append(p.wild[v], alternatives...)
	return v
}

// Keep lets the node of v have readers outside the match. It stays for them; the
// replacement no longer needs it.
func (p *P) Keep(v graph.Value) graph.Value {
	p.kept = append(p.kept, v)
	return v
}

// Out declares the values that the replacement gives, in order; all else that
// is matched disappears. The first one is where a match begins.
func (p *P) Out(v ...graph.Value) { p.out = v }

// Where adds a condition on a match; its error says why the rule did not fire.
func (p *P) Where(f func(*Match) error) { p.where = append(p.where, f) }

// Rewrite returns the replacement of each value given to Out, in the shapes the
// pattern has.
type Rewrite func(m *Match) []graph.Value

// pattern is a rule's pattern at one size, ready to be matched.
type pattern struct {
	rule    *Rule
	p       *P
	rewrite Rewrite
	now     map[graph.Value]graph.Value // value as the rule wrote it -> as matched
	out     []graph.Value
	shows   []shown     // what each output is a view of
	root    graph.Value // where a match begins: what the first output shows
	first   []int       // by node ID: number of the node's first result, see number
	roles   []role      // by number
	nodes   int         // those that a match pairs
	depth   int         // of them on the longest way through
	err     error

	wild   []graph.Value // what may have any attributes, as the rule wrote it
	bodies []written     // see Match.bodyOnce
}

// role is what is special about a value of a pattern.
type role struct {
	isVar     bool
	anyType   bool
	viewsOnly bool
	wild      bool // of the node, at its first result
	kept      bool // of the node, at its first result
}

// number numbers the values of the pattern as matched, for slices that hold
// something for each.
func (c *pattern) number(v graph.Value) int { return c.first[v.Node().ID()] + v.Index() }

func (c *pattern) isVar(v graph.Value) bool  { return c.roles[c.number(v)].isVar }
func (c *pattern) isWild(n *graph.Node) bool { return c.roles[c.number(n.Out(0))].wild }
func (c *pattern) isKept(n *graph.Node) bool { return c.roles[c.number(n.Out(0))].kept }

// write runs the rule's Pattern function.
func (r *Rule) write(d Dims) (*P, Rewrite, error) {
	p := &P{b: graph.NewBuilder(), types: map[graph.Value]bool{}, plain: map[graph.Value]bool{}, wild: map[graph.Value][]graph.Attrs{}}
	p.b.From(nil) // nobody asks where a pattern's nodes were made
	rewrite := r.Pattern(p, d)
	switch {
	case p.b.Err() != nil:
		return nil, nil, fmt.Errorf("%s: pattern at %+v: %w", r.Name, d, p.b.Err())
	case len(p.out) == 0 || rewrite == nil:
		return nil, nil, fmt.Errorf("%s: pattern at %+v declares no output", r.Name, d)
	}
	return p, rewrite, nil
}

// compile writes the pattern and brings it into the form that the canonical
// rules before this one bring every graph into.
func (r *Rule) compile(d Dims, canon []*compiled) *pattern {
	p, rewrite, err := r.write(d)
	c := &pattern{rule: r, p: p, rewrite: rewrite, now: map[graph.Value]graph.Value{}, err: err}
	if err != nil {
		return c
	}
	// Marked values ride along as outputs, so that they can be found again.
	for _, n := range nodesOf(p) { // in order: maps have none
		for i := range n.NumOut() {
			if _, ok := p.wild[n.Out(i)]; ok {
				c.wild = append(c.wild, n.Out(i))
			}
		}
	}
	keep := slices.Concat(p.out, c.wild, p.vars, p.kept)
	for i, v := range keep {
		p.b.Output(fmt.Sprint(i), v)
	}
	g, err := p.b.Build()
	if err == nil && len(canon) > 0 {
		gr := &group{rules: canon}
		w := newWork(g, gr)
		err = w.canonicalise(gr)
		g = w.g
	}
	if err != nil {
		c.err = fmt.Errorf("%s: pattern at %+v: %w", r.Name, d, err)
		return c
	}
	for i, v := range keep {
		c.now[v] = g.Outputs()[i].Value
	}
	for _, v := range p.out {
		c.out = append(c.out, c.now[v])
	}
	c.first = make([]int, g.MaxID())
	count := 0
	for _, n := range g.Nodes() {
		c.first[n.ID()] = count
		count += n.NumOut()
	}
	c.roles = make([]role, count)
	for _, v := range p.vars {
		c.roles[c.number(c.now[v])] = role{isVar: true, anyType: p.types[v], viewsOnly: p.plain[v]}
	}
	for _, v := range c.wild {
		n := c.now[v].Node()
		if n.Op() != v.Node().Op() {
			c.err = fmt.Errorf("%s: %s, which may have any attributes, has another canonical form", r.Name, v.Node().Op().Name)
		}
		c.roles[c.number(n.Out(0))].wild = true
	}
	for _, v := range p.kept {
		c.roles[c.number(c.now[v].Node().Out(0))].kept = true
	}
	c.depth = 1
	depth := make([]int, g.MaxID())
	for _, n := range g.Nodes() {
		for i := range n.NumIn() {
			depth[n.ID()] = max(depth[n.ID()], depth[n.In(i).Node().ID()])
		}
		if n.Op().Back == nil && n.Name() == "" {
			c.nodes++
			depth[n.ID()]++
		}
		c.depth = max(c.depth, depth[n.ID()])
	}
	for _, v := range c.out {
		c.shows = append(c.shows, c.base(v))
	}
	c.root = c.out[0]
	if len(r.Roots) == 0 {
		c.root = c.shows[0].v
	}
	return c
}

// shown is the value that an output is a view of, and where the output's elements
// lie in it.
type shown struct {
	v  graph.Value
	at *index.Map
}

func (c *pattern) base(v graph.Value) shown {
	at := index.Identity(v.Shape().Dims())
	for through := true; through && !c.isVar(v); {
		v, at, through = back(v, at, index.To)
	}
	solved, ok := at.Solve()
	if !ok {
		c.err = fmt.Errorf("%s: an output cannot be written in terms of what it shows", c.rule.Name)
	}
	return shown{v, solved}
}

// nodesOf returns the nodes that the builder's outputs need, operands first.
func nodesOf(p *P) []*graph.Node {
	var all []*graph.Node
	seen := map[*graph.Node]bool{}
	var visit func(graph.Value)
	visit = func(v graph.Value) {
		n := v.Node()
		if seen[n] {
			return
		}
		seen[n] = true
		for i := range n.NumIn() {
			visit(n.In(i))
		}
		all = append(all, n)
	}
	for _, v := range p.out {
		visit(v)
	}
	return all
}

// Example returns the pattern at sizes d as a graph that can be run, its outputs
// named 0, 1, … in the order of Out. Alternative alt of every AnyAttrs that has
// so many takes the place of the attributes; 0 leaves them.
func (r *Rule) Example(d Dims, alt int) (*graph.Graph, error) {
	p, _, err := r.write(d)
	if err != nil {
		return nil, err
	}
	b := graph.NewBuilder()
	value := p.into(b, alt)
	for i, o := range p.out {
		b.Output(fmt.Sprint(i), value(o))
	}
	return b.Build()
}

// Kept returns the values of g, the graph that Example has given for d and alt,
// that may have readers outside of a match (see P.Keep).
func (r *Rule) Kept(g *graph.Graph, d Dims, alt int) ([]graph.Value, error) {
	p, _, err := r.write(d)
	if err != nil {
		return nil, err
	}
	var all []graph.Value
	value := p.into(g.Builder(), alt) // nodes are interned: these are the graph's own
	for _, v := range p.kept {
		all = append(all, value(v))
	}
	return all, g.Builder().Err()
}

// into returns what writes values of the pattern into b, with alternative alt.
func (p *P) into(b *graph.Builder, alt int) func(graph.Value) graph.Value {
	memo := map[*graph.Node]*graph.Node{}
	var value func(graph.Value) graph.Value
	value = func(v graph.Value) graph.Value {
		n := v.Node()
		if memo[n] == nil {
			in := make([]graph.Value, n.NumIn())
			for i := range in {
				in[i] = value(n.In(i))
			}
			memo[n] = b.Clone(n, in...)
			for i := range n.NumOut() {
				if alts := p.wild[n.Out(i)]; alt > 0 && alt <= len(alts) {
					memo[n] = b.Apply(n.Op(), alts[alt-1], in...)
				}
			}
		}
		return memo[n].Out(v.Index())
	}
	return value
}

// Alternatives returns how many alternatives Example has at sizes d.
func (r *Rule) Alternatives(d Dims) (int, error) {
	p, _, err := r.write(d)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, alts := range p.wild {
		n = max(n, len(alts))
	}
	return n, nil
}
