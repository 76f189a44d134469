package sched

import (
	"errors"
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
)

// ErrNoSlot says that every slot of a session is in use.
var ErrNoSlot = errors.New("sched: no free slot")

// Acquire returns a free slot, the lowest, with its rows of all states zeroed.
func (s *Session) Acquire() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, errClosed
	}
	for slot, used := range s.used {
		if used {
			continue
		}
		for _, st := range s.states {
			if err := s.zero(st, slot); err != nil {
				return 0, err
			}
		}
		s.used[slot] = true
		return slot, nil
	}
	return 0, ErrNoSlot
}

// Release gives a slot back.
func (s *Session) Release(slot int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.acquired(slot); err != nil {
		return err
	}
	s.used[slot] = false
	return nil
}

// Snapshot copies the rows of a slot out, by the name of the state; a row has
// the state's shape without the outermost axis.
func (s *Session) Snapshot(slot int) (map[string]graph.Tensor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.acquired(slot); err != nil {
		return nil, err
	}
	rows := map[string]graph.Tensor{}
	for name, st := range s.states {
		t := graph.NewTensor(st.row())
		if err := s.r.spaces.copy(whole(HostOf(t)), host, st.rowSpan(slot), s.r.spaces.states()); err != nil {
			return nil, fmt.Errorf("state %q: %w", name, err)
		}
		rows[name] = t
	}
	return rows, nil
}

// Restore makes the rows of a slot what Snapshot returned, of this session or
// of another one over the same model. States that rows does not have are
// zeroed: no run had used them when the snapshot was taken.
func (s *Session) Restore(slot int, rows map[string]graph.Tensor) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.acquired(slot); err != nil {
		return err
	}
	for name, t := range rows { // all checks before the first change
		dims := append([]int{len(s.used)}, t.Shape.Dims()...)
		st := Storage{Kind: StateStorage, Name: name, Shape: t.Shape.With(dims...)}
		if err := t.Check(); err != nil {
			return fmt.Errorf("state %q: %w", name, err)
		}
		if !st.Shape.Valid() {
			return fmt.Errorf("state %q: %v is no row of a state", name, t.Shape)
		}
		st.Bytes = st.Shape.Bytes()
		if _, err := s.state(st); err != nil {
			return err
		}
	}
	for name, st := range s.states {
		var err error
		if t, ok := rows[name]; ok {
			err = s.r.spaces.copy(st.rowSpan(slot), s.r.spaces.states(), whole(HostOf(t)), host)
		} else {
			err = s.zero(st, slot)
		}
		if err != nil {
			return fmt.Errorf("state %q: %w", name, err)
		}
	}
	return nil
}

// Fork makes the rows of slot to those of slot from, where they lie.
func (s *Session) Fork(to, from int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(s.acquired(to), s.acquired(from)); err != nil || to == from {
		return err
	}
	home := s.r.spaces.states()
	for name, st := range s.states {
		if err := s.r.spaces.copy(st.rowSpan(to), home, st.rowSpan(from), home); err != nil {
			return fmt.Errorf("state %q: %w", name, err)
		}
	}
	return nil
}

func (s *Session) acquired(slot int) error {
	switch {
	case s.closed:
		return errClosed
	case slot < 0 || slot >= len(s.used) || !s.used[slot]:
		return fmt.Errorf("sched: slot %d is not in use", slot)
	}
	return nil
}

func (s *Session) zero(st *state, slot int) error {
	if err := s.r.spaces.zero(st.rowSpan(slot), s.r.spaces.states()); err != nil {
		return fmt.Errorf("state %q: %w", st.name, err)
	}
	return nil
}

// row returns the shape of what one slot has of the state.
func (st *state) row() graph.Shape { return st.shape.With(st.shape.Dims()[1:]...) }

func (st *state) rowSpan(slot int) Span {
	n := st.row().Bytes()
	return st.span.part(int64(slot)*n, n)
}
