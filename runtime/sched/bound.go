package sched

import (
	"context"
	"errors"

	"github.com/deltaloom/deltaloom/graph"
)

// Bound is a graph with all the memory that its runs use, for graphs that run
// again and again: a run looks nothing up, allocates nothing, and replays what
// the backends can record.
type Bound struct {
	s        *Session
	p        *Plan // nil once it is closed
	b        Bindings
	recorded captures

	fetched int     // outputs of a run that Start fetches
	ahead   bool    // see Ahead
	pending []fetch // of the runs that nobody has waited for
}

// Bind returns g bound to the memory of these tensors: every Run reads the inputs
// as they are then and writes the outputs in place. An output that is missing is
// added, as RunInto does. Until Close the plan stays compiled.
func (s *Session) Bind(ctx context.Context, g *graph.Graph, inputs, outputs map[string]graph.Tensor) (*Bound, error) {
	p, err := s.r.load(ctx, g)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bind(p, inputs, outputs)
	if err != nil {
		return nil, errors.Join(err, s.r.plans.Release(p))
	}
	bound := &Bound{s: s, p: p, b: b, recorded: make(captures, len(p.Steps))}
	bound.fetched, bound.ahead = p.fetches()
	s.bounds[bound] = true
	return bound, nil
}

var errUnbound = errors.New("sched: the memory of the graph has been let go of")

// Plan returns the plan of the graph, for looking at.
func (b *Bound) Plan() *Plan { return b.p }

// Run computes the graph. What RunInto says of errors holds here too.
func (b *Bound) Run(ctx context.Context) error {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	return b.run(ctx, nil)
}

func (b *Bound) run(ctx context.Context, later *[]fetch) error {
	s := b.s
	switch {
	case s.closed:
		return errClosed
	case b.p == nil:
		return errUnbound
	}
	for i := range s.arenas { // another plan may have moved them
		var err error
		if b.b[i], err = s.arena(b.p.Storages[i]); err != nil {
			return err
		}
	}
	return b.p.run(ctx, b.b, b.recorded, later)
}

// Close lets go of the memory and the plan. Closing again does nothing, and so
// it does after the session's Close.
func (b *Bound) Close() error {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	return b.close()
}

func (b *Bound) close() error {
	if b.p == nil {
		return nil
	}
	delete(b.s.bounds, b)
	err := errors.Join(b.drop(0), b.recorded.drop(), b.s.r.plans.Release(b.p))
	b.p, b.b = nil, nil
	return err
}
