package fusetest

import (
	"fmt"
	"testing"

	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/graph"
)

// Numbers checks that the rule fires on each of its examples, in every
// alternative, alone and beside other rules, and that the results stay: NMSE at
// most 1e-10 on random inputs. Nor may the canonical rules, with this one if it is
// one, leave more compute nodes or bytes than there were.
func Numbers(t *testing.T, r *fuse.Rule) {
	sets, canon := ruleSets(t, r), canonPipeline(t, r)
	for _, e := range examples(t, r) {
		for _, set := range sets {
			g, rep := run(t, set.Pipeline, e.g, r)
			if rep.Fired == 0 {
				t.Errorf("%v: %s did not fire %s: %v\nbefore\n%vafter\n%v", e, r.Name, set.name, rep.Refused, e.g, g)
			}
			if err := same(e.g, g, 1, 2, 3, 4, 5, 6); err != nil {
				t.Errorf("%v: %s: %v\nbefore\n%vafter\n%v", e, set.name, err, e.g, g)
			}
		}
		if err := notMore(canon, e.g); err != nil {
			t.Errorf("%v: %v", e, err)
		}
	}
}

// canonPipeline is the canonical rules, with this one if it is one.
func canonPipeline(t testing.TB, r *fuse.Rule) *fuse.Pipeline {
	t.Helper()
	rules := canonical()
	if r.Stage == fuse.Canon {
		rules = with(r, rules)
	}
	return pipeline(t, rules)
}

// notMore reports that canonical rules leave more than they found.
func notMore(canon *fuse.Pipeline, g *graph.Graph) error {
	ng, rep, err := canon.Run(g)
	if err != nil {
		return err
	}
	if b, a := rep.Before, rep.After; a.Compute > b.Compute || a.Bytes > b.Bytes {
		return fmt.Errorf("the canonical rules make %d compute nodes of %d, %d bytes of %d\nbefore\n%vafter\n%v",
			a.Compute, b.Compute, a.Bytes, b.Bytes, g, ng)
	}
	return nil
}
