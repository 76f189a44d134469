package fuse

import (
	"errors"
	"fmt"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/graph/index"
)

// site is what matching needs to know of one graph.
type site struct {
	g     *graph.Graph
	uses  graph.Uses
	out   map[graph.Value]bool // results of the graph
	made  nodeSet              // see work
	guide *guide               // nil but for explanations
	*scratch
}

func newSite(g *graph.Graph, room *scratch) *site {
	s := &site{g: g, uses: g.Uses(), out: map[graph.Value]bool{}, scratch: room}
	sized(&room.taken, g.MaxID())
	sized(&room.seen, g.MaxID())
	for _, o := range g.Outputs() {
		s.out[o.Value] = true
	}
	for _, st := range g.States() {
		s.out[st.Next] = true
	}
	return s
}

// errNoMatch says that the formula is not there, as opposed to being there and
// refused.
var errNoMatch = errors.New("no match")

// find looks for the pattern with a match that begins at root. An error that is
// not errNoMatch is the reason why a match was refused.
func (s *site) find(pat *pattern, root graph.Value, claimed []bool, note noteFunc) (*Match, error) {
	if pat.err != nil {
		return nil, pat.err
	}
	if pat.root.Shape().DType != root.Shape().DType || note == nil && !couldMatch(pat.root, root, pat, 2, true) {
		return nil, errNoMatch
	}
	var found *Match
	refused := errNoMatch
	m := &matcher{note: note, Match: &Match{pat: pat, site: s, fresh: asItIs, val: make([]binding, len(pat.roles)),
		node: make([]*graph.Node, len(pat.roles)), pairs: make([]pair, 0, pat.nodes), out: make([]binding, len(pat.out))}}
	try := func(at *index.Map) bool { // what fails leaves nothing bound
		first := 0
		m.steps = 0
		if looksThrough(root) {
			at, _ = at.Solve()
			m.out[0] = binding{g: root, at: at}
			first = 1
		}
		ok := m.match(pat.root, root, at, func() bool {
			return m.others(first, func() bool {
				err := s.legal(m.Match, claimed)
				if err != nil && (refused == errNoMatch || err != errNoMatch) {
					refused = err
				}
				return err == nil
			})
		})
		if ok {
			found = m.Match
		}
		return !ok
	}
	from, to := pat.root.Shape().Dims(), root.Shape().Dims()
	layouts := guess
	switch op := root.Node().Op(); {
	case slices.Equal(from, to) && looksThrough(root): // a view or a copy of just that
		layouts = asItLies
	case op.Back == nil && op.Axes == nil && !op.Contract:
		layouts = asItLies // the op has no other
	}
	layouts(from, to, try)
	if found == nil && refused == errNoMatch && pointwise(root) && !slices.Equal(from, to) {
		below(from, root, try)
	}
	if found == nil {
		return nil, refused
	}
	for _, p := range found.pairs {
		s.taken[p.graph.ID()] = nil
	}
	return found, nil
}

// asItIs is what Where sees of the graph: it is not rewritten yet.
func asItIs(v graph.Value) graph.Value { return v }

func looksThrough(v graph.Value) bool { return v.Node().Op().Back != nil }

// couldMatch is a quick look at the ops, and on demand at their attributes, below
// a pattern value and a graph value: false only where match would fail.
func couldMatch(pv, gv graph.Value, pat *pattern, depth int, attrs bool) bool {
	for !pat.isVar(pv) && pv.Node().Op().Back != nil {
		pv = pv.Node().In(0)
	}
	if pat.isVar(pv) {
		return true
	}
	for gv.Node().Op().Back != nil {
		gv = gv.Node().In(0)
	}
	pn, gn := pv.Node(), gv.Node()
	if pn.Op() == gn.Op() && pn.Op().Arity < 0 { // the number of operands may hang on the size
		return true
	}
	if pn.Op() != gn.Op() || pn.NumIn() != gn.NumIn() {
		return pn.Op().Back != nil || gn.Op().Back != nil
	}
	if attrs && pn.Attrs() != gn.Attrs() && !pat.isWild(pn) {
		if pn.Op().Axes == nil {
			return false
		}
		_, pa := pn.Op().Axes(pn.Attrs(), pv.Shape().Rank())
		if _, ga := gn.Op().Axes(gn.Attrs(), gv.Shape().Rank()); pa != ga {
			return false
		}
	}
	if depth == 0 {
		return true
	}
	straight := true
	for i := range pn.NumIn() {
		straight = straight && couldMatch(pn.In(i), gn.In(i), pat, depth-1, attrs)
	}
	if straight || !pn.Op().Commutative && !pn.Op().Contract {
		return straight
	}
	return couldMatch(pn.In(0), gn.In(1), pat, depth-1, attrs) && couldMatch(pn.In(1), gn.In(0), pat, depth-1, attrs)
}

