package deltaloom

import (
	"context"
	"fmt"

	"github.com/deltaloom/deltaloom/models"
	"github.com/deltaloom/deltaloom/sample"
)

// A flight is a step under way that picks tokens. Before anybody knows them a device is
// given the step after it, which takes them where they are: it has work while the host
// hands a token out. As that is no more than one step, states are never ahead of what
// has been given out.
type flight struct {
	p    *prepared // nil for none
	seqs []*Sequence
}

// lead is what a sequence has of flights.
type lead struct {
	flying bool // the session's flight evaluates its last token
	landed bool // nobody has asked yet for what was picked
	picked int32
}

// any tells whether the last token was evaluated before anybody asked for it.
func (l lead) any() bool { return l.flying || l.landed }

// placeholder stands for the tokens of a sequence in the step after a flight.
var placeholder = []int32{models.Picked}

// launch starts a step that picks tokens. It evaluates so many tokens of each turn, or
// where that is 0 those that the flight picks; then it has to have run before, or there
// is none: preparing a step takes longer than handing out a token.
func (s *Session) launch(ctx context.Context, turns []*turn, tokens int) (flight, error) {
	f := flight{seqs: s.spare[:0]}
	s.parts, s.draws = s.parts[:0], s.draws[:0]
	defer func() { clear(s.parts) }()
	for _, t := range turns {
		n := Next{t.seq, placeholder}
		if tokens > 0 {
			n.Tokens = t.tokens[:tokens]
		}
		s.parts, f.seqs = append(s.parts, n), append(f.seqs, t.seq)
	}
	size := s.sizeOf(s.parts, true, topOf(turns, s.m.config.Vocab))
	if _, ok := s.prepared.get(size); !ok && tokens == 0 {
		return flight{}, nil
	}
	p, err := s.prepare(ctx, size)
	if err != nil {
		return flight{}, err
	}
	for _, t := range turns {
		var d sample.Draw
		if tokens == 0 || tokens == len(t.tokens) {
			d = t.answer.draw()
		}
		s.draws = append(s.draws, d)
	}
	if err := s.set(p, s.parts, s.draws); err != nil {
		return flight{}, err
	}
	if err := s.went(p, s.parts, p.run.Start(ctx)); err != nil {
		return flight{}, err
	}
	f.p, s.spare = p, nil
	for _, q := range f.seqs {
		q.lead.flying = true
	}
	return f, nil
}

// follow starts the step after the flight, where that is the last one for these turns
// and all of them go on.
func (s *Session) follow(turns []*turn, tokens int) flight {
	if s.flight.p == nil || len(turns) != len(s.flight.seqs) || !s.flight.p.run.Ahead() {
		return flight{}
	}
	for i, t := range turns {
		if t.seq != s.flight.seqs[i] || len(t.tokens) != tokens || !t.answer.more || t.ctx.Err() != nil || len(t.seq.tokens) == s.size.Context {
			return flight{}
		}
	}
	// What goes wrong is met again when somebody asks for the token.
	f, _ := s.launch(context.Background(), turns, 0)
	return f
}

// land waits for the flight and leaves with its sequences what it picked, or why they are
// lost; next is the one that follows it.
func (s *Session) land(next flight) {
	f := s.flight
	s.flight = next
	if f.p == nil {
		return
	}
	err := f.p.run.Wait()
	for i, q := range f.seqs {
		q.lead = lead{landed: err == nil, picked: f.p.picked[i]}
		if err != nil {
			q.lose(err)
		}
	}
	for _, q := range next.seqs { // which have been given a placeholder
		last := len(q.tokens) - 1
		if q.lead.flying = true; q.lead.picked < 0 {
			q.tokens = q.tokens[:last]
			q.lose(sample.ErrNoToken)
			continue
		}
		q.tokens[last] = q.lead.picked
	}
	clear(f.seqs)
	s.spare = f.seqs
}

// lose says why a sequence cannot be evaluated any longer.
func (q *Sequence) lose(err error) {
	if q.err == nil {
		q.err = fmt.Errorf("lost in a step that failed: %w", err)
	}
}

// settle ends what is under way for a sequence that nobody goes on with.
func (q *Sequence) settle() {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	if q.lead.flying {
		q.s.land(flight{})
	}
	q.lead = lead{}
}
