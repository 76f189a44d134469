package deltaloom

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A turn is what a sequence waits for: the answer to its next tokens.
type turn struct {
	ctx    context.Context
	seq    *Sequence
	tokens []int32 // that have not been evaluated yet
	answer *answer // to the last of them
	err    error   // valid once done is closed
	done   chan struct{}
}

// batcher lets sequences that go on at the same time share steps. Those that wait
// lead in turn: the leader picks what goes together and runs a step for all.
type batcher struct {
	lead chan struct{} // has a value while somebody leads

	mu       sync.Mutex
	waiting  []*turn
	expected map[*Sequence]bool // had their turn just now and are likely to be back
	changed  chan struct{}      // has a value when one of them is
	prompts  bool               // the last step was of prompts
	took     time.Duration      // that step
}

func newBatcher() *batcher {
	return &batcher{lead: make(chan struct{}, 1), expected: map[*Sequence]bool{}, changed: make(chan struct{}, 1)}
}

// evaluate evaluates tokens of a sequence in steps that it shares with the others that
// wait, and gives the answer to the last one. When ctx ends the sequence keeps what has
// been evaluated; a step of prompts that nobody waits for any longer is given up, and
// its sequences are lost.
func (s *Session) evaluate(ctx context.Context, q *Sequence, tokens []int32, a *answer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b := s.turns
	t := &turn{ctx: ctx, seq: q, tokens: tokens, answer: a, done: make(chan struct{})}
	b.mu.Lock()
	b.waiting = append(b.waiting, t)
	b.back(q)
	b.mu.Unlock()
	for {
		select {
		case <-t.done:
			return t.err
		case <-ctx.Done():
			if b.leave(t) {
				return ctx.Err()
			}
			<-t.done // it is in a step
			return t.err
		case b.lead <- struct{}{}:
			select {
			case <-t.done:
			default:
				s.runShared(b.pick(s.size.UBatch))
			}
			<-b.lead
		}
	}
}

// back says that a sequence need no longer be waited for.
func (b *batcher) back(q *Sequence) {
	if b.expected[q] {
		delete(b.expected, q)
		select {
		case b.changed <- struct{}{}:
		default:
		}
	}
}

// leave takes a turn out that waits, and tells whether it did.
func (b *batcher) leave(t *turn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiting, t)
	if i >= 0 {
		b.waiting = slices.Delete(b.waiting, i, i+1)
	}
	return i >= 0
}

// gone says that a sequence will not be back.
func (b *batcher) gone(q *Sequence) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.back(q)
}

// gather waits for sequences whose next token is being picked, at most an eighth of
// what the last step took. Who comes later is not waited for again until then.
func (b *batcher) gather() {
	timeout := time.After(b.took / 8)
	for {
		b.mu.Lock()
		n := len(b.expected)
		b.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-b.changed:
		case <-timeout:
			b.mu.Lock()
			clear(b.expected)
			b.mu.Unlock()
		}
	}
}

// pick takes out the turns of the next step and says how many tokens it takes of each.
// Sequences with one token to go and those with more, prompts, have steps in turn.
func (b *batcher) pick(ubatch int) (turns []*turn, tokens int) {
	b.gather()
	b.mu.Lock()
	defer b.mu.Unlock()
	isPrompt := func(t *turn) bool { return len(t.tokens) > 1 }
	isAnswer := func(t *turn) bool { return !isPrompt(t) }
	prompts := slices.ContainsFunc(b.waiting, isPrompt) && (!b.prompts || !slices.ContainsFunc(b.waiting, isAnswer))
	left := make([]int, len(b.waiting))
	for i, t := range b.waiting {
		if isPrompt(t) == prompts {
			left[i] = len(t.tokens)
		}
	}
	chosen, tokens := equalSplit(nil, left, ubatch)
	for _, i := range chosen {
		turns = append(turns, b.waiting[i])
	}
	b.waiting = slices.DeleteFunc(b.waiting, func(t *turn) bool { return slices.Contains(turns, t) })
	b.prompts = prompts
	return turns, tokens
}

