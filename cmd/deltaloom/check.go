package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/internal/reference"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// checkLimit is the NMSE that two graphs of one meaning may be apart. A rule
// proves itself to the same; between it and a wrong answer lie many orders of
// magnitude.
const checkLimit = 1e-10

// checkSteps is how many steps both sides run, so that the second one shows the
// states that the first one has left.
const checkSteps = 2

// checked is what running both sides gave.
type checked struct {
	NMSE   measure `json:"nmse"`    // of the worst result or state
	MaxAbs measure `json:"max_abs"` // largest difference of all
	worst  string  // the result that NMSE is of
}

// check runs both graphs on the same inputs and compares their results and the
// states that they leave.
func (s *source) check(ctx context.Context, c *common, tokens, seqs int, before, after *graph.Graph) (_ *checked, err error) {
	name := c.backend
	if name == "auto" { // a rewrite is held to what the ops mean, not to how a kernel rounds
		name = "interp"
	}
	backend, err := deltaloom.NewBackend(name, c.threads, deltaloom.FloatActivations)
	if err != nil {
		return nil, err
	}
	runner, err := sched.NewRunner(s.weights, backend)
	if err != nil {
		return nil, errors.Join(err, backend.Close())
	}
	var sides []side
	defer func() {
		for _, x := range sides {
			err = errors.Join(err, x.Close())
		}
		err = errors.Join(err, runner.Close(), backend.Close())
	}()
	for _, g := range []*graph.Graph{before, after} {
		x, err := newSide(runner, g)
		if err != nil {
			return nil, err
		}
		sides = append(sides, x)
	}
	result := &checked{}
	r := rand.New(rand.NewPCG(c.seed, 0))
	for nth := range checkSteps {
		feeds, err := s.feeds(before, tokens, seqs, nth, r)
		if err != nil {
			return nil, err
		}
		want, err := sides[0].Run(ctx, sides[0].g, feeds)
		if err != nil {
			return nil, fmt.Errorf("before: %w", err)
		}
		got, err := sides[1].Run(ctx, sides[1].g, feeds)
		if err != nil {
			return nil, fmt.Errorf("after: %w", err)
		}
		for _, o := range sides[0].g.Outputs() {
			d := reference.Compare(want[o.Name].F, got[o.Name].F)
			result.MaxAbs = max(result.MaxAbs, measure(d.MaxAbs))
			if n := measure(d.NMSE); n > result.NMSE || result.worst == "" {
				result.NMSE, result.worst = n, o.Name
			}
		}
	}
	return result, nil
}

// side is a graph whose next states are results too, with a session to run it.
type side struct {
	*sched.Session
	g *graph.Graph
}

func newSide(r *sched.Runner, g *graph.Graph) (side, error) {
	outputs := append([]graph.Output(nil), g.Outputs()...)
	for _, s := range g.States() {
		outputs = append(outputs, graph.Output{Name: "next " + s.State.Node().Name(), Value: s.Next})
	}
	g, err := g.Builder().With(outputs, g.States())
	if err != nil {
		return side{}, err
	}
	session, err := r.NewSession(0, nil)
	return side{session, g}, err
}

// canCheck says whether all that the graph reads can be had.
func (s *source) canCheck(g *graph.Graph) bool {
	if s.weights != nil {
		return true
	}
	for _, n := range g.Nodes() {
		if n.Op() == graph.WeightOp {
			return false
		}
	}
	return true
}
