// Package fusetest holds fusion rules to what they promise. A rule's pattern is a
// graph that can be run, so a test needs nothing but the rule:
//
//	func TestMyRule(t *testing.T) { fusetest.Prove(t, MyRule) }
//
// Prove is all of what follows, each a subtest:
//
//   - Numbers: the rule fires on each of its examples, in every alternative, and
//     changes no result.
//   - Escape: the rule is blocked while something else reads a value that it
//     would remove.
//   - Scramble: the rule fires on its examples in many other spellings.
//   - Mutate: whatever is wrong in its replacement shows in the results.
//
// Golden compares whole graphs before and after with files.
package fusetest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/graph"
)

// Prove runs every check on a rule, which need not be a registered one: it is
// tried together with the default rules, with the canonical ones, and alone.
func Prove(t *testing.T, r *fuse.Rule) {
	t.Run("numbers", func(t *testing.T) { Numbers(t, r) })
	t.Run("escape", func(t *testing.T) { Escape(t, r) })
	t.Run("scramble", func(t *testing.T) { Scramble(t, r) })
	t.Run("mutate", func(t *testing.T) { Mutate(t, r) })
}

const alone = "alone"

// ruleSet is a set of rules that the one under test is run with.
type ruleSet struct {
	name string
	*fuse.Pipeline
}

// ruleSets returns the rule alone, with the canonical rules, and with all.
func ruleSets(t testing.TB, r *fuse.Rule) []ruleSet {
	t.Helper()
	return []ruleSet{
		{alone, pipeline(t, []*fuse.Rule{r})},
		{"with the canonical rules", pipeline(t, with(r, canonical()))},
		{"with all rules", pipeline(t, with(r, fuse.Default()))},
	}
}

func pipeline(t testing.TB, rules []*fuse.Rule) *fuse.Pipeline {
	t.Helper()
	p, err := fuse.NewPipeline(fuse.Options{Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// canonical returns the default canonical rules.
func canonical() []*fuse.Rule {
	return slices.DeleteFunc(fuse.Default(), func(r *fuse.Rule) bool { return r.Stage != fuse.Canon })
}

// with adds the rule to others, in the place of one of its name.
func with(r *fuse.Rule, others []*fuse.Rule) []*fuse.Rule {
	if i := slices.IndexFunc(others, func(o *fuse.Rule) bool { return o.Name == r.Name }); i >= 0 {
		others[i] = r
		return others
	}
	return append(others, r)
}

// example is one graph that a rule claims to find.
type example struct {
	d   fuse.Dims
	alt int
	g   *graph.Graph
}

// String names the sizes that are not zero.
func (e example) String() string {
	var words []string
	v := reflect.ValueOf(e.d)
	for i := range v.NumField() {
		if f := v.Field(i); !f.IsZero() {
			words = append(words, fmt.Sprintf("%s=%v", v.Type().Field(i).Name, f.Interface()))
		}
	}
	if e.alt > 0 {
		words = append(words, fmt.Sprint("alternative=", e.alt))
	}
	return strings.Join(words, " ")
}

// examples returns the rule's examples at every size and in every alternative.
func examples(t testing.TB, r *fuse.Rule) []example {
	t.Helper()
	if len(r.Examples) == 0 {
		t.Fatalf("%s has no examples", r.Name)
	}
	var all []example
	for _, d := range r.Examples {
		n, err := r.Alternatives(d)
		if err != nil {
			t.Fatal(err)
		}
		for alt := range n + 1 {
			g, err := r.Example(d, alt)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, example{d, alt, g})
		}
	}
	return all
}

// run fuses g and returns what the report says of rule r.
func run(t testing.TB, p *fuse.Pipeline, g *graph.Graph, r *fuse.Rule) (*graph.Graph, fuse.RuleReport) {
	t.Helper()
	ng, rep, err := p.Run(g)
	if err != nil {
		t.Fatalf("%v\n%v", err, g)
	}
	return ng, about(rep, r)
}

// about returns what a report says of a rule.
func about(rep *fuse.Report, r *fuse.Rule) fuse.RuleReport {
	for _, rr := range rep.Rules {
		if rr.Name == r.Name {
			return rr
		}
	}
	return fuse.RuleReport{}
}
