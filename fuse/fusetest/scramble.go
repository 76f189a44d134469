package fusetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/fuse/fusetest/scramble"
	"github.com/deltaloom/deltaloom/graph"
)

// spellings is the number of scrambled graphs a rule has to see through, and
// shortSpellings that of go test -short.
const spellings, shortSpellings = 200, 20

// Scramble spells the rule's examples in 200 other ways (20 with -short), each
// made by at least five families of kinds that changed something. The rule must
// fire on every one, and fusion must arrive at what it arrives at from the plain
// spelling, views and rounded numbers aside, so that firing somewhere else does not
// count. Half
// of the graphs, and all that are too small to be spelled in five ways alone,
// stand inside a larger graph.
//
// Kinds that spell a canonical rule's formula as what the other canonical rules
// make of it leave nothing to fire on: fusion arrives there without the rule. Such
// kinds, and combinations of them, are found, logged and left out. No other rule
// may leave out anything.
func Scramble(t *testing.T, r *fuse.Rule) {
	s := scrambles{r: r, rules: pipeline(t, with(r, fuse.Default())), canon: canonPipeline(t, r), all: examples(t, r)}
	kinds := s.foreign(t)
	n := spellings
	if testing.Short() {
		n = shortSpellings
	}
	failed, done := 0, 0
	var inverse [][]scramble.Step
	for seed := uint64(0); done < n; seed++ {
		if seed == uint64(8*n) {
			t.Fatalf("%s is left out of too many spellings: %v", r.Name, inverse)
		}
		e := s.all[seed%uint64(len(s.all))]
		plain, steps := spell(t, e.g, seed, kinds)
		if n := len(scramble.Families(steps)); n < scramble.MinFamilies {
			t.Fatalf("%v, seed %d: only %d families of kinds changed something: %v", e, seed, n, steps)
		}
		if slices.ContainsFunc(inverse, func(c []scramble.Step) bool { return contains(steps, c) }) {
			continue
		}
		err := s.found(plain, steps, seed)
		if errors.Is(err, errNothing) && r.Stage == fuse.Canon {
			few := fewer(steps, func(st []scramble.Step) bool { return errors.Is(s.found(plain, st, seed), errNothing) })
			inverse = append(inverse, few)
			t.Logf("left out, for together they leave %s nothing to fire on: %v", r.Name, few)
			continue
		}
		done++
		if err != nil {
			if failed++; failed == 1 { // in full
				steps = fewer(steps, func(st []scramble.Step) bool { return s.found(plain, st, seed) != nil })
				spelled, _ := scramble.Apply(plain, steps...)
				t.Errorf("%v, seed %d: %v: %v\nplain\n%vspelled\n%v", e, seed, steps, s.found(plain, steps, seed), plain, spelled)
			}
		}
	}
	if failed > 0 {
		t.Errorf("%s fails on %d of %d spellings", r.Name, failed, n)
	}
}

// contains reports that all of the kinds of some steps are among those of others.
func contains(steps, some []scramble.Step) bool {
	return !slices.ContainsFunc(some, func(a scramble.Step) bool {
		return !slices.ContainsFunc(steps, func(b scramble.Step) bool { return a.Kind.String() == b.Kind.String() })
	})
}

// scrambles is what the spellings of one rule are tried with.
type scrambles struct {
	r            *fuse.Rule
	rules, canon *fuse.Pipeline
	all          []example
}

// spell returns g, perhaps inside a larger graph, and the steps to another
// spelling of that.
func spell(t *testing.T, g *graph.Graph, seed uint64, kinds []scramble.Kind) (plain *graph.Graph, steps []scramble.Step) {
	t.Helper()
	var err error
	for _, embed := range []bool{seed%2 == 1, true} {
		if plain = g; embed {
			if plain, err = scramble.Embed(g, seed); err != nil {
				t.Fatal(err)
			}
		}
		if _, steps, err = scramble.Graph(plain, seed, kinds); err != nil {
			t.Fatal(err)
		}
		if len(scramble.Families(steps)) >= scramble.MinFamilies {
			break
		}
	}
	return plain, steps
}

// errNothing says that fusion arrives where it should without the rule.
var errNothing = errors.New("nothing was left to fire on")

// found reports how fusion of a spelling differs from fusion of the plain graph.
func (s *scrambles) found(plain *graph.Graph, steps []scramble.Step, seed uint64) error {
	spelled, err := scramble.Apply(plain, steps...)
	if err != nil {
		return err
	}
	if err := same(plain, spelled, seed, seed+1, seed+2); err != nil {
		return fmt.Errorf("the scrambler is wrong: %w", err)
	}
	want, _, err := s.fused(plain)
	if err != nil {
		return err
	}
	have, fired, err := s.fused(spelled)
	if err != nil {
		return err
	}
	if err := same(spelled, have, seed, seed+1, seed+2); err != nil {
		return fmt.Errorf("fusion is wrong: %w\n%v", err, have)
	}
	switch h, w := skeleton(have), skeleton(want); {
	case h != w:
		return fmt.Errorf("fired %d times; fusion leaves %s\nwant %s\n%v", fired, h, w, have)
	case fired == 0:
		return errNothing
	}
	return notMore(s.canon, spelled)
}

// fused runs all rules and says how often the one under test has fired.
func (s *scrambles) fused(g *graph.Graph) (ng *graph.Graph, fired int, err error) {
	ng, rep, err := s.rules.Run(g)
	if err != nil {
		return nil, 0, err
	}
	return ng, about(rep, s.r).Fired, nil
}

// fewer leaves steps out as long as the rest fails.
func fewer(steps []scramble.Step, fails func([]scramble.Step) bool) []scramble.Step {
	for i := 0; i < len(steps); {
		if less := slices.Delete(slices.Clone(steps), i, i+1); fails(less) {
			steps, i = less, 0
		} else {
			i++
		}
	}
	return steps
}

// foreign returns the kinds that leave the rule something to fire on.
func (s *scrambles) foreign(t *testing.T) []scramble.Kind {
	t.Helper()
	if s.r.Stage != fuse.Canon {
		return scramble.Kinds()
	}
	plain := make([]string, len(s.all))
	for i, e := range s.all {
		g, _, err := s.fused(e.g)
		if err != nil {
			t.Fatal(err)
		}
		plain[i] = skeleton(g)
	}
	return slices.DeleteFunc(scramble.Kinds(), func(k scramble.Kind) bool {
		for i, e := range s.all {
			spelled, err := scramble.Apply(e.g, scramble.Step{Kind: k, Seed: uint64(i), Rate: 1})
			if err != nil {
				t.Fatal(err)
			}
			if spelled.Fingerprint() == e.g.Fingerprint() {
				continue
			}
			g, fired, err := s.fused(spelled)
			if err != nil {
				t.Fatal(err)
			}
			if fired == 0 && skeleton(g) == plain[i] {
				t.Logf("left out, for it leaves %s nothing to fire on: %v", s.r.Name, k)
				return true
			}
		}
		return false
	})
}
