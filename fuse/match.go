package fuse

import (
	"fmt"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/graph/index"
	"github.com/deltaloom/deltaloom/ops"
)

// binding is what a value of the pattern stands for: element i of it is element
// at(i) of g, which is no view.
type binding struct {
	g  graph.Value
	at *index.Map
	// direct is a value of the graph with just these elements, if there is one:
	// the view that the model wrote itself.
	direct graph.Value
}

// Match is one place where a pattern was found.
type Match struct {
	pat   *pattern
	site  *site
	val   []binding     // by the number of a pattern value
	node  []*graph.Node // by the number of the first result of a pattern node
	pairs []pair        // of nodes, in the order they were found
	out   []binding
	fresh func(graph.Value) graph.Value // graph value -> value of the rewritten graph
	res   []graph.Value                 // the replacement, once it is written
}

// pair is a node of a pattern and what it stands for.
type pair struct{ pattern, graph *graph.Node }

func (b *binding) bound() bool { return b.g.Node() != nil }

// value is what pattern value pv stands for.
func (m *Match) value(pv graph.Value) *binding { return &m.val[m.pat.number(pv)] }

// paired is the node that pattern node pn stands for, nil if there is none yet.
func (m *Match) paired(pn *graph.Node) *graph.Node { return m.node[m.pat.number(pn.Out(0))] }

// bound is what v, as the rule wrote it, stands for: nothing where v is neither
// operand, output nor marked.
func (m *Match) bound(v graph.Value) *binding {
	now := m.pat.now[v]
	if now.Node() == nil {
		return &binding{}
	}
	return m.value(now)
}

// Get returns the rewritten graph's value that pattern value v stands for, in
// the shape it has in the pattern.
func (m *Match) Get(v graph.Value) graph.Value {
	b := m.bound(v)
	if !b.bound() {
		m.site.g.Builder().Fail(fmt.Errorf("%s: %s is no operand of the pattern", m.pat.rule.Name, graph.Label(v.Node())))
		return graph.Value{}
	}
	if b.direct.Node() != nil {
		return m.fresh(b.direct)
	}
	x, err := ops.View(m.fresh(b.g), b.at)
	if err != nil && b.g.Builder() != nil {
		b.g.Builder().Fail(fmt.Errorf("%s: operand %q: %w", m.pat.rule.Name, v.Node().Name(), err))
	}
	return x
}

// Attrs returns the attributes of the graph's node that v's node stands for.
func (m *Match) Attrs(v graph.Value) graph.Attrs {
	if now := m.pat.now[v]; now.Node() != nil {
		if n := m.paired(now.Node()); n != nil {
			return n.Attrs()
		}
	}
	return v.Node().Attrs()
}

// AttrsOf is Attrs with the type of the attribute struct.
func AttrsOf[T any](m *Match, v graph.Value) T { return graph.AttrsOf[T](m.Attrs(v)) }

// Small is Get with extent 1 along every axis that the elements do not depend
// on, for ops that broadcast.
func (m *Match) Small(v graph.Value) graph.Value {
	x := m.Get(v)
	for a, d := range x.Shape().Dims() {
		if d > 1 && !m.dependsOn(v, a) {
			x = ops.Slice(x, a, 0, 1)
		}
	}
	return x
}

// dependsOn reports whether the elements of v differ along an axis.
func (m *Match) dependsOn(v graph.Value, axis int) bool {
	at := m.bound(v).at
	for _, t := range at.Forms[index.From][axis].Terms {
		for _, f := range at.Forms[index.To] {
			if slices.ContainsFunc(f.Terms, func(u index.Term) bool { return u.Digit == t.Digit }) {
				return true
			}
		}
	}
	return false
}

// maxSteps bounds the work of one attempt. It is some hundred times what the
// largest pattern takes, so only a pathological graph meets it.
const maxSteps = 1 << 20

// matcher tries one pattern at one place.
type matcher struct {
	*Match
	steps int
	note  noteFunc
	edge  edge // that is being followed, for note
}

// noteFunc is told of every place where an attempt went no further, and how many
// nodes agreed until there. It is nil when nobody asks.
type noteFunc func(matched int, m mismatch)

// fail notes that gv is not what the pattern's pv wants.
func (m *matcher) fail(why reason, pv, gv graph.Value) bool {
	if m.note != nil {
		x := mismatch{edge: m.edge, why: why, want: pv, found: gv, pat: m.pat}
		if had := m.value(pv); had.bound() {
			x.elsewhere = had.g
		} else if n := m.paired(pv.Node()); n != nil {
			x.elsewhere = n.Out(pv.Index())
		}
		m.note(len(m.pairs), x)
	}
	return false
}

// back looks through the op of v on one side of the map, if it only copies
// elements, and returns its operand and the map into that.
func back(v graph.Value, at *index.Map, side index.Side) (graph.Value, *index.Map, bool) {
	n := v.Node()
	if n.Op().Back == nil {
		return v, at, false
	}
	next := *at
	if !n.Op().Back(&next, side, n.Attrs(), n.In(0).Shape(), v.Shape()) {
		return v, at, false
	}
	return n.In(0), &next, true
}

