package graph_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

// line returns this line's and the next one's place, as Origin writes it.
func line() (here, next string) {
	_, _, n, _ := runtime.Caller(1)
	return fmt.Sprintf("origin_test.go:%d", n), fmt.Sprintf("origin_test.go:%d", n+1)
}

// A node knows the line that made it first; copies and what is made in the place
// of a node keep it.
func TestOrigin(t *testing.T) {
	b := graph.NewBuilder()
	x := b.Input("x", graph.ShapeOf(graph.F32, 2))
	_, want := line()
	y := graph.Apply(tAdd, nil, x, x)
	again := graph.Apply(tAdd, nil, x, x)
	if again != y || y.Origin() != want {
		t.Errorf("made at %q, want %q", y.Origin(), want)
	}
	if o := x.Node().Origin(); o != "" {
		t.Errorf("a leaf has a name, and an origin %q", o)
	}
	c := graph.NewBuilder()
	cx := c.Input("x", x.Shape())
	if cy := c.Clone(y, cx, cx); cy.Origin() != want {
		t.Errorf("copy made at %q, want %q", cy.Origin(), want)
	}
	end := c.From(y)
	two := graph.Apply(tAdd, nil, cx, c.Clone(y, cx, cx).Out(0))
	end()
	here, _ := line()
	if two.Origin() != want {
		t.Errorf("made in its place at %q, want %q", two.Origin(), want)
	}
	if three := graph.Apply(tAdd, nil, cx, two.Out(0)); three.Origin() == want || three.Origin() < here {
		t.Errorf("afterwards made at %q", three.Origin())
	}
	end = c.From(nil)
	defer end()
	if o := graph.Apply(tAdd, nil, two.Out(0), two.Out(0)).Origin(); o != "" {
		t.Errorf("from nowhere: %q", o)
	}
}

func TestOriginOfText(t *testing.T) {
	g, err := graph.Parse("%0 = input \"x\" : f32[2]\n\n# note\n%1 = t_add(%0, %0)\noutput \"y\" = %1\n")
	if err != nil {
		t.Fatal(err)
	}
	if o := g.Outputs()[0].Value.Node().Origin(); o != "line 4" {
		t.Errorf("%q, want line 4", o)
	}
}
