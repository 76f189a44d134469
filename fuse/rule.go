// Package fuse rewrites subgraphs. A pattern is itself a graph, written with the
// constructors a model uses; graph and pattern are brought into one canonical
// form, and views never hide a match because the matcher compares which elements
// are read and not how they are addressed.
package fuse

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
)

// Stage orders rules: a stage ends before the next begins, and canonical rules
// run again whenever another has fired.
type Stage int

const (
	Neighbourhood Stage = iota // what is around a fused node; the stage of rules that name none
	Canon                      // one spelling for what can be written in many ways
	Core                       // the recurrence itself
	Absorb                     // operands' preparation into the fused node
	Join                       // fused nodes into one
	Sorting                    // channels that lie interleaved, in the projections that make them
	Projection                 // norms and residuals into the projections beside them
	Block                      // fused nodes that belong together
)

var stageNames = [...]string{"neighbourhood", "canon", "core", "absorb", "join", "sorting", "projection", "block"}

func (s Stage) String() string { return stageNames[s] }

// stages in the order they run; canon runs before each of them.
var stages = []Stage{Core, Absorb, Join, Neighbourhood, Sorting, Projection, Block}

// Dims are the sizes that a pattern is built at. A rule uses the fields that it
// needs and leaves the others zero.
type Dims struct {
	B, T, H, Hk, V, K, G int        // sequences, tokens, value and key heads, head sizes, decay numbers a head
	N, C                 int        // chunks, tokens a chunk
	X                    graph.Ints // extents of the value where a match begins
	Axis                 int
	Parts                graph.Ints
	Variant              int         // spelling, where a rule has several
	Cache                graph.DType // of P.Pool; f32, with which rules are proved, where it is not given
}

// Rule is one fusion.
type Rule struct {
	Name  string
	Doc   string // the formula and what the rule removes
	Stage Stage
	// Roots are the ops that a match can begin at; nil stands for the op of the
	// first output at the example sizes.
	Roots []*graph.Op
	// Sizes proposes the sizes at which the pattern may match at v, a result of
	// a root op. It may propose too much: the match decides. nil proposes the
	// extents of v as X.
	Sizes func(v At, yield func(Dims) bool)
	// Pattern writes the formula at sizes d, declares its outputs and returns
	// the replacement.
	Pattern func(p *P, d Dims) Rewrite
	// Examples are the sizes at which the rule proves itself.
	Examples []Dims
	// Smaller says that a part of the formula is found by itself, so that the rule
	// fires on the rest where something outside reads what joins the two.
	Smaller bool
	// Equivalent lists mutations of the replacement that change nothing, each
	// with the reason (see fusetest.Mutate for their names).
	Equivalent map[string]string
}

// At is a value of the graph at which a match may begin.
type At struct {
	graph.Value
	site *site
}

// Readers returns the nodes that read x, looking through views and copies, in
// the order of the graph.
func (at At) Readers(x graph.Value) []*graph.Node {
	var all []*graph.Node
	var visit func(graph.Value)
	visit = func(v graph.Value) {
		for _, u := range at.site.uses.Of(v.Node()) {
			switch {
			case u.Node.In(u.Operand) != v:
			case u.Operand == 0 && looksThrough(u.Node.Out(0)):
				visit(u.Node.Out(0))
			case !slices.Contains(all, u.Node):
				all = append(all, u.Node)
			}
		}
	}
	visit(x)
	slices.SortFunc(all, func(a, b *graph.Node) int { return a.ID() - b.ID() })
	return all
}

func (r *Rule) sizes(v At, yield func(Dims) bool) {
	if r.Sizes != nil {
		r.Sizes(v, yield)
		return
	}
	yield(Dims{X: graph.IntsOf(v.Shape().Dims()...)})
}

var defaults []*Rule

// register adds a rule of this package to the default set.
func register(r Rule) *Rule {
	defaults = append(defaults, &r)
	return &r
}

// Default returns the rules of this package, by stage and name: the order they
// are tried in. A user's rules are appended to it.
func Default() []*Rule {
	all := slices.Clone(defaults)
	slices.SortFunc(all, func(a, b *Rule) int {
		return cmp.Or(cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// check refuses rules that could not run.
func check(rules []*Rule) error {
	seen := map[string]bool{}
	for _, r := range rules {
		switch {
		case r.Name == "" || seen[r.Name]:
			return fmt.Errorf("fuse: rule %q has no name or one that is taken", r.Name)
		case r.Pattern == nil || len(r.Examples) == 0:
			return fmt.Errorf("fuse: rule %s has no pattern or no examples to prove it", r.Name)
		case r.Stage < Neighbourhood || r.Stage > Block:
			return fmt.Errorf("fuse: rule %s has no stage", r.Name)
		}
		seen[r.Name] = true
	}
	return nil
}
