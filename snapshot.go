package deltaloom

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
)

// Snapshot is a sequence as it was: a copy that needs no session and does not change.
type Snapshot struct {
	model  [sha256.Size]byte // see identity
	cache  graph.DType
	tokens []int32
	rows   map[string]graph.Tensor // by the name of the state, see sched.Session.Snapshot
}

// Tokens returns the tokens of the sequence.
func (n *Snapshot) Tokens() []int32 { return slices.Clone(n.tokens) }

// Snapshot copies the sequence: its tokens, the states of recurrent layers, and what
// attention has cached of its tokens.
func (q *Sequence) Snapshot() (*Snapshot, error) {
	model, err := q.s.m.identity()
	if err != nil {
		return nil, err
	}
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	if q.err != nil {
		return nil, q.err
	}
	n := &Snapshot{model: model, cache: q.s.size.Cache, tokens: slices.Clone(q.tokens)}
	if len(q.tokens) > 0 {
		n.rows, err = q.s.states.Snapshot(q.slot, len(q.tokens))
	}
	return n, err
}

// Resume returns a sequence that goes on from a snapshot, to the bit as the one that was
// copied, or an error that wraps ErrFull. The snapshot may be of any session of the same
// model with the same type of cache, or of a file.
func (s *Session) Resume(n *Snapshot) (*Sequence, error) {
	model, err := s.m.identity()
	switch {
	case err != nil:
		return nil, err
	case n.model != model:
		return nil, errors.New("the snapshot is of another model")
	case n.cache != s.size.Cache:
		return nil, fmt.Errorf("the snapshot has a cache of %v, the session one of %v", n.cache, s.size.Cache)
	case len(n.tokens) > s.size.Context:
		return nil, fmt.Errorf("a snapshot of %d tokens is more than a context of %d", len(n.tokens), s.size.Context)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.begin()
	if err != nil {
		return nil, err
	}
	if err := s.states.Restore(q.slot, n.rows); err != nil {
		return nil, errors.Join(err, s.states.Release(q.slot, len(n.tokens)))
	}
	q.tokens, q.written = append(q.tokens, n.tokens...), len(n.tokens)
	return q, nil
}

// identity tells models apart: it is made of the configuration and, for a file, of the
// name, shape, type and first bytes of every tensor. Models whose weights differ only
// behind those are the same to it.
func (m *Model) identity() ([sha256.Size]byte, error) { return m.identify() }

func newIdentity(m *Model) func() ([sha256.Size]byte, error) {
	return onceOpen(m, func() (id [sha256.Size]byte, err error) {
		h := sha256.New()
		for _, kv := range m.config.Metadata() {
			fmt.Fprintf(h, "%q %v\n", kv.Key, kv.Value)
		}
		if m.file != nil {
			for _, t := range m.file.Tensors() {
				data := t.Data()
				fmt.Fprintf(h, "%q %v %v %x\n", t.Name, t.Shape, t.Type, data[:min(len(data), 64)])
			}
		}
		return [sha256.Size]byte(h.Sum(nil)), nil
	})
}
