package fuse

import (
	"errors"
	"fmt"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/models"
	"github.com/deltaloom/deltaloom/ops"
)

// A backend that refuses the coarse node gets the finer ones, and where it
// refuses those too, plain ops; other nodes stay as they are.
func TestDecompose(t *testing.T) {
	c, err := models.ByName("qwen3.5-tiny")
	if err != nil {
		t.Fatal(err)
	}
	g, err := models.Build(c, models.Step{Tokens: 3})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		refuse map[*graph.Op]bool
		want   map[string]int
		lines  int
	}{
		{nil, map[string]int{"delta_block": 3, "norm_linear": 5}, 0},
		{map[*graph.Op]bool{ops.DeltaBlockOp: true}, map[string]int{"conv_slots": 3, "delta_slots": 3, "gated_norm": 3, "norm_linear": 5}, 1},
		{map[*graph.Op]bool{ops.DeltaBlockOp: true, ops.DeltaSlotsOp: true, ops.DeltaNetOp: true},
			map[string]int{"conv_slots": 3, "gated_delta_net": 3, "gated_norm": 3, "softplus": 3, "norm_linear": 5}, 3},
	} {
		ng, report, err := Run(g, Options{Supports: func(n *graph.Node) error {
			if x.refuse[n.Op()] {
				return fmt.Errorf("no kernel: %w", errors.ErrUnsupported)
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		for op, n := range x.want {
			if have := report.After.Ops[op]; have != n {
				t.Errorf("%d %s, want %d: %v", have, op, n, report.After.Ops)
			}
		}
		if len(report.Decomposed) != x.lines || report.DeltaNets != 3 {
			t.Errorf("%d delta nets, decomposed %v", report.DeltaNets, report.Decomposed)
		}
		if err := ng.Verify(); err != nil {
			t.Error(err)
		}
	}
}
