package sched

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"unsafe"

	"github.com/deltaloom/deltaloom/graph"
)

// Session holds the states of one caller, shared by all graphs that it runs:
// states of one name are one state and must have one shape. Its methods may be
// called concurrently and take turns.
type Session struct {
	r         *Runner
	positions Positions // nil: no state has any

	mu     sync.Mutex
	used   []bool // by slot
	states map[string]*state
	arenas []Span // by space; they grow with the largest plan
	bounds map[*Bound]bool
	closed bool
}

type state struct {
	name      string
	shape     graph.Shape
	positions int // see Positions
	home      int // space
	span      Span
}

// NewSession returns a session with zeroed states. Where slots is not 0, the
// outermost axis of every state counts the slots, one a sequence, and the graphs
// look up and write back the rows of the slots that they are given as an input.
func (r *Runner) NewSession(slots int, positions Positions) (*Session, error) {
	if slots < 0 {
		return nil, fmt.Errorf("sched: %d slots", slots)
	}
	return &Session{r: r, positions: positions, used: make([]bool, slots), states: map[string]*state{},
		arenas: make([]Span, len(r.spaces.device)), bounds: map[*Bound]bool{}}, nil
}

// Run computes g on inputs by name and returns its outputs by name. The states
// take their next values. Inputs that g does not have are left alone.
func (s *Session) Run(ctx context.Context, g *graph.Graph, inputs map[string]graph.Tensor) (map[string]graph.Tensor, error) {
	outputs := map[string]graph.Tensor{}
	if err := s.RunInto(ctx, g, inputs, outputs); err != nil {
		return nil, err
	}
	return outputs, nil
}

// RunInto is Run with memory for outputs: a tensor in outputs is written in
// place, one that is missing is added. Neither memory is touched after RunInto
// returns; an output must not overlap an input or another output. What runs
// again and again is better bound.
//
// After an error, that of a cancelled context included, the states that the
// graph writes and the outputs hold no meaningful value: Restore the slots, or
// release them.
func (s *Session) RunInto(ctx context.Context, g *graph.Graph, inputs, outputs map[string]graph.Tensor) (err error) {
	p, err := s.r.load(ctx, g)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.r.plans.Release(p)) }()
	s.mu.Lock()
	defer s.mu.Unlock()
	if outputs == nil { // only the states are wanted
		outputs = map[string]graph.Tensor{}
	}
	b, err := s.bind(p, inputs, outputs)
	if err != nil {
		return err
	}
	return p.run(ctx, b, nil, nil)
}

// bind returns where the storages of p lie, and adds the outputs that are missing.
func (s *Session) bind(p *Plan, inputs, outputs map[string]graph.Tensor) (Bindings, error) {
	if s.closed {
		return nil, errClosed
	}
	b := slices.Clone(*p.fixed.Load())
	var err error
	for i, st := range p.Storages {
		switch st.Kind {
		case InputStorage:
			t, ok := inputs[st.Name]
			if !ok {
				return nil, fmt.Errorf("input %q is missing", st.Name)
			}
			if err := fits(t, st.Shape); err != nil {
				return nil, fmt.Errorf("input %q: %w", st.Name, err)
			}
			b[i] = whole(HostOf(t))
		case OutputStorage:
			t, ok := outputs[st.Name]
			if !ok {
				t = graph.NewTensor(st.Shape)
				outputs[st.Name] = t
			} else if err := fits(t, st.Shape); err != nil {
				return nil, fmt.Errorf("output %q: %w", st.Name, err)
			}
			b[i] = whole(HostOf(t))
		case StateStorage:
			if b[i], err = s.state(st); err != nil {
				return nil, err
			}
		case ArenaStorage:
			if b[i], err = s.arena(st); err != nil {
				return nil, err
			}
		}
	}
	return b, disjoint(p, b)
}

var errClosed = errors.New("sched: the session is closed")

// disjoint refuses outputs in memory that is also read or written otherwise.
func disjoint(p *Plan, b Bindings) error {
	for i, st := range p.Storages {
		if st.Kind != OutputStorage {
			continue
		}
		for j, other := range p.Storages {
			if other.Kind != InputStorage && (other.Kind != OutputStorage || j <= i) {
				continue
			}
			if overlap(b[i].Buf.(Host), b[j].Buf.(Host)) {
				return fmt.Errorf("output %q overlaps %v %q", st.Name, other.Kind, other.Name)
			}
		}
	}
	return nil
}

func overlap(a, b Host) bool {
	pa, pb := uintptr(unsafe.Pointer(a.p)), uintptr(unsafe.Pointer(b.p))
	return pa < pb+uintptr(b.n) && pb < pa+uintptr(a.n)
}

// state returns the memory of a state, made at its first use.
func (s *Session) state(st Storage) (Span, error) {
	if had := s.states[st.Name]; had != nil {
		if had.shape != st.Shape {
			return Span{}, fmt.Errorf("state %q: have %v, want %v", st.Name, had.shape, st.Shape)
		}
		return had.span, nil
	}
	if n := len(s.used); n > 0 && (st.Shape.Rank() == 0 || st.Shape.Dim(0) != n) {
		return Span{}, fmt.Errorf("state %q: %v, want %d slots as the outermost axis", st.Name, st.Shape, n)
	}
	positions := s.positionsOf(st.Name)
	if positions > 0 && (st.Shape.Rank() < 2 || st.Shape.Dim(1) != positions) {
		return Span{}, fmt.Errorf("state %q: %v, want %d positions as the second axis", st.Name, st.Shape, positions)
	}
	home := s.r.spaces.home(st.Name)
	span, err := s.r.spaces.alloc(home, st.Bytes)
	if err != nil {
		return Span{}, fmt.Errorf("state %q: %w", st.Name, err)
	}
	s.states[st.Name] = &state{st.Name, st.Shape, positions, home, span}
	return span, nil
}

func (s *Session) positionsOf(name string) int {
	if s.positions == nil {
		return 0
	}
	return s.positions(name)
}

// arena returns working memory of at least the size that a plan wants.
func (s *Session) arena(st Storage) (Span, error) {
	have := s.arenas[st.Space]
	if have.Len >= st.Bytes {
		return have.part(0, st.Bytes), nil
	}
	if have.Buf != nil {
		for b := range s.bounds {
			if err := b.recorded.drop(); err != nil {
				return Span{}, err
			}
		}
		have.Buf.Free()
		s.arenas[st.Space] = Span{}
	}
	span, err := s.r.spaces.alloc(st.Space, st.Bytes)
	if err != nil {
		return Span{}, fmt.Errorf("arena: %w", err)
	}
	s.arenas[st.Space] = span
	return span, nil
}

// Memory returns the bytes of the states, and of working memory.
func (s *Session) Memory() (states, working int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.states {
		states += st.span.Len
	}
	for _, a := range s.arenas {
		working += a.Len
	}
	return states, working
}

// Close frees the states. Runs that have begun are waited for; later ones fail.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	for b := range s.bounds {
		errs = append(errs, b.close())
	}
	for _, st := range s.states {
		st.span.Buf.Free()
	}
	for _, a := range s.arenas {
		if a.Buf != nil {
			a.Buf.Free()
		}
	}
	return errors.Join(errs...)
}
