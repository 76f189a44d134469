package nearmiss

import (
	"flag"
	"regexp"
	"testing"

	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/graph"
)

var all = flag.Bool("all", false, "fuse every mutant, which takes a minute")

// fused is how many mutants of one form are fused unless all are: spread evenly
// over them.
const fused = 150

// seeds is how many sets of inputs each graph is run on.
const seeds = 2

// mutant is a graph that differs from a form in one way.
type mutant struct {
	name string
	g    *graph.Graph
	more bool // the form's results, and one that shows a value inside
}

// mutants returns the distinct graphs that the operators make of a form, and
// those that are written by hand.
func (f form) mutants(t testing.TB) (list, written []mutant) {
	g := f.graph(t)
	w := newWalk(g)
	seen := map[string]bool{g.Fingerprint(): true}
	add := func(to *[]mutant, m mutant) {
		if m.g == nil {
			return
		}
		if id := m.g.Fingerprint(); !seen[id] {
			seen[id] = true
			*to = append(*to, m)
		}
	}
	for _, p := range pairs {
		for _, n := range g.Nodes() {
			if p.form == f.name && p.node == w.name[n] {
				add(&written, mutant{name: p.node + ": " + p.name, g: w.at(n, p.edit)})
			}
		}
	}
	for _, n := range g.Nodes() {
		for _, o := range operators {
			o(w, n, func(name string, e edit) { add(&list, mutant{name: w.name[n] + ": " + name, g: w.at(n, e)}) })
		}
	}
	exposures(w, func(name string, g *graph.Graph) { add(&list, mutant{name: name, g: g, more: true}) })
	return list, written
}

// byHand returns the mutants that are other formulas.
func byHand(t testing.TB) map[string][]mutant {
	m := map[string][]mutant{}
	for _, x := range formulas {
		for name, build := range map[string]func(*graph.Builder){
			"step/head": step(1, x.step), "step/channel": step(size, x.step),
			"unrolled2/head": unrolled(2, 1, x.step), "unrolled3/channel": unrolled(3, size, x.step),
		} {
			m[name] = append(m[name], mutant{name: x.name, g: form{name: x.name, build: build}.graph(t)})
		}
	}
	return m
}

// equivalent are the mutants that compute what the delta net computes, and why.
var equivalent = []struct {
	name *regexp.Regexp // of form and mutant
	why  string
}{
	{regexp.MustCompile(`^(chunks|layer/chunked).* reads (diag0|broadcast1) transposed$`), "an identity is its own transpose"},
	{regexp.MustCompile(`^(chunks|layer/chunked).* tri0: left out for `), "the mask before exp only keeps it from overflowing: the products are masked too"},
	{regexp.MustCompile(`^(chunks|layer/chunked).* tri0: with {Kind:strict_lower}$`), "G_i - G_i is 0 before the mask as behind it"},
	{regexp.MustCompile(`^(chunks|layer/chunked).* sub0: operand 1 is cumsum0, `), "the transpose of a transpose"},
	{regexp.MustCompile(`^layer/chunked mul3: operand 0 is exp0, not tri1$`), "the second mask behind exp comes before that of the product"},
	{regexp.MustCompile(`^layer/chunked slice0: with {Axis:3 Start:62 `), "G is the same for all tokens that fill the chunk"},
}

func isEquivalent(name string) string {
	for _, e := range equivalent {
		if e.name.MatchString(name) {
			return e.why
		}
	}
	return ""
}

// TestForms shows that the forms themselves are found: else the rest would say
// nothing.
func TestForms(t *testing.T) {
	for _, f := range forms {
		g := f.graph(t)
		ng, rep, err := fuse.Run(g, fuse.Options{})
		if err != nil {
			t.Fatal(err)
		}
		in := feeds(g, 1)
		if why := differ(results(t, g, in), results(t, ng, in)); why != "" || rep.DeltaNets != 1 {
			t.Errorf("%s: %d delta nets, want 1; %s", f.name, rep.DeltaNets, why)
		}
	}
}

// TestNoFalseMatch fuses graphs that differ from a delta net in one way. Each
// computes something else, or is known not to, and fusion keeps what it computes.
func TestNoFalseMatch(t *testing.T) {
	hand := byHand(t)
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			list, written := f.mutants(t)
			if have := len(list) + len(written) + len(hand[f.name]); have != f.count {
				t.Errorf("%s: %d mutants, want %d", f.name, have, f.count)
			}
			limit := fused
			if testing.Short() {
				limit = 20
			}
			every := 1
			if !*all {
				every = (len(list) + limit - 1) / limit
			}
			run := append(written, hand[f.name]...)
			for i := 0; i < len(list); i += every {
				run = append(run, list[i])
			}
			var base [seeds]map[string]graph.Tensor
			for seed := range base {
				g := f.graph(t)
				base[seed] = results(t, g, feeds(g, uint64(seed)))
			}
			pipeline, err := fuse.NewPipeline(fuse.Options{})
			if err != nil {
				t.Fatal(err)
			}
			same, nets := 0, 0
			for _, m := range run {
				is, n := check(t, pipeline, f, base, m)
				nets += n
				if is {
					same++
				}
			}
			t.Logf("%d of %d mutants fused; %d of them equivalent; %d delta nets found in parts of them", len(run), f.count, same, nets)
		})
	}
}

// check fuses one mutant and reports whether it computes what the delta net does,
// and the delta nets that were found in it.
func check(t *testing.T, p *fuse.Pipeline, f form, base [seeds]map[string]graph.Tensor, m mutant) (same bool, nets int) {
	name := f.name + " " + m.name
	ng, rep, err := p.Run(m.g)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return false, 0
	}
	same = true
	for seed := range base {
		in := feeds(m.g, uint64(seed))
		want := results(t, m.g, in)
		if why := differ(want, results(t, ng, in)); why != "" {
			t.Errorf("%s: rewritten into something else: %s\n%v\n%v", name, why, m.g, ng)
			return false, rep.DeltaNets
		}
		if m.more {
			delete(want, "exposed")
		}
		same = same && differ(base[seed], want) == ""
	}
	why := isEquivalent(name)
	switch {
	case m.more && !same:
		t.Errorf("%s: another reader changes what is computed", name)
	case !m.more && same && why == "":
		t.Errorf("%s: computes what the delta net computes", name)
	case !m.more && !same && why != "":
		t.Errorf("%s: does not compute what the delta net computes, though %s", name, why)
	}
	return same && !m.more, rep.DeltaNets
}
