package fuse

import "testing"

// Each example of each rule is found by its rule in the full set.
func TestExamplesFire(t *testing.T) {
	for _, r := range Default() {
		for _, d := range r.Examples {
			g, err := r.Example(d, 0)
			if err != nil {
				t.Fatal(err)
			}
			ng, rep, err := Run(g, Options{})
			if err != nil {
				t.Fatalf("%s %+v: %v", r.Name, d, err)
			}
			for _, rr := range rep.Rules {
				if rr.Name == r.Name && rr.Fired == 0 {
					t.Errorf("%s %+v: did not fire\nbefore\n%vafter\n%v", r.Name, d, g, ng)
				}
			}
		}
	}
}
