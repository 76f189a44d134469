package gorgonia

import (
	"context"
	"unsafe"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// Reference runs graphs on the reference evaluator, ops.Run: slow and accurate,
// with nothing to set up. It keeps states from run to run. Weights and states
// may be fed as if they were inputs; a state not fed begins as zero, and a
// weight keeps what it was fed last. It is not for concurrent use.
type Reference struct{ kept map[string]graph.Tensor }

// RunInto implements Runner.
func (r *Reference) RunInto(ctx context.Context, g *graph.Graph, inputs, outputs map[string]graph.Tensor) error {
	if r.kept == nil {
		r.kept = map[string]graph.Tensor{}
	}
	feeds := map[string]graph.Tensor{}
	for _, n := range g.Nodes() {
		name := n.Name()
		t, fed := inputs[name]
		switch op := n.Op(); {
		case name == "":
			continue
		case op == graph.WeightOp && fed:
			r.kept[name] = t
		case op == graph.WeightOp:
			t, fed = r.kept[name]
		case op == graph.StateOp && !fed:
			if t, fed = r.kept[name]; !fed {
				t, fed = graph.NewTensor(n.Out(0).Shape()), true
			}
		}
		if fed {
			feeds[name] = t
		}
	}
	result, err := ops.Run(g, feeds, ops.WithContext(ctx))
	if err != nil {
		return err
	}
	used := map[unsafe.Pointer]bool{}
	for _, t := range feeds {
		used[memory(t)] = true
	}
	for _, o := range g.Outputs() {
		t := result.Outputs[o.Name]
		into, given := outputs[o.Name]
		switch {
		case given:
			copy(into.F, t.F)
			copy(into.I, t.I)
			copy(into.Raw, t.Raw)
		case used[memory(t)]: // an output is a tensor of its own
			outputs[o.Name] = clone(t)
		default:
			outputs[o.Name] = t
			used[memory(t)] = true
		}
	}
	for name, t := range result.States {
		if used[memory(t)] {
			t = clone(t)
		}
		r.kept[name] = t
	}
	return nil
}

// memory identifies where t lies; what shares memory begins at one place, since
// the evaluator shares whole tensors only.
func memory(t graph.Tensor) unsafe.Pointer {
	switch {
	case t.F != nil:
		return unsafe.Pointer(unsafe.SliceData(t.F))
	case t.I != nil:
		return unsafe.Pointer(unsafe.SliceData(t.I))
	}
	return unsafe.Pointer(unsafe.SliceData(t.Raw))
}

func clone(t graph.Tensor) graph.Tensor {
	c := graph.NewTensor(t.Shape)
	copy(c.F, t.F)
	copy(c.I, t.I)
	copy(c.Raw, t.Raw)
	return c
}
