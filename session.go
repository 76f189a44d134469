package deltaloom

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/models"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// SessionOptions are the sizes of a session.
type SessionOptions struct {
	Seqs    int // sequences at once; 0 stands for 1
	Context int // tokens that a sequence can have; 0 stands for 4096, or the model's own if that is less
	UBatch  int // tokens that one step takes at most; 0 stands for 512

	// Cache is the type of cached keys and values, graph.F32 or graph.F16. Where it
	// is not given, a model whose weights are all F32 has F32, and any other one,
	// which is no more precise itself, F16: half the memory to hold and to read.
	Cache graph.DType
}

// cachedRead is how many cached positions the graph for one that ends at position
// end reads, so that a graph serves many lengths. A fused graph takes the number
// as a bound and reads what is there; an unfused one reads all of it.
func (s *Session) cachedRead(end int) int {
	const least = 256
	n := (end + least - 1) / least * least
	if !s.m.options.Unfused {
		n = max(least, 1<<bits.Len(uint(end-1)))
	}
	return min(s.size.Context, n)
}

func (o SessionOptions) withDefaults(c *models.Config) (SessionOptions, error) {
	given := o
	if o.Seqs == 0 {
		o.Seqs = 1
	}
	if o.Context == 0 {
		o.Context = min(4096, c.Context)
	}
	if o.UBatch == 0 {
		o.UBatch = 512
	}
	if o.Cache == graph.Invalid {
		o.Cache = graph.F32
		for _, t := range c.Types {
			if t != graph.F32 {
				o.Cache = graph.F16
			}
		}
	}
	switch {
	case o.Seqs < 1 || o.Context < 1 || o.UBatch < 1:
		return o, fmt.Errorf("session %+v: sizes must not be negative", given)
	case o.Cache != graph.F32 && o.Cache != graph.F16:
		return o, fmt.Errorf("session %+v: a cache of %v: %w", given, o.Cache, errors.ErrUnsupported)
	}
	return o, nil
}

// Session holds the states of some sequences. Its methods may be called
// concurrently and take turns.
type Session struct {
	m    *Model
	size SessionOptions

	mu     sync.Mutex
	states *sched.Session
	logits []float32 // of one step
}

// NewSession returns a session without sequences.
func (m *Model) NewSession(o SessionOptions) (*Session, error) {
	o, err := o.withDefaults(m.config)
	if err != nil {
		return nil, err
	}
	states, err := m.runner.NewSession(o.Seqs)
	if err != nil {
		return nil, err
	}
	s := &Session{m: m, size: o, states: states}
	m.mu.Lock()
	m.sessions[s] = true
	m.mu.Unlock()
	return s, nil
}

// Close frees the states of all sequences.
func (s *Session) Close() error {
	s.m.mu.Lock()
	delete(s.m.sessions, s)
	s.m.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.states.Close()
}

// Sequence is a text that grows token by token.
type Sequence struct {
	s    *Session
	slot int
	len  int
	err  error // why it can no longer be evaluated
}

// ErrFull says that a session has no room for a further sequence.
var ErrFull = sched.ErrNoSlot

// Begin returns an empty sequence, or an error that wraps ErrFull.
func (s *Session) Begin() (*Sequence, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot, err := s.states.Acquire()
	if err != nil {
		return nil, err
	}
	return &Sequence{s: s, slot: slot}, nil
}

// Len returns the number of tokens that have been evaluated.
func (q *Sequence) Len() int {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	return q.len
}

var errEnded = errors.New("the sequence has ended")

// End gives the room of the sequence back. Ending again does nothing.
func (q *Sequence) End() error {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	if q.err == errEnded {
		return nil
	}
	q.err = errEnded
	return q.s.states.Release(q.slot)
}

// Next is what a sequence goes on with.
type Next struct {
	Seq    *Sequence
	Tokens []int32 // at least one
}

// Rows says for which tokens logits are wanted.
type Rows int

const (
	AllRows Rows = iota // every token given
	LastRow             // the last token of each sequence
)

