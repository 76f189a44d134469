package fuse

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// A match breaks off at the first thing that differs, and in a wrong order of
// operands that may be early or late. To explain a near miss, pattern and graph
// are laid beside each other with the pairs that agree best; what then differs is
// what is wrong. Where all nodes agree, the matcher itself says what else does
// not, held to those pairs.

// finding is how much of a pattern is there, and what comes first that is not.
type finding struct {
	matched, of int
	reached     int // by the matcher, where all nodes agree
	miss        mismatch
}

// diagnose explains why pat does not match at root.
func (s *site) diagnose(pat *pattern, root graph.Value) (f finding, ok bool) {
	if pat.err != nil {
		return f, false
	}
	a := &aligner{site: s, pat: pat, memo: map[[2]graph.Value]float64{}, guide: guide{map[*graph.Node]*graph.Node{}, map[*graph.Node]bool{}},
		taken: map[*graph.Node]bool{}, vars: map[graph.Value]graph.Value{}}
	a.walk(pat.root, root, edge{})
	for _, o := range pat.shows {
		base := o.v
		if a.to[base.Node()] != nil {
			continue
		}
		if best, found := a.above(base); found {
			a.walk(base, best, edge{})
		} else {
			a.note(mismatch{why: noOutput, want: base, found: root})
		}
	}
	f = finding{matched: a.agreed, of: pat.nodes, miss: a.miss}
	if a.missed { // a node too many leaves all of the pattern's there
		f.matched = min(f.matched, f.of-1)
	} else {
		f.miss, f.reached = s.guided(pat, root, &a.guide)
	}
	above := f.miss.reader == nil && f.miss.why == extraOp // root only reads what the rule begins with
	return f, !above && (a.missed || f.reached > 0)
}

// guide holds the matcher to pairs, for an explanation.
type guide struct {
	to   map[*graph.Node]*graph.Node // pattern -> graph
	swap map[*graph.Node]bool        // pattern -> its operands stand the other way round; none: either way
}

// guided matches with the pairs given and returns what came furthest.
func (s *site) guided(pat *pattern, root graph.Value, g *guide) (miss mismatch, reached int) {
	s.guide = g
	defer func() { s.guide = nil }()
	s.find(pat, root, make([]bool, s.g.MaxID()), func(matched int, m mismatch) {
		if matched > reached {
			reached, miss = matched, m
		}
	})
	return miss, reached
}

type aligner struct {
	site *site
	pat  *pattern
	memo map[[2]graph.Value]float64
	guide
	taken  map[*graph.Node]bool // graph
	vars   map[graph.Value]graph.Value
	agreed int
	miss   mismatch
	missed bool
}

func (a *aligner) note(m mismatch) {
	if !a.missed {
		m.pat = a.pat
		a.miss, a.missed = m, true
	}
}

// like says how much of the pattern below pv is below gv: 1 for all of it. What
// is near the root counts most.
func (a *aligner) like(pv, gv graph.Value) float64 {
	pv, gv = a.pat.bare(pv), through(gv)
	if a.pat.isVar(pv) {
		switch {
		case gv.Shape().DType != pv.Shape().DType && !a.pat.roles[a.pat.number(pv)].anyType:
			return 0
		case gv.Shape().Len() == pv.Shape().Len():
			return 1
		}
		return 0.9
	}
	k := [2]graph.Value{pv, gv}
	if had, ok := a.memo[k]; ok {
		return had
	}
	pn, gn := pv.Node(), gv.Node()
	n := pn.NumIn()
	self, part := 0.0, 0.5
	if pn.Op() == gn.Op() && pv.Index() == gv.Index() {
		self, part = 1, 1
		if !a.sameAttrs(pv, gv) {
			self = 0.7
		}
	}
	below := 0.0
	switch {
	case gn.NumIn() != n:
	case n == 2 && mayCross(pn, gn):
		below = max(a.like(pn.In(0), gn.In(0))+a.like(pn.In(1), gn.In(1)), a.like(pn.In(0), gn.In(1))+a.like(pn.In(1), gn.In(0)))
	default:
		for i := range n {
			below += a.like(pn.In(i), gn.In(i))
		}
	}
	a.memo[k] = (self + part*below) / float64(1+n)
	return a.memo[k]
}

// mayCross reports that the operands of pn may be those of gn in the other order;
// where gn has another op, that is a guess that does no harm.
func mayCross(pn, gn *graph.Node) bool {
	swaps := func(n *graph.Node) bool { return n.Op().Commutative || n.Op().Contract }
	return swaps(pn) && (swaps(gn) || pn.Op() != gn.Op())
}

func (a *aligner) sameAttrs(pv, gv graph.Value) bool {
	pn, gn := pv.Node(), gv.Node()
	pa, ga := pn.Attrs(), gn.Attrs()
	if pn.Op().Axes != nil {
		_, pa = pn.Op().Axes(pa, pv.Shape().Rank())
		_, ga = gn.Op().Axes(ga, gv.Shape().Rank())
	}
	return pa == ga || a.pat.isWild(pn)
}