// match goes on with k once pattern value pv is found to be graph value gv, with
// the elements that at relates.
func (m *matcher) match(pv, gv graph.Value, at *index.Map, k func() bool) bool {
	if m.steps++; m.steps > maxSteps {
		return m.fail(gaveUp, pv, gv)
	}
	for through := true; through && !m.pat.isVar(pv); {
		pv, at, through = back(pv, at, index.From)
	}
	if m.pat.isVar(pv) {
		return m.matchVar(pv, gv, at, k)
	}
	for through := true; through; {
		gv, at, through = back(gv, at, index.To)
	}
	pn, gn := pv.Node(), gv.Node()
	if guide := m.site.guide; guide != nil && guide.to[pn] != gn && !pn.Fixed() {
		return false // not the pairing that is to be explained
	}
	if pn.Op() != gn.Op() || pv.Index() != gv.Index() || pn.NumIn() != gn.NumIn() {
		return m.fail(otherOp, pv, gv)
	}
	if pn.Op() == graph.ConstOp {
		if !m.pat.isWild(pn) && pn.Attrs() != gn.Attrs() {
			return m.fail(otherAttrs, pv, gv)
		}
		return m.bindNode(pn, gn, k)
	}
	if had := m.paired(pn); had != nil {
		if had != gn {
			return m.fail(otherNode, pv, gv)
		}
		lies := m.value(pv).at
		if lies == nil { // another result of a node that is matched as it lies
			lies = index.Identity(pv.Shape().Dims())
		}
		if !lies.Agrees(at) {
			return m.fail(otherElements, pv, gv)
		}
		return k()
	}
	if m.site.taken[gn.ID()] != nil && !gn.Fixed() {
		return m.fail(takenNode, pv, gv)
	}
	solved, ok := complete(at)
	if !ok {
		return m.fail(moreElements, pv, gv)
	}
	return m.matchNode(pv, gv, solved, k)
}

// bindNode goes on with k with the two nodes paired.
func (m *matcher) bindNode(pn, gn *graph.Node, k func() bool) bool {
	num := m.pat.number(pn.Out(0))
	if had := m.node[num]; had != nil {
		return had == gn && k()
	}
	was := m.site.taken[gn.ID()]
	m.node[num], m.site.taken[gn.ID()] = gn, pn
	m.pairs = append(m.pairs, pair{pn, gn})
	if k() {
		return true
	}
	m.pairs = m.pairs[:len(m.pairs)-1]
	m.node[num], m.site.taken[gn.ID()] = nil, was
	return false
}

func (m *matcher) matchVar(pv, gv graph.Value, at *index.Map, k func() bool) bool {
	type place struct {
		v  graph.Value
		at *index.Map
	}
	var room [8]place
	chain := room[:0] // what gv shows, from gv down
	var direct graph.Value
	had, role := m.value(pv), m.pat.roles[m.pat.number(pv)]
	bound := had.bound()
	for through := true; through; {
		if bound && gv == had.g {
			if !had.at.Agrees(at) {
				return m.fail(operandElements, pv, gv)
			}
			return k()
		}
		chain = append(chain, place{gv, at})
		if through = gv.Node().Op().View || !role.viewsOnly; through {
			if direct.Node() == nil && !role.viewsOnly && gv != m.out[0].g && at.IsIdentity() {
				direct = gv
			}
			gv, at, through = back(gv, at, index.To)
		}
	}
	if bound {
		return m.fail(otherOperand, pv, gv)
	}
	if gv.Shape().DType != pv.Shape().DType && !role.anyType {
		return m.fail(otherType, pv, gv)
	}
	if pv.Node().Op() == graph.WeightOp && !gv.Node().Static() {
		return m.fail(notKnown, pv, gv)
	}
	// The lowest value that can be seen in the extents of the pattern.
	for _, p := range slices.Backward(chain) {
		solved, ok := complete(p.at)
		if ok && direct.Node() == nil {
			_, ok = solved.Plan(graph.MaxRank)
		}
		if !ok {
			continue
		}
		*had = binding{p.v, solved, direct}
		if k() {
			return true
		}
		*had = binding{}
		return false
	}
	return m.fail(moreElements, pv, gv)
}

// matchNode pairs the nodes of pv and gv, whose ops agree, and matches their
// operands.
func (m *matcher) matchNode(pv, gv graph.Value, at *index.Map, k func() bool) bool {
	pn, gn := pv.Node(), gv.Node()
	op := pn.Op()
	pa, ga := pn.Attrs(), gn.Attrs()
	var paxes, gaxes []int
	if op.Axes != nil {
		paxes, pa = op.Axes(pa, pv.Shape().Rank())
		gaxes, ga = op.Axes(ga, gv.Shape().Rank())
	}
	if pa != ga && !m.pat.isWild(pn) {
		return m.fail(otherAttrs, pv, gv)
	}
	switch {
	case op.Contract:
	case op.Axes == nil:
		if !at.IsIdentity() {
			return m.fail(otherExtents, pv, gv)
		}
	case !sameAxes(at, paxes, gaxes):
		return m.fail(otherAxes, pv, gv)
	}
	operands := func(swap bool) bool {
		*m.value(pv) = binding{g: gv, at: at}
		ok := m.bindNode(pn, gn, func() bool { return m.matchOperands(pv, gv, at, swap, 0, k) })
		if !ok {
			*m.value(pv) = binding{}
		}
		return ok
	}
	if guide := m.site.guide; guide != nil {
		if swap, ok := guide.swap[pn]; ok {
			return operands(swap)
		}
	}
	return operands(false) || (op.Commutative || op.Contract) && operands(true)
}

