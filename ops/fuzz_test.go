package ops

import (
	"math/rand/v2"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

// FuzzInfer gives every op hostile operands and attributes in the text of a
// graph: Parse must return, and what it accepts must print and evaluate.
func FuzzInfer(f *testing.F) {
	for _, op := range graph.Ops() {
		if op.Cases == nil {
			continue
		}
		for c := range op.Cases {
			b := graph.NewBuilder()
			var in []graph.Value
			for i, s := range c.In {
				in = append(in, b.Input(string(rune('a'+i)), s))
			}
			n := b.Apply(op, c.Attrs, in...)
			b.Output("y", n.Out(0))
			g, err := b.Build()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(g.String())
			break
		}
	}
	f.Add("%0 = input \"x\" : f32[3]\n%1 = slice(%0) {axis=-1, start=9223372036854775807, n=-9223372036854775808}\noutput \"y\" = %1\n")
	f.Add("%0 = input \"x\" : f32[281474976710656]\n%1 = repeat(%0) {n=9223372036854775807, mode=tiled}\noutput \"y\" = %1\n")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := graph.Parse(text)
		if err != nil {
			return
		}
		if again, err := graph.Parse(g.String()); err != nil || again.String() != g.String() {
			t.Fatalf("%v\n%v\n%v", err, g, again)
		}
		if err := g.Verify(); err != nil {
			t.Fatal(err)
		}
		// Small graphs run, whatever the data is: with a result or an error.
		feeds := map[string]graph.Tensor{}
		r := rand.New(rand.NewPCG(1, 1))
		work := 0
		for _, n := range g.Nodes() {
			for i := range n.NumOut() {
				work += n.Out(i).Shape().Len()
			}
			if work > 1e4 || work < 0 {
				return
			}
			if n.Name() == "" {
				continue
			}
			x := graph.NewTensor(n.Out(0).Shape())
			fillNormal(x.F, r)
			for i := range x.I {
				x.I[i] = int32(r.IntN(9) - 2)
			}
			feeds[n.Name()] = x
		}
		_, _ = Run(g, feeds, MaxBytes(1<<20))
	})
}
