package deltaloom

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/deltaloom/deltaloom/sample"
)

// GenerateOptions says how a text goes on. The zero value picks the most likely token
// until the text or the context ends.
type GenerateOptions struct {
	Sample sample.Options
	Max    int // tokens at most; 0: no limit but the context

	// End tells the tokens that end a text. nil stands for those of the model's
	// vocabulary, or none where it has none.
	End func(id int32) bool
}

var errBusy = errors.New("the sequence is going on already")

// Generate makes the sequence the given tokens, all of its text so far, and returns what
// follows, token by token; the last one may be an end of text. Of what the sequence has
// evaluated before it keeps what it can (see Reuse), so that a chat costs what is new in
// it. The tokens that were given out have been evaluated; the last one may not have been.
// Until the text ends nothing else may evaluate the sequence or take it elsewhere.
//
// Sequences of one session that go on at the same time share steps. Where the caller
// stops, or ctx ends, the sequence can go on later; its room is free after End.
func (q *Sequence) Generate(ctx context.Context, tokens []int32, o GenerateOptions) iter.Seq2[int32, error] {
	return q.generate(ctx, tokens, nil, o)
}

// generate is Generate, and leaves marks after so many tokens, in rising order.
func (q *Sequence) generate(ctx context.Context, tokens []int32, marks []int, o GenerateOptions) iter.Seq2[int32, error] {
	return func(yield func(int32, error) bool) {
		if err := q.goOn(ctx, tokens, marks, o, func(id int32) bool { return yield(id, nil) }); err != nil {
			yield(0, err)
		}
	}
}

// goOn is generate; it ends without an error when give returns false.
func (q *Sequence) goOn(ctx context.Context, tokens []int32, marks []int, o GenerateOptions, give func(int32) bool) error {
	sampler, err := sample.New(o.Sample)
	if err != nil {
		return err
	}
	if o.Max < 0 {
		return fmt.Errorf("at most %d tokens: want 0 or more", o.Max)
	}
	end := o.End
	if end == nil {
		end = q.s.m.endOfText()
	}
	if !q.busy.CompareAndSwap(false, true) {
		return errBusy
	}
	defer q.busy.Store(false)
	defer q.settle()
	defer q.s.turns.gone(q)
	kept, err := q.reuse(tokens)
	if err != nil {
		return err
	}
	unread := q.s.m.newAnswer(nil)
	for _, at := range marks {
		if at <= kept || at >= len(tokens) {
			continue
		}
		if err := q.s.evaluate(ctx, q, tokens[kept:at], unread); err != nil {
			return err
		}
		if err := q.Mark(); err != nil {
			return err
		}
		kept = at
	}
	sampler.Accept(tokens...)
	next, a := tokens[kept:], q.s.m.newAnswer(sampler)
	for n := 1; ; n++ {
		a.more = n != o.Max
		if err := q.s.evaluate(ctx, q, next, a); err != nil {
			return err
		}
		id, err := a.next()
		if err != nil {
			return err
		}
		if !give(id) || end(id) || n == o.Max {
			return nil
		}
		next = []int32{id}
	}
}