// matchOperands matches operand i and those after it.
func (m *matcher) matchOperands(pv, gv graph.Value, at *index.Map, swap bool, i int, k func() bool) bool {
	pn, gn := pv.Node(), gv.Node()
	if i == pn.NumIn() {
		return k()
	}
	j := i
	if swap {
		j = 1 - i
	}
	op := pn.Op()
	pin, gin := pn.In(i), gn.In(j)
	m.edge = edge{gn, j}
	next := *at
	switch {
	case op.Contract:
		size := pin.Shape().Dim(-1)
		if gin.Shape().Dim(-1) != size {
			return m.fail(otherExtents, pin, gin)
		}
		digit := next.Fresh(size)
		contractSide(&next, index.From, i, pin.Shape(), digit)
		contractSide(&next, index.To, j, gin.Shape(), digit)
	case op.Axes == nil:
		dims := pin.Shape().Dims()
		if !slices.Equal(dims, gin.Shape().Dims()) {
			return m.fail(otherExtents, pin, gin)
		}
		next = *index.Identity(dims)
	default:
		if !batchSides(&next, op, pn, gn, pv.Shape(), gv.Shape(), pin.Shape(), gin.Shape()) {
			return m.fail(otherExtents, pin, gin)
		}
	}
	return m.match(pin, gin, &next, func() bool { return m.matchOperands(pv, gv, at, swap, i+1, k) })
}

// sameAxes reports that the axes an op works along are the same in the pattern
// and in the graph, element by element, and mixed with no other.
func sameAxes(at *index.Map, paxes, gaxes []int) bool {
	if len(paxes) != len(gaxes) {
		return false
	}
	for i, p := range paxes {
		from, to := at.Forms[index.From][p], at.Forms[index.To][gaxes[i]]
		if at.Dims[index.From][p] != at.Dims[index.To][gaxes[i]] || !from.Equal(to) {
			return false
		}
		for a, f := range at.Forms[index.To] {
			if a == gaxes[i] {
				continue
			}
			for _, t := range f.Terms {
				if slices.ContainsFunc(from.Terms, func(u index.Term) bool { return u.Digit == t.Digit }) {
					return false
				}
			}
		}
	}
	return true
}

// contractSide goes from an index [batch M N] of a contraction's result to the
// index of operand i, [batch M K] or [batch N K], at place digit of the sum.
func contractSide(at *index.Map, side index.Side, i int, in graph.Shape, digit index.Form) {
	out := at.Forms[side]
	dims := in.Dims()
	forms := make([]index.Form, len(dims))
	r := len(dims)
	for a := range r - 2 {
		if o := len(out) - r + a; dims[a] == at.Dims[side][o] {
			forms[a] = out[o]
		}
	}
	forms[r-2] = out[len(out)-2+i]
	forms[r-1] = digit
	at.Set(side, dims, forms)
}

// batchSides goes from the index of a result to the index of an operand for ops
// with Axes: along those the operand is read whole, along the others where the
// result is.
func batchSides(at *index.Map, op *graph.Op, pn, gn *graph.Node, pout, gout, pin, gin graph.Shape) bool {
	paxes, _ := op.Axes(pn.Attrs(), pin.Rank())
	gaxes, _ := op.Axes(gn.Attrs(), gin.Rank())
	if len(paxes) != len(gaxes) || len(paxes) > 0 && (pin.Rank() != pout.Rank() || gin.Rank() != gout.Rank()) {
		return false
	}
	whole := make([]index.Form, len(paxes))
	for i := range paxes {
		if pin.Dim(paxes[i]) != gin.Dim(gaxes[i]) {
			return false
		}
		whole[i] = at.Fresh(pin.Dim(paxes[i]))
	}
	set := func(side index.Side, n *graph.Node, in, out graph.Shape, axes []int) {
		outAxes, _ := op.Axes(n.Attrs(), out.Rank())
		dims := in.Dims()
		forms := make([]index.Form, len(dims))
		o := out.Rank()
		for a := len(dims) - 1; a >= 0; a-- {
			if i := slices.Index(axes, a); i >= 0 {
				forms[a] = whole[i]
				continue
			}
			for o--; slices.Contains(outAxes, o); o-- {
			}
			if dims[a] == at.Dims[side][o] {
				forms[a] = at.Forms[side][o]
			}
		}
		at.Set(side, dims, forms)
	}
	set(index.From, pn, pin, pout, paxes)
	set(index.To, gn, gin, gout, gaxes)
	return true
}
