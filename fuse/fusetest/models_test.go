package fusetest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/models"
)

// tiny is a step of the tiny model, with what it is fed.
type tiny struct {
	g     *graph.Graph
	feeds map[string]graph.Tensor
}

func newTiny(t testing.TB, tokens int) tiny {
	t.Helper()
	c, err := models.ByName("qwen3.5-tiny")
	if err != nil {
		t.Fatal(err)
	}
	step := models.Step{Tokens: tokens}
	g, err := models.Build(c, step)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(9, uint64(tokens)))
	ids := make([]int32, tokens)
	for i := range ids {
		ids[i] = int32(r.IntN(c.Vocab))
	}
	feeds, err := step.Feeds(models.Sequence{Tokens: ids})
	if err != nil {
		t.Fatal(err)
	}
	weights := models.Synthetic(c, 3)
	for _, n := range g.Nodes() {
		switch n.Op() {
		case graph.WeightOp:
			if feeds[n.Name()], err = weights.Tensor(n.Name()); err != nil {
				t.Fatal(err)
			}
		case graph.StateOp:
			s := graph.NewTensor(n.Out(0).Shape())
			for i := range s.F {
				s.F[i] = float32(0.1 * r.NormFloat64())
			}
			feeds[n.Name()] = s
		}
	}
	return tiny{g, feeds}
}

// check compares the results of a fused graph with those of the model.
func (m tiny) check(want map[string]graph.Tensor, fused *graph.Graph) error {
	have, err := results(fused, m.feeds)
	if err != nil {
		return err
	}
	if len(have) != len(want) {
		return fmt.Errorf("%d results, want %d", len(have), len(want))
	}
	for name, w := range want {
		h := have[name]
		if h.Shape != w.Shape {
			return fmt.Errorf("%s is %v, want %v", name, h.Shape, w.Shape)
		}
		if e, ok := nmse(h, w); !ok || !(e <= maxNMSE) {
			return fmt.Errorf("%s: NMSE %.3g", name, e)
		}
	}
	return nil
}

// Any set of rules gives the same numbers: deleting one changes speed, never the
// answer.
func TestDisabledRules(t *testing.T) {
	sets := 12
	if testing.Short() {
		sets = 2
	}
	for _, tokens := range []int{1, 70} {
		t.Run(fmt.Sprintf("%d tokens", tokens), func(t *testing.T) {
			t.Parallel()
			m := newTiny(t, tokens)
			want, err := results(m.g, m.feeds)
			if err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(21, uint64(tokens)))
			for i := range sets {
				off := map[string]bool{}
				var names []string
				for _, rule := range fuse.Default() {
					if i > 0 && r.IntN(1+i%3*2) > 0 { // none, a half or most of them
						off[rule.Name] = true
						names = append(names, rule.Name)
					}
				}
				g, _, err := fuse.Run(m.g, fuse.Options{Disable: off})
				if err == nil {
					err = m.check(want, g)
				}
				if err != nil {
					t.Errorf("without %s: %v", strings.Join(names, ", "), err)
				}
			}
		})
	}
}

// The same graph gives the same text, however often it is built and fused.
func TestDeterminism(t *testing.T) {
	for _, tokens := range []int{1, 70} {
		first := ""
		for range 3 {
			g, _, err := fuse.Run(newTiny(t, tokens).g, fuse.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if first == "" {
				first = g.String()
			}
			if g.String() != first {
				t.Fatalf("%d tokens: two texts\n%s\n%v", tokens, first, g)
			}
			again, rep, err := fuse.Run(g, fuse.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if again.String() != first {
				t.Errorf("%d tokens: what is fused is fused again: %+v\n%s\n%v", tokens, rep.Rules, first, again)
			}
		}
	}
}

// The canonical rules raise neither nodes nor bytes of whole models.
func TestCanonicalOnModels(t *testing.T) {
	canon := pipeline(t, canonical())
	for _, name := range models.Names() {
		for _, tokens := range []int{1, 70} {
			if large := !strings.Contains(name, "tiny"); large && (tokens > 1 || testing.Short()) {
				continue
			}
			c, err := models.ByName(name)
			if err != nil {
				t.Fatal(err)
			}
			g, err := models.Build(c, models.Step{Tokens: tokens})
			if err != nil {
				t.Fatal(err)
			}
			if err := notMore(canon, g); err != nil {
				t.Errorf("%s, %d tokens: %.400v", name, tokens, err)
			}
		}
	}
}
