package gorgonia

import (
	"context"
	"fmt"

	"gorgonia.org/tensor"

	"github.com/deltaloom/deltaloom/graph"
)

// Runner runs a graph on inputs by name. A tensor in outputs is written in
// place, one that is missing is added. A Session of runtime/sched is one, and so
// is Reference.
type Runner interface {
	RunInto(ctx context.Context, g *graph.Graph, inputs, outputs map[string]graph.Tensor) error
}

// Run computes g on r from feeds, which it reads in place, and returns all its
// outputs. A nil Runner stands for a new Reference.
func Run(ctx context.Context, r Runner, g *graph.Graph, feeds map[string]*tensor.Dense) (map[string]*tensor.Dense, error) {
	fetches := map[string]*tensor.Dense{}
	if err := run(ctx, r, g, feeds, fetches, true); err != nil {
		return nil, err
	}
	return fetches, nil
}

// RunInto is Run for the outputs named in fetches, which are written in place;
// one whose tensor is nil gets a new one.
func RunInto(ctx context.Context, r Runner, g *graph.Graph, feeds, fetches map[string]*tensor.Dense) error {
	return run(ctx, r, g, feeds, fetches, false)
}

func run(ctx context.Context, r Runner, g *graph.Graph, feeds, fetches map[string]*tensor.Dense, all bool) (err error) {
	defer recovered(&err)
	if r == nil {
		r = &Reference{}
	}
	inputs, err := feed(g, feeds, r)
	if err != nil {
		return err
	}
	outputs := map[string]graph.Tensor{}
	known := map[string]bool{}
	for _, o := range g.Outputs() {
		known[o.Name] = true
		if d := fetches[o.Name]; d != nil {
			t, err := FromDense(d)
			if err == nil && t.Shape != o.Value.Shape() {
				err = fmt.Errorf("%v for %v", t.Shape, o.Value.Shape())
			}
			if err != nil {
				return fmt.Errorf("gorgonia: output %q: %w", o.Name, err)
			}
			outputs[o.Name] = t
		}
	}
	for name := range fetches {
		if !known[name] {
			return fmt.Errorf("gorgonia: the graph has no output %q", name)
		}
	}
	if err := r.RunInto(ctx, g, inputs, outputs); err != nil {
		return err
	}
	for name := range known {
		if d, wanted := fetches[name]; d == nil && (wanted || all) {
			if fetches[name], err = ToDense(outputs[name]); err != nil {
				return fmt.Errorf("gorgonia: output %q: %w", name, err)
			}
		}
	}
	return nil
}

// feed shares the tensors that g reads; a name that it does not have is more
// likely a mistake than meant.
func feed(g *graph.Graph, feeds map[string]*tensor.Dense, r Runner) (map[string]graph.Tensor, error) {
	leaves := map[string]*graph.Node{}
	for _, n := range g.Nodes() {
		if n.Name() != "" {
			leaves[n.Name()] = n
		}
	}
	inputs := map[string]graph.Tensor{}
	for name, d := range feeds {
		n := leaves[name]
		_, holds := r.(*Reference)
		switch {
		case n == nil:
			return nil, fmt.Errorf("gorgonia: the graph reads no %q", name)
		case n.Op() != graph.InputOp && !holds:
			return nil, fmt.Errorf("gorgonia: %s: weights and states are the runner's", graph.Label(n))
		}
		t, err := FromDense(d)
		if err == nil && t.Shape != n.Out(0).Shape() {
			err = fmt.Errorf("fed %v, want %v", t.Shape, n.Out(0).Shape())
		}
		if err != nil {
			return nil, fmt.Errorf("gorgonia: %s: %w", graph.Label(n), err)
		}
		inputs[name] = t
	}
	return inputs, nil
}
