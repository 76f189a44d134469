package deltaloom

import (
	"errors"
	"slices"
	"sync/atomic"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// Sequence is a text that grows token by token.
type Sequence struct {
	s    *Session
	slot int
	busy atomic.Bool // Generate is running

	// With the session's lock.
	tokens    []int32 // that the states are those of
	written   int     // positions that may have been written
	evaluated int64
	marks     []mark // by rising length
	lead      lead
	err       error // why it can no longer be evaluated
}

// A mark is what the recurrent layers were after n tokens: what attention has cached is
// cut, but they cannot be stepped back.
type mark struct {
	n    int
	rows map[string]graph.Tensor
}

// keptMarks is how many marks a sequence has: two for each of some turns of a chat.
const keptMarks = 8

// ErrFull says that a session has no room for a further sequence.
var ErrFull = sched.ErrNoSlot

// Begin returns an empty sequence, or an error that wraps ErrFull.
func (s *Session) Begin() (*Sequence, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begin()
}

func (s *Session) begin() (*Sequence, error) {
	slot, err := s.states.Acquire()
	if err != nil {
		return nil, err
	}
	return &Sequence{s: s, slot: slot, tokens: make([]int32, 0, s.size.Context)}, nil
}

// Len returns the number of tokens that the sequence has: those that were evaluated.
func (q *Sequence) Len() int {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	return len(q.tokens)
}

// Tokens returns the tokens that the sequence has.
func (q *Sequence) Tokens() []int32 {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	return slices.Clone(q.tokens)
}

// Evaluated counts the tokens that have been evaluated for the sequence, those that it
// has given up among them.
func (q *Sequence) Evaluated() int64 {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	return q.evaluated
}

var errEnded = errors.New("the sequence has ended")

// End gives the room of the sequence back. Ending again does nothing.
func (q *Sequence) End() error {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	if q.err == errEnded {
		return nil
	}
	q.err, q.tokens = errEnded, nil
	q.setMarks(nil)
	return q.s.states.Release(q.slot, q.written)
}

// Fork returns a sequence of the same session that has the same tokens and marks, or an
// error that wraps ErrFull.
func (q *Sequence) Fork() (*Sequence, error) {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	if q.err != nil {
		return nil, q.err
	}
	fork, err := q.s.begin()
	if err != nil {
		return nil, err
	}
	if err := q.s.states.Fork(fork.slot, q.slot, len(q.tokens)); err != nil {
		return nil, errors.Join(err, q.s.states.Release(fork.slot, len(q.tokens)))
	}
	fork.tokens, fork.written = append(fork.tokens, q.tokens...), len(q.tokens)
	fork.setMarks(slices.Clone(q.marks))
	return fork, nil
}

// Mark remembers the states as they are now, so that Reuse can come back to this length.
// A sequence keeps a few marks; with a further one it lets go of the one that is nearest
// to the mark before it, but for the last two.
func (q *Sequence) Mark() error {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	n := len(q.tokens)
	if q.err != nil || n == 0 || len(q.marks) > 0 && q.marks[len(q.marks)-1].n == n {
		return q.err
	}
	rows, err := q.s.states.Snapshot(q.slot, 0)
	if err != nil {
		return err
	}
	marks := slices.Clone(q.marks)
	if len(marks) == keptMarks {
		nearest, gap := 0, marks[0].n
		for i := 1; i < keptMarks-2; i++ {
			if d := marks[i].n - marks[i-1].n; d < gap {
				nearest, gap = i, d
			}
		}
		marks = slices.Delete(marks, nearest, nearest+1)
	}
	q.setMarks(append(marks, mark{n, rows}))
	return nil
}

// setMarks keeps the session's count of what marks take.
func (q *Sequence) setMarks(marks []mark) {
	for _, m := range q.marks {
		q.s.marks -= m.bytes()
	}
	for _, m := range marks {
		q.s.marks += m.bytes()
	}
	q.marks = marks
}

func (m mark) bytes() (n int64) {
	for _, t := range m.rows {
		n += t.Shape.Bytes()
	}
	return n
}

// Reuse makes as much as it can of what has been evaluated serve a text of these tokens,
// at least one, and returns how many the sequence has now: the others are to be
// evaluated, at least the last one. Where the sequence is not the beginning of the text
// it goes back to its last mark that is, or to nothing. A lost sequence is sound again.
func (q *Sequence) Reuse(tokens []int32) (kept int, err error) {
	if q.busy.Load() {
		return 0, errBusy
	}
	return q.reuse(tokens)
}

func (q *Sequence) reuse(tokens []int32) (kept int, err error) {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	switch {
	case q.err == errEnded:
		return 0, q.err
	case len(tokens) == 0:
		return 0, errors.New("no tokens")
	}
	same := common(q.tokens, tokens[:len(tokens)-1])
	if same == len(q.tokens) && q.err == nil {
		return same, nil
	}
	marks := q.marks
	for len(marks) > 0 && marks[len(marks)-1].n > same {
		marks = marks[:len(marks)-1]
	}
	q.setMarks(slices.Clone(marks))  // so that those left out can be freed
	var rows map[string]graph.Tensor // of a sequence that begins
	if last := len(marks) - 1; last >= 0 {
		kept, rows = marks[last].n, marks[last].rows
	}
	if err := q.s.states.Restore(q.slot, rows); err != nil {
		q.err = err
		return 0, err
	}
	if err := q.s.states.Forget(q.slot, kept, q.written); err != nil {
		q.err = err
		return 0, err
	}
	q.tokens, q.written, q.err = q.tokens[:kept], kept, nil
	return kept, nil
}

// common counts the tokens that both begin with.
func common(a, b []int32) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
