package fuse

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/deltaloom/deltaloom/graph"
)

// Options configures Run. The zero value runs the default rules.
type Options struct {
	Rules   []*Rule         // nil: Default()
	Disable map[string]bool // rules, by name, that do not run
	Trace   func(Attempt)   // is told of every attempt to match; see Explain
	// Supports says why a backend cannot run a node, nil if it can. A fused node
	// that it refuses is taken apart again. nil accepts every node.
	Supports func(*graph.Node) error
}

// maxPasses ends a set of rules that undo each other. Every canonical rule
// lowers the number of nodes or of views, so the default rules need a dozen.
const maxPasses = 256

// maxNodes bounds the depth of what passes walk; a model of 200 layers has a tenth.
const maxNodes = 1 << 19

// patterns is a rule with its patterns by size.
type patterns struct {
	*Rule
	canon    []*compiled // what they are brought into form with
	bySize   map[Dims]*pattern
	rootOps  []*graph.Op
	reach    int // see depth
	sketches []*pattern
}

// compiled is a rule with its patterns and what it has done.
type compiled struct {
	*patterns
	stat    RuleReport
	refused map[string]int // reason -> index in stat.Refused
	trace   func(Attempt)
}

func compileRules(rules []*Rule, disable map[string]bool) []*compiled {
	fresh := func(p *patterns) *compiled { return &compiled{patterns: p, refused: map[string]int{}} }
	var all, canon, raw []*compiled // canon is for patterns, so that the report counts the graph alone
	for _, r := range rules {
		if disable[r.Name] {
			continue
		}
		p := &patterns{Rule: r, bySize: map[Dims]*pattern{}}
		all = append(all, fresh(p))
		if r.Stage == Canon {
			canon = append(canon, fresh(p))
			raw = append(raw, fresh(&patterns{Rule: r, bySize: map[Dims]*pattern{}}))
		}
	}
	for _, c := range all {
		c.canon = canon
		if c.Stage == Canon { // what the other canonical rules leave of its pattern
			c.canon = slices.DeleteFunc(slices.Clone(raw), func(o *compiled) bool { return o.Rule == c.Rule })
		}
	}
	return all
}

func (c *patterns) pattern(d Dims) *pattern {
	p, ok := c.bySize[d]
	if !ok {
		p = c.Rule.compile(d, c.canon)
		c.bySize[d] = p
	}
	return p
}

// roots returns the ops that a match can begin at.
func (c *patterns) roots() []*graph.Op {
	if c.rootOps == nil {
		c.rootOps = c.Roots
		if len(c.Roots) == 0 {
			if p := c.pattern(c.Examples[0]); p.err == nil {
				c.rootOps = []*graph.Op{p.root.Node().Op()}
			}
		}
	}
	return c.rootOps
}

// depth returns how many computing nodes lie on the longest way through the
// pattern. Core patterns grow with their sizes, so they are taken to reach
// everything.
func (c *patterns) depth() int {
	if c.Stage == Core {
		return far
	}
	if c.reach == 0 {
		c.reach = far
		if p := c.pattern(c.Examples[0]); p.err == nil {
			c.reach = p.depth
		}
	}
	return c.reach
}

// resembles is a quick look at the ops below n, by the patterns at the example
// sizes: false only where no size can match.
func (c *compiled) resembles(n *graph.Node) bool {
	if c.trace != nil { // near misses are to be explained
		return true
	}
	if c.sketches == nil {
		for _, d := range c.Examples {
			if p := c.pattern(d); p.err == nil {
				c.sketches = append(c.sketches, p)
			}
		}
	}
	for _, p := range c.sketches {
		for i := range n.NumOut() {
			if couldMatch(p.root, n.Out(i), p, 2, false) {
				return true
			}
		}
	}
	return false
}

// try matches the rule at v.
func (c *compiled) try(s *site, v graph.Value, claimed []bool) *Match {
	t := trial{compiled: c, site: s, root: v, claimed: claimed}
	if c.trace != nil {
		t.at = &Attempt{Rule: c.Rule, Node: v.Node(), site: s, root: v}
	}
	c.sizes(At{v, s}, t.size)
	if t.at != nil && (t.match != nil || t.at.Of > 0) {
		t.at.Fired = t.match != nil
		c.trace(*t.at)
	}
	return t.match
}

