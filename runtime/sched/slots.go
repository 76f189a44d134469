package sched

import (
	"errors"
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
)

// ErrNoSlot says that every slot of a session is in use.
var ErrNoSlot = errors.New("sched: no free slot")

// Positions tells how many positions of a sequence a slot has of a state, whose second
// axis counts them: a cache of attention. 0 stands for a state that is stepped on as a
// whole, Passing for one that means nothing but to the run that comes next.
type Positions func(state string) int

// Passing is for states that copies of a slot leave out.
const Passing = -1

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
			if st.positions > 0 {
				continue // Release has left it so
			}
			if err := s.zero(st, st.rowSpan(slot)); err != nil {
				return 0, err
			}
		}
		s.used[slot] = true
		return slot, nil
	}
	return 0, ErrNoSlot
}

// Release gives a slot back of which no more than the first n positions have been
// written.
func (s *Session) Release(slot, n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.forget(slot, 0, n); err != nil {
		return err
	}
	s.used[slot] = false
	return nil
}

// Forget zeroes the positions from, …, to-1 of a slot.
func (s *Session) Forget(slot, from, to int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.forget(slot, from, to)
}

func (s *Session) forget(slot, from, to int) error {
	if err := s.acquired(slot); err != nil {
		return err
	}
	for _, st := range s.states {
		if from, to := min(from, st.positions), min(to, st.positions); from < to {
			if err := s.zero(st, st.part(slot, from, to)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Snapshot copies the rows of a slot out, by the name of the state; a row has the
// state's shape without the outermost axis, and of positions the first n. Where n is 0
// such states are left out.
func (s *Session) Snapshot(slot, n int) (map[string]graph.Tensor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.acquired(slot); err != nil {
		return nil, err
	}
	rows := map[string]graph.Tensor{}
	for name, st := range s.states {
		if st.positions == Passing {
			continue
		}
		row, span := st.row(), st.rowSpan(slot)
		if st.positions > 0 {
			if n == 0 {
				continue
			}
			if n < 0 || n > st.positions {
				return nil, fmt.Errorf("state %q: %d of %d positions", name, n, st.positions)
			}
			dims := row.Dims()
			dims[0] = n
			row, span = row.With(dims...), st.part(slot, 0, n)
		}
		t := graph.NewTensor(row)
		if err := s.r.spaces.copy(whole(HostOf(t)), host, span, st.home); err != nil {
			return nil, fmt.Errorf("state %q: %w", name, err)
		}
		rows[name] = t
	}
	return rows, nil
}

// Restore makes the rows of a slot what Snapshot returned, of this session or of
// another one over the same model. States that rows does not have are zeroed, no run
// had used them when the snapshot was taken; but positions that it does not have stay
// as they are.
func (s *Session) Restore(slot int, rows map[string]graph.Tensor) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.acquired(slot); err != nil {
		return err
	}
	for name, t := range rows { // all checks before the first change
		if err := s.accepts(name, t); err != nil {
			return fmt.Errorf("state %q: %w", name, err)
		}
	}
	for name, st := range s.states {
		t, ok := rows[name]
		span := st.rowSpan(slot)
		if st.positions > 0 {
			if !ok {
				continue
			}
			span = st.part(slot, 0, t.Shape.Dim(0))
		}
		var err error
		if ok {
			err = s.r.spaces.copy(span, st.home, whole(HostOf(t)), host)
		} else {
			err = s.zero(st, span)
		}
		if err != nil {
			return fmt.Errorf("state %q: %w", name, err)
		}
	}
	return nil
}

// accepts checks a row of Restore, and makes its state if no run has used it yet.
func (s *Session) accepts(name string, t graph.Tensor) error {
	if err := t.Check(); err != nil {
		return err
	}
	dims := append([]int{len(s.used)}, t.Shape.Dims()...)
	if n := s.positionsOf(name); n > 0 {
		if len(dims) < 2 || dims[1] > n {
			return fmt.Errorf("%v for %d positions", t.Shape, n)
		}
		dims[1] = n
	}
	st := Storage{Kind: StateStorage, Name: name, Shape: t.Shape.With(dims...)}
	if !st.Shape.Valid() {
		return fmt.Errorf("%v is no row of a state", t.Shape)
	}
	st.Bytes = st.Shape.Bytes()
	_, err := s.state(st)
	return err
}

// Fork makes the rows of slot to those of slot from, where they lie, and of positions
// the first n.
func (s *Session) Fork(to, from, n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(s.acquired(to), s.acquired(from)); err != nil || to == from {
		return err
	}
	for name, st := range s.states {
		dst, src := st.rowSpan(to), st.rowSpan(from)
		if st.positions > 0 {
			n := min(n, st.positions)
			dst, src = st.part(to, 0, n), st.part(from, 0, n)
		}
		if err := s.r.spaces.copy(dst, st.home, src, st.home); err != nil {
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

func (s *Session) zero(st *state, span Span) error {
	if err := s.r.spaces.zero(span, st.home); err != nil {
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

// part returns the positions from, …, to-1 of a slot.
func (st *state) part(slot, from, to int) Span {
	row := st.rowSpan(slot)
	n := row.Len / int64(st.positions)
	return row.part(int64(from)*n, int64(to-from)*n)
}