// Eval evaluates the next tokens of some sequences and returns their logits in
// the order given: f32 [tokens vocab], or [1 vocab] for LastRow. A batch is cut
// into steps of at most UBatch tokens; neither that nor the other sequences
// change the result of one.
//
// Where a step fails, or ctx ends while it runs, its sequences are lost: only
// End is left for them. After an error of any kind Len tells how far a sequence
// has come.
func (s *Session) Eval(ctx context.Context, rows Rows, next ...Next) ([]graph.Tensor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	results := make([]graph.Tensor, len(next))
	left := make([]int, len(next))
	for i, n := range next {
		if err := s.check(n, next[:i]); err != nil {
			return nil, fmt.Errorf("sequence %d of the batch: %w", i, err)
		}
		left[i] = len(n.Tokens)
		want := left[i]
		if rows == LastRow {
			want = 1
		}
		results[i] = graph.NewTensor(graph.ShapeOf(graph.F32, want, s.m.config.Vocab))
	}
	for {
		seqs, n := equalSplit(left, s.size.UBatch)
		if len(seqs) == 0 {
			return results, nil
		}
		parts := make([]Next, len(seqs))
		for b, i := range seqs {
			at := len(next[i].Tokens) - left[i]
			parts[b] = Next{next[i].Seq, next[i].Tokens[at : at+n]}
		}
		logits, per, err := s.step(ctx, parts, rows == LastRow)
		if err != nil {
			return nil, err
		}
		for b, i := range seqs {
			left[i] -= n
			// Row r of the result is what the sequence's token first+r gives.
			V, first, done := s.m.config.Vocab, len(next[i].Tokens)-results[i].Shape.Dim(0), len(next[i].Tokens)-left[i]
			for t := max(done-per, first); t < done; t++ {
				from := (b*per + t - (done - per)) * V
				copy(results[i].F[(t-first)*V:(t-first+1)*V], logits[from:])
			}
		}
	}
}

// check refuses what a step could not do, before the first one is run. earlier
// is the part of the batch before n.
func (s *Session) check(n Next, earlier []Next) error {
	switch {
	case n.Seq == nil || n.Seq.s != s:
		return errors.New("not a sequence of this session")
	case n.Seq.err != nil:
		return n.Seq.err
	case len(n.Tokens) == 0:
		return errors.New("no tokens")
	case len(n.Tokens) > s.size.Context-n.Seq.len:
		return fmt.Errorf("%d tokens after %d are more than a context of %d", len(n.Tokens), n.Seq.len, s.size.Context)
	}
	for _, e := range earlier {
		if e.Seq == n.Seq {
			return errors.New("twice in one batch")
		}
	}
	for i, id := range n.Tokens {
		if id < 0 || int(id) >= s.m.config.Vocab {
			return fmt.Errorf("token %d is %d, want 0 to %d", i, id, s.m.config.Vocab-1)
		}
	}
	return nil
}

// step runs equally many tokens of each sequence and returns the logits of the
// last ones, per of each, [B per vocab], until the next step.
func (s *Session) step(ctx context.Context, parts []Next, last bool) (logits []float32, per int, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err // nothing is lost yet
	}
	T, end := len(parts[0].Tokens), 0
	seqs := make([]models.Sequence, len(parts))
	for b, p := range parts {
		seqs[b] = models.Sequence{Slot: p.Seq.slot, Start: p.Seq.len, Tokens: p.Tokens}
		end = max(end, p.Seq.len+T)
	}
	step := models.Step{Seqs: len(parts), Tokens: T, Slots: s.size.Seqs, Context: s.size.Context,
		KV: s.cachedRead(end), Cache: s.size.Cache, Last: last && T > 1}
	if per = T; last {
		per = 1
	}
	p, err := s.m.Program(step)
	if err != nil {
		return nil, 0, err
	}
	feeds, err := step.Feeds(seqs...)
	if err != nil {
		return nil, 0, err
	}
	plan, err := s.m.runner.Load(ctx, p.Graph)
	if err != nil {
		return nil, 0, err
	}
	p.planned.Do(func() {
		p.Launches = plan.Launches()
		for _, n := range plan.Notes {
			s.m.options.Log.Info(n)
		}
	})
	size := len(parts) * per * s.m.config.Vocab
	if len(s.logits) < size {
		s.logits = make([]float32, size)
	}
	out := graph.Tensor{Shape: graph.ShapeOf(graph.F32, len(parts), per, s.m.config.Vocab), F: s.logits[:size]}
	if err := s.states.RunInto(ctx, p.Graph, feeds, map[string]graph.Tensor{"logits": out}); err != nil {
		for _, q := range parts {
			q.Seq.err = fmt.Errorf("lost in a step that failed: %w", err)
		}
		return nil, 0, err
	}
	for _, q := range parts {
		q.Seq.len += T
	}
	return out.F, per, nil
}