// trial is a rule that is tried at one value, size after size.
type trial struct {
	*compiled
	site    *site
	root    graph.Value
	claimed []bool
	at      *Attempt // nil where nobody asks
	counted bool
	match   *Match
}

// size tries one size and reports whether to go on.
func (t *trial) size(d Dims) bool {
	if t.match != nil { // a Sizes that goes on all the same
		return false
	}
	pat := t.pattern(d)
	if pat.err != nil {
		t.refuse(pat.err.Error(), t.root.Node())
		return true
	}
	var note noteFunc
	if t.at != nil {
		note = t.at.noted(pat)
	}
	if !t.counted && couldMatch(pat.root, t.root, pat, 2, true) {
		t.counted = true
		t.stat.Tried++
	}
	found, why := t.site.find(pat, t.root, t.claimed, note)
	if found != nil {
		t.match = found
		t.stat.Fired++
		return false
	}
	if why != errNoMatch {
		t.refuse(why.Error(), t.root.Node())
		if t.at != nil {
			t.at.refuse(pat, why)
		}
	}
	return true
}

// Run fuses g: canonical rules first, then each stage until none of its rules
// fires. The graph given is not changed. The error is a rule's own mistake.
func Run(g *graph.Graph, o Options) (*graph.Graph, *Report, error) {
	p, err := NewPipeline(o)
	if err != nil {
		return nil, nil, err
	}
	return p.Run(g)
}

// Pipeline is Run for many graphs: it writes each pattern once. It is not for
// concurrent use.
type Pipeline struct {
	rules    []*compiled
	trace    func(Attempt)
	supports func(*graph.Node) error
}

// NewPipeline refuses rules that could not run.
func NewPipeline(o Options) (*Pipeline, error) {
	rules := o.Rules
	if rules == nil {
		rules = Default()
	}
	if err := check(rules); err != nil {
		return nil, err
	}
	return &Pipeline{compileRules(rules, o.Disable), o.Trace, o.Supports}, nil
}

// Run fuses g as the function Run does.
func (p *Pipeline) Run(g *graph.Graph) (*graph.Graph, *Report, error) {
	if n := len(g.Nodes()); n > maxNodes {
		return nil, nil, fmt.Errorf("fuse: a graph of %d nodes, more than %d", n, maxNodes)
	}
	start := time.Now()
	byStage := map[Stage]*group{Canon: {}}
	for _, st := range stages {
		byStage[st] = &group{}
	}
	for _, c := range p.rules {
		c.trace, c.refused = p.trace, map[string]int{}
		c.stat = RuleReport{Name: c.Name, Stage: c.Stage.String()}
		byStage[c.Stage].rules = append(byStage[c.Stage].rules, c)
	}
	report := &Report{Before: g.Stats()}
	g, err := copyGraph(g)
	w := newWork(g, slices.Collect(maps.Values(byStage))...)
	if err == nil {
		err = w.canonicalise(byStage[Canon])
	}
	for _, st := range stages {
		for n, fired := 0, 1; err == nil && fired > 0; n++ {
			if n == maxPasses {
				err = fmt.Errorf("fuse: the %v rules do not come to an end", st)
				break
			}
			if fired, err = w.pass(byStage[st]); fired > 0 && err == nil {
				err = w.canonicalise(byStage[Canon])
			}
		}
	}
	if err == nil {
		g, err = copyGraph(w.g)
	}
	if err == nil && p.supports != nil {
		g, report.Decomposed, err = decompose(g, p.supports)
	}
	if err != nil {
		return nil, nil, err
	}
	for _, c := range p.rules {
		sort.SliceStable(c.stat.Refused, func(i, j int) bool { return c.stat.Refused[i].Count > c.stat.Refused[j].Count })
		report.Rules = append(report.Rules, c.stat)
	}
	report.After, report.Seconds = g.Stats(), time.Since(start).Seconds()
	report.DeltaNets = DeltaNets(g.Nodes()...)
	return g, report, nil
}

// canonicalise runs canonical rules until none fires.
func (w *work) canonicalise(canon *group) error {
	for range maxPasses {
		if fired, err := w.pass(canon); err != nil || fired == 0 {
			return err
		}
	}
	return fmt.Errorf("fuse: the canonical rules do not come to an end")
}