// others binds output i of the pattern and those after it, and goes on with k.
// An output that the earlier ones do not contain is found among the users of
// what has been matched.
func (m *matcher) others(i int, k func() bool) bool {
	if i == len(m.pat.out) {
		return k()
	}
	base, at := m.pat.shows[i].v, m.pat.shows[i].at
	bind := func() bool {
		gn := m.paired(base.Node())
		b := *m.value(base)
		if !b.bound() { // another result of a node that is matched whole
			b = binding{g: gn.Out(base.Index()), at: index.Identity(base.Shape().Dims())}
		}
		whole, ok := b.at.Then(at)
		if !ok {
			return m.fail(noOutput, base, gn.Out(0))
		}
		m.out[i] = binding{g: b.g, at: whole}
		if !invertible(whole) { // a part of it: the graph must have just that part
			if m.out[i], ok = m.shown(b.g, whole); !ok {
				return m.fail(noOutput, base, gn.Out(0))
			}
		}
		return m.others(i+1, k)
	}
	if m.paired(base.Node()) != nil {
		return bind()
	}
	path, from := m.path(base)
	if path == nil {
		return m.fail(noOutput, base, m.out[0].g)
	}
	m.edge = edge{}
	return m.climb(path, from, func(gn *graph.Node) bool {
		gv := gn.Out(base.Index())
		ok := false
		try := func(at *index.Map) bool {
			ok = m.match(base, gv, at, bind)
			return !ok
		}
		if guess(base.Shape().Dims(), gv.Shape().Dims(), try); !ok {
			guessSplit(base.Shape().Dims(), gv.Shape().Dims(), try)
		}
		return ok
	})
}

// shown finds a view of base in the graph that has just the elements of at.
func (m *matcher) shown(base graph.Value, at *index.Map) (found binding, ok bool) {
	dims := at.Dims[index.From]
	var visit func(v graph.Value, in *index.Map) bool
	visit = func(v graph.Value, in *index.Map) bool {
		guess(dims, v.Shape().Dims(), func(as *index.Map) bool {
			if layout, solved := as.Solve(); solved {
				if whole, reached := in.Then(layout); reached && whole.Same(at) {
					found, ok = binding{g: v, at: layout}, true
				}
			}
			return !ok
		})
		if ok {
			return true
		}
		for _, u := range m.site.uses.Of(v.Node()) {
			x := u.Node.Out(0)
			if u.Node.In(u.Operand) != v || u.Operand != 0 {
				continue
			}
			if _, step, through := back(x, index.Identity(x.Shape().Dims()), index.To); through {
				if next, reached := in.Then(step); reached && visit(x, next) {
					return true
				}
			}
		}
		return false
	}
	visit(base, index.Identity(base.Shape().Dims()))
	return found, ok
}

func invertible(at *index.Map) bool {
	_, ok := at.Inverse()
	return ok
}

// path returns the pattern nodes above something matched up to the node of v,
// each an operand of the next, views left out, and the graph's node they begin
// above: one that is matched, or else one that an operand stands for.
func (m *matcher) path(v graph.Value) (path []*graph.Node, from *graph.Node) {
	for _, vars := range []bool{false, true} {
		seen := map[*graph.Node]bool{}
		var visit func(graph.Value) bool
		visit = func(x graph.Value) bool {
			n := x.Node()
			if m.pat.isVar(x) {
				from = m.value(x).g.Node()
				return vars && from != nil
			}
			if from = m.paired(n); from != nil && !n.Fixed() {
				return true
			}
			if seen[n] {
				return false
			}
			seen[n] = true
			for i := range n.NumIn() {
				if visit(n.In(i)) {
					if n.Op().Back == nil {
						path = append(path, n)
					}
					return true
				}
			}
			return false
		}
		if visit(v) {
			return path, from
		}
	}
	return nil, nil
}