// walk pairs what is below pv with what is below gv and notes what differs.
func (a *aligner) walk(pv, gv graph.Value, at edge) {
	pv, gv = a.pat.bare(pv), through(gv)
	pn, gn := pv.Node(), gv.Node()
	if a.pat.isVar(pv) {
		if _, ok := a.vars[pv]; !ok {
			a.vars[pv] = gv
		}
		return // what else an operand is, the matcher says
	}
	if had := a.to[pn]; had != nil {
		if had != gn && !pn.Fixed() {
			a.note(mismatch{edge: at, why: otherNode, want: pv, found: gv, elsewhere: had.Out(pv.Index())})
		}
		return
	}
	same := pn.Op() == gn.Op() && pv.Index() == gv.Index() && pn.NumIn() == gn.NumIn()
	if !same {
		why, p, g := a.edited(pv, gv)
		a.note(mismatch{edge: at, why: why, want: pv, found: gv, inner: p})
		switch why {
		case missingOp, extraOp:
			a.walk(p, g, at)
			return
		}
	}
	a.to[pn], a.taken[gn] = gn, true
	switch {
	case !same:
	case !a.sameAttrs(pv, gv):
		a.note(mismatch{edge: at, why: otherAttrs, want: pv, found: gv})
	default:
		a.agreed++
	}
	order := [2]int{0, 1}
	if two := pn.NumIn() == 2 && gn.NumIn() == 2; two && mayCross(pn, gn) {
		straight, crossed := a.fits(pn, gn, 0, 1), a.fits(pn, gn, 1, 0)
		if crossed > straight {
			order = [2]int{1, 0}
		}
		if d := crossed - straight; d*d > 0.0025 { // else either way may be right
			a.swap[pn] = crossed > straight
		}
	} else if two && same && a.fits(pn, gn, 1, 0) > a.fits(pn, gn, 0, 1)+0.5 {
		a.note(mismatch{edge: at, why: turned, want: pv, found: gv})
		order = [2]int{1, 0}
	}
	for i := range min(pn.NumIn(), gn.NumIn()) {
		j := i
		if i < 2 {
			j = order[i]
		}
		a.walk(pn.In(i), gn.In(j), edge{gn, j})
	}
}

// fits says how well the first two operands of pn are those of gn in an order; an
// operand that is known already decides where they are equal.
func (a *aligner) fits(pn, gn *graph.Node, x, y int) float64 {
	sum := 0.0
	for i, j := range [2]int{x, y} {
		pv, gv := a.pat.bare(pn.In(i)), through(gn.In(j))
		sum += a.like(pv, gv)
		if had, ok := a.vars[pv]; ok && had == gv {
			sum += 0.2
		}
		if had := a.to[pv.Node()]; had != nil && had == gv.Node() {
			sum += 0.2
		}
	}
	return sum
}

// edited says how gv came to differ from pv: by another op, by a node of the
// pattern that is missing, of which gv is operand p, or by one too many, of which
// operand g is what the pattern wants.
func (a *aligner) edited(pv, gv graph.Value) (why reason, p, g graph.Value) {
	pn, gn := pv.Node(), gv.Node()
	best := a.like(pv, gv)
	if pn.NumIn() == gn.NumIn() && !gn.IsLeaf() { // the op itself counts little
		best += 0.4
	}
	why = otherOp
	if pn.Op().Contract && gn.Op() == ops.SumLastOp { // a sum, but of no product
		gv, gn = gn.In(0), gn.In(0).Node()
		best = -1
	}
	for i := range pn.NumIn() {
		x := a.pat.bare(pn.In(i))
		score := a.like(x, gv)
		if a.pat.isVar(x) && !gn.IsLeaf() {
			score = 0.3 // anything is like an operand
		}
		if !x.Node().Fixed() && score > best {
			why, p, g, best = missingOp, x, gv, score
		}
	}
	if best < 0 {
		return why, p, g
	}
	for j := range gn.NumIn() {
		if score := a.like(pv, gn.In(j)); score > best {
			why, p, g, best = extraOp, pv, gn.In(j), score
		}
	}
	return why, p, g
}

// above finds what is most like pv among the nodes that read what is paired.
func (a *aligner) above(pv graph.Value) (best graph.Value, ok bool) {
	const most = 256
	var todo []*graph.Node
	for _, n := range a.site.g.Nodes() {
		if a.taken[n] {
			todo = append(todo, n)
		}
	}
	for _, v := range a.pat.p.vars {
		if x, ok := a.vars[a.pat.now[v]]; ok {
			todo = append(todo, x.Node())
		}
	}
	seen := map[*graph.Node]bool{}
	score := 0.3
	for i := 0; i < len(todo) && i < most; i++ {
		for _, u := range a.site.uses.Of(todo[i]) {
			n := u.Node
			if seen[n] {
				continue
			}
			seen[n] = true
			todo = append(todo, n)
			if a.taken[n] || n.Op() != pv.Node().Op() {
				continue
			}
			if x := a.like(pv, n.Out(pv.Index())); x > score || x == score && ok && n.ID() < best.Node().ID() {
				best, score, ok = n.Out(pv.Index()), x, true
			}
		}
	}
	return best, ok
}