// runShared runs a step of so many tokens of each turn. Those that have tokens left
// wait again, before all others.
func (s *Session) runShared(turns []*turn, tokens int) {
	b, start := s.turns, time.Now()
	turns = s.stepOf(turns, tokens)
	b.mu.Lock()
	defer b.mu.Unlock()
	var unfinished []*turn
	for _, t := range turns {
		if t.err == nil && len(t.tokens) > 0 {
			if t.err = t.ctx.Err(); t.err == nil {
				unfinished = append(unfinished, t)
				continue
			}
		}
		if t.err == nil {
			b.expected[t.seq] = true
		}
		close(t.done)
	}
	b.waiting = append(unfinished, b.waiting...)
	b.took = time.Since(start)
}

// checked refuses turns that could not be done.
func (s *Session) checked(turns []*turn) []*turn {
	return slices.DeleteFunc(turns, func(t *turn) bool {
		if t.err = t.seq.err; !t.seq.lead.any() {
			t.err = s.checkOne(Next{t.seq, t.tokens}, nil)
		}
		if t.err != nil {
			close(t.done)
		}
		return t.err != nil
	})
}

// stepOf is the step of runShared, and returns the turns that it was of. Those whose
// sequences are ahead have had theirs.
func (s *Session) stepOf(turns []*turn, tokens int) []*turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if turns = s.checked(turns); len(turns) == 0 {
		return nil
	}
	// In one order whoever comes first, so that steps ahead find the same sequences.
	slices.SortFunc(turns, func(a, b *turn) int { return a.seq.slot - b.seq.slot })
	ctx := context.Background()
	if tokens > 1 { // a step of answers is short, and what has been said is worth more
		var cancel context.CancelFunc
		ctx, cancel = whileAny(turns)
		defer cancel()
	}
	var fresh []*turn
	for _, t := range turns {
		if !t.seq.lead.any() {
			fresh = append(fresh, t)
		}
	}
	if len(fresh) > 0 {
		if err := s.freshStep(ctx, fresh, tokens); err != nil {
			for _, t := range fresh {
				if t.err = t.ctx.Err(); t.err == nil {
					t.err = err
				}
			}
		}
	}
	s.land(s.follow(turns, tokens))
	for _, t := range turns {
		q := t.seq
		landed := q.lead.landed
		q.lead.landed, t.tokens = false, t.tokens[tokens:]
		switch {
		case t.err != nil:
		case !landed:
			t.err = q.err
		case len(t.tokens) == 0:
			t.answer.one(q.lead.picked)
		}
	}
	return turns
}

// freshStep evaluates so many tokens of each turn. What they pick is in the air when it
// returns, but where somebody wants logits.
func (s *Session) freshStep(ctx context.Context, turns []*turn, tokens int) (err error) {
	V := s.m.config.Vocab
	if topOf(turns, V) > 0 {
		s.land(flight{})
		s.flight, err = s.launch(ctx, turns, tokens)
		return err
	}
	parts := make([]Next, len(turns))
	for i, t := range turns {
		parts[i] = Next{t.seq, t.tokens[:tokens]}
	}
	logits, _, err := s.step(ctx, parts, true)
	if err != nil {
		return err
	}
	for i, t := range turns {
		if len(t.tokens) == tokens {
			t.answer.all(logits[i*V : (i+1)*V])
		}
	}
	return nil
}

// whileAny returns a context that ends when those of all turns have.
func whileAny(turns []*turn) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	left := len(turns)
	var stops []func() bool
	for _, t := range turns {
		stops = append(stops, context.AfterFunc(t.ctx, func() {
			mu.Lock()
			defer mu.Unlock()
			if left--; left == 0 {
				cancel()
			}
		}))
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}