// climb follows users of gn with the ops of path and tries each node that it
// arrives at.
func (m *matcher) climb(path []*graph.Node, gn *graph.Node, try func(*graph.Node) bool) bool {
	if len(path) == 0 {
		return try(gn)
	}
	var up func(*graph.Node) bool
	up = func(n *graph.Node) bool {
		for _, u := range m.site.uses.Of(n) {
			switch {
			case u.Node.Op() == path[0].Op() && m.site.taken[u.Node.ID()] == nil:
				if m.climb(path[1:], u.Node, try) {
					return true
				}
			case u.Node.Op().Back != nil:
				if up(u.Node) {
					return true
				}
			}
		}
		return false
	}
	return up(gn)
}

// legal reports why a match may not be replaced.
func (s *site) legal(m *Match, claimed []bool) error {
	exported := map[graph.Value]bool{}
	for _, b := range m.out {
		inverse, ok := b.at.Inverse()
		if !ok {
			return fmt.Errorf("%s holds more than the pattern names", graph.Label(b.g.Node()))
		}
		if _, ok := inverse.Plan(graph.MaxRank); !ok {
			return fmt.Errorf("%s is no view of what the pattern gives", graph.Label(b.g.Node()))
		}
		exported[b.g] = true
	}
	interior := make([]*graph.Node, 0, len(m.pairs))
	for _, p := range m.pairs {
		if m.removes(p) {
			interior = append(interior, p.graph)
		}
	}
	slices.SortFunc(interior, func(a, b *graph.Node) int { return a.ID() - b.ID() })
	for _, gn := range interior {
		if claimed[gn.ID()] {
			return errNoMatch // the rule gets its turn in the next pass
		}
		for i := range gn.NumOut() {
			if err := s.escapes(m, gn.Out(i), exported); err != nil {
				return err
			}
		}
	}
	if len(interior) > 0 {
		if err := s.convex(m, interior[0].ID()); err != nil {
			return err
		}
	}
	for _, where := range m.pat.p.where {
		if err := where(m); err != nil {
			return err
		}
	}
	return nil
}

// removes reports a pair whose node goes. Masks and identities are shared and stay
// for who needs them.
func (m *Match) removes(p pair) bool { return !p.graph.Fixed() && !m.pat.isKept(p.pattern) }

// Readers returns the nodes of the graph that read output i of the match, views
// and copies looked through.
func (m *Match) Readers(i int) []*graph.Node {
	return At{m.out[i].g, m.site}.Readers(m.out[i].g)
}

// escapes reports a reader of v, a value inside the match, that is outside.
func (s *site) escapes(m *Match, v graph.Value, exported map[graph.Value]bool) error {
	if exported[v] {
		return nil
	}
	if s.out[v] {
		return &escape{value: v}
	}
	for _, u := range s.uses.Of(v.Node()) {
		if u.Node.In(u.Operand) != v || s.taken[u.Node.ID()] != nil {
			continue
		}
		if !looksThrough(u.Node.Out(0)) {
			return &escape{v, u.Node}
		}
		if err := s.escapes(m, u.Node.Out(0), exported); err != nil {
			return err
		}
	}
	return nil
}

// convex reports an operand of the match that depends on a node inside it: the
// replacement would be a cycle. No node below the lowest one inside can.
func (s *site) convex(m *Match, lowest int) error {
	s.walks++
	var reaches func(*graph.Node) bool
	reaches = func(n *graph.Node) bool {
		if n.ID() < lowest || s.seen[n.ID()] == s.walks {
			return false
		}
		if pn := s.taken[n.ID()]; pn != nil && m.removes(pair{pn, n}) {
			return true
		}
		s.seen[n.ID()] = s.walks
		for i := range n.NumIn() {
			if reaches(n.In(i).Node()) {
				return true
			}
		}
		return false
	}
	for _, v := range m.pat.p.vars {
		if b := m.bound(v); b.bound() && reaches(b.g.Node()) {
			return fmt.Errorf("operand %q depends on a result", v.Node().Name())
		}
	}
	return nil
}
