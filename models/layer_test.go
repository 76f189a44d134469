package models_test

import (
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/models"
)

// Every weight, state and computing node of a layer of a built graph tells its layer.
func TestLayerOf(t *testing.T) {
	c, err := models.ByName("qwen3-next-tiny")
	if err != nil {
		t.Fatal(err)
	}
	g, err := models.Build(c, models.Step{Seqs: 1, Tokens: 1})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[*graph.Op]map[int]bool{graph.WeightOp: {}, graph.StateOp: {}, nil: {}}
	for _, n := range g.Nodes() {
		op, name := n.Op(), n.Name()
		if name == "" {
			op, name = nil, n.Scope()
		}
		if layer, ok := models.LayerOf(name); ok {
			if seen[op] == nil {
				t.Fatalf("%s: %s has layer %d", op.Name, name, layer)
			}
			seen[op][layer] = true
		}
	}
	for op, layers := range seen {
		for i := range c.Layers {
			if !layers[i] {
				t.Errorf("layer %d: no name of op %v tells it", i, op)
			}
		}
		if len(layers) != c.Layers {
			t.Errorf("op %v: layers %v, want %d", op, layers, c.Layers)
		}
	}
	for _, name := range []string{"output", "embed", "token_embd.weight", "blk.x.ffn", "state_l"} {
		if layer, ok := models.LayerOf(name); ok {
			t.Errorf("%q has layer %d", name, layer)
		}
	}
}
