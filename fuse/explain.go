package fuse

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// Attempt is one place where a rule was tried.
type Attempt struct {
	Rule  *Rule
	Node  *graph.Node // where the match would begin
	Fired bool
	// Where the rule did not fire: how many of the pattern's nodes agree, the
	// first thing that is not as the pattern has it, and what would make it
	// match, if that can be said. Explain fills them in; of what Trace is told,
	// Matched is only how far the matcher came.
	Matched, Of int
	Miss, Hint  string

	refused bool // all nodes agree
	site    *site
	root    graph.Value
	tried   []*pattern
}

// maxTried bounds the sizes of one attempt that are looked at again.
const maxTried = 12

// noted begins a size of an attempt and returns what counts how far it gets.
func (a *Attempt) noted(pat *pattern) noteFunc {
	if len(a.tried) < maxTried {
		a.tried = append(a.tried, pat)
	}
	if a.Of == 0 {
		a.Of = pat.nodes
	}
	return func(matched int, _ mismatch) {
		if matched > a.Matched && !a.refused {
			a.Matched, a.Of = matched, pat.nodes
		}
	}
}

// refuse records a match that was found and may not be replaced.
func (a *Attempt) refuse(pat *pattern, why error) {
	a.refused = true
	a.Matched, a.Of, a.Miss, a.Hint = pat.nodes, pat.nodes, why.Error(), ""
	var e *escape
	if errors.As(why, &e) {
		a.Miss, a.Hint = e.explain()
	}
}

// diagnose says why the rule did not fire, at the size that comes nearest.
func (a *Attempt) diagnose() {
	if a.Fired || a.refused {
		return
	}
	near, reached := -1.0, 0
	for _, pat := range a.tried {
		f, ok := a.site.diagnose(pat, a.root)
		if n := nearness(f.matched, f.of); ok && (n > near || n == near && f.reached > reached) {
			near, reached = n, f.reached
			a.Matched, a.Of, a.Miss, a.Hint = f.matched, f.of, f.miss.String(), f.miss.hint()
		}
	}
}

// explainEnds traces what the graph ends in, the results and the next states,
// where the rule does not begin at such an op: there the last op of a formula may
// be the one that is wrong.
func (c *compiled) explainEnds(g *graph.Graph) {
	s := newSite(g, new(scratch))
	for _, n := range g.Nodes() {
		v := n.Out(0)
		if !s.out[v] {
			continue
		}
		if v = through(v); v.Node().Op() == ops.ScatterRowsOp { // into the slots of a pool
			v = through(v.Node().In(2))
		}
		a := Attempt{Rule: c.Rule, Node: v.Node(), site: s, root: v}
		if v.Node().IsLeaf() || slices.Contains(c.roots(), v.Node().Op()) {
			continue
		}
		c.sizes(At{v, s}, func(d Dims) bool {
			if pat := c.pattern(d); pat.err == nil {
				a.noted(pat)
			}
			return true
		})
		if len(a.tried) > 0 {
			c.trace(a)
		}
	}
}

// nearness ranks near misses: the share of the pattern that is there, and of a
// large pattern sooner than of a small one, some of which is everywhere.
func nearness(matched, of int) float64 { return float64(matched) / float64(of+2) }

// String says what came of the attempt in one line.
func (a Attempt) String() string {
	at := fmt.Sprintf("%s at %s", a.Rule.Name, describe(a.Node, ""))
	if a.Fired {
		return at + ": fired"
	}
	s := fmt.Sprintf("%s: %d of %d nodes agree; %s", at, a.Matched, a.Of, a.Miss)
	if a.Hint != "" {
		s += "; " + a.Hint
	}
	return s
}

// maxCandidates is how many attempts of one rule in one part of a graph are looked
// at again: those in which the matcher came furthest.
const maxCandidates = 4

// Explain fuses g and says, for each rule and each part of the graph (scope),
// where the rule fired, or else what came nearest, nearest first. rule and node
// select: a rule's name, a part of a scope or of an op's name; empty selects all
// rules but the canonical ones, and every node.
func Explain(g *graph.Graph, o Options, rule, node string) ([]Attempt, error) {
	type place struct{ rule, scope string }
	candidates := map[place][]Attempt{}
	var all []Attempt
	o.Trace = func(a Attempt) {
		switch {
		case rule == "" && a.Rule.Stage == Canon, rule != "" && a.Rule.Name != rule:
			return
		case node != "" && !strings.Contains(graph.Label(a.Node), node):
			return
		case a.Fired:
			all = append(all, a)
			return
		}
		p := place{a.Rule.Name, a.Node.Scope()}
		c := candidates[p]
		at := len(c)
		for i, had := range c {
			if had.Node == a.Node && had.Matched >= a.Matched { // tried again in a later pass
				return
			}
			if at == len(c) && nearness(a.Matched, a.Of) > nearness(had.Matched, had.Of) {
				at = i
			}
		}
		if c = slices.Insert(c, at, a); len(c) > maxCandidates {
			c = c[:maxCandidates]
		}
		candidates[p] = c
	}
	if _, _, err := Run(g, o); err != nil {
		return nil, err
	}
	for _, a := range all { // a rule that fired there needs no excuse
		delete(candidates, place{a.Rule.Name, a.Node.Scope()})
	}
	for _, c := range candidates {
		for i := range c {
			c[i].diagnose()
		}
		c = slices.DeleteFunc(c, func(a Attempt) bool { return a.Miss == "" })
		if len(c) > 0 {
			slices.SortStableFunc(c, nearer)
			all = append(all, c[0])
		}
	}
	slices.SortFunc(all, nearer)
	return all, nil
}

// nearer orders attempts: those that fired, then the nearest misses.
func nearer(a, b Attempt) int {
	return cmp.Or(-cmp.Compare(b2i(a.Fired), b2i(b.Fired)), -cmp.Compare(nearness(a.Matched, a.Of), nearness(b.Matched, b.Of)),
		-cmp.Compare(b2i(a.refused), b2i(b.refused)),
		cmp.Compare(a.Rule.Name, b.Rule.Name), cmp.Compare(a.Node.ID(), b.Node.ID()))
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
