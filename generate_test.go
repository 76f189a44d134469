package deltaloom_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/sample"
)

// tokens collects what Generate gives.
func tokens(t testing.TB, ctx context.Context, q *deltaloom.Sequence, text []int32, o deltaloom.GenerateOptions) ([]int32, error) {
	t.Helper()
	var got []int32
	for id, err := range q.Generate(ctx, text, o) {
		if err != nil {
			return got, err
		}
		got = append(got, id)
	}
	return got, nil
}

func TestGenerate(t *testing.T) {
	m := tiny(t, deltaloom.Options{})
	s, q := begin(t, m, deltaloom.SessionOptions{Seqs: 2, Context: 20})
	text := []int32{3, 1, 4, 1, 5}
	got := must[[]int32](t)(tokens(t, t.Context(), q, text, deltaloom.GenerateOptions{Max: 6}))

	// What it gives is what Eval says is most likely, and all but the last are evaluated.
	whole := append(slices.Clone(text), got...)
	if !slices.Equal(q.Tokens(), whole[:len(whole)-1]) || q.Evaluated() != int64(len(whole)-1) {
		t.Errorf("the sequence has %v and evaluated %d, want %v", q.Tokens(), q.Evaluated(), whole)
	}
	step := must[*deltaloom.Sequence](t)(s.Begin())
	for i := range got {
		logits, best := next(t, s, step, whole[step.Len():len(text)+i]...), 0
		for id, v := range logits {
			if v > logits[best] {
				best = id
			}
		}
		if int32(best) != got[i] {
			t.Fatalf("token %d is %d, want %d", i, got[i], best)
		}
	}

	// It goes on where it was: only the last token is new.
	more := must[[]int32](t)(tokens(t, t.Context(), q, whole, deltaloom.GenerateOptions{Max: 2}))
	if n := q.Evaluated(); len(more) != 2 || n != int64(len(whole)+1) {
		t.Errorf("%v after %d tokens, %d evaluated in all", more, len(whole), n)
	}
	end := func(id int32) bool { return id == got[2] }
	if short := must[[]int32](t)(tokens(t, t.Context(), q, text, deltaloom.GenerateOptions{End: end})); !slices.Equal(short, got[:3]) {
		t.Errorf("it ends as %v, want %v", short, got[:3])
	}
	n := 0
	for _, err := range q.Generate(t.Context(), text, deltaloom.GenerateOptions{}) {
		if n++; err != nil || n == 2 {
			break
		}
	}
	if n != 2 || q.Len() != len(text)+1 {
		t.Errorf("stopped after %d tokens the sequence has %d", n, q.Len())
	}
	full, err := tokens(t, t.Context(), q, text, deltaloom.GenerateOptions{})
	want(t, err, "more than a context of 20")
	if len(full) != 20-len(text)+1 {
		t.Errorf("%d tokens to the end of the context", len(full))
	}
	for text, o := range map[string]deltaloom.GenerateOptions{"TopK": {Sample: sample.Options{TopK: -1}}, "at most -1": {Max: -1}} {
		_, err := tokens(t, t.Context(), q, []int32{1}, o)
		want(t, err, text)
	}
	_, err = tokens(t, t.Context(), q, nil, deltaloom.GenerateOptions{})
	want(t, err, "no tokens")
	_, err = tokens(t, t.Context(), q, []int32{1, 4000}, deltaloom.GenerateOptions{})
	want(t, err, "token 1 is 4000")
	if err := q.End(); err != nil {
		t.Error(err)
	}
	_, err = tokens(t, t.Context(), q, text, deltaloom.GenerateOptions{})
	want(t, err, "has ended")
}

func TestOneGenerateAtATime(t *testing.T) {
	m := tiny(t, deltaloom.Options{})
	_, q := begin(t, m, deltaloom.SessionOptions{})
	for _, err := range q.Generate(t.Context(), []int32{1}, deltaloom.GenerateOptions{Max: 2}) {
		if err != nil {
			t.Fatal(err)
		}
		_, err := tokens(t, t.Context(), q, []int32{1}, deltaloom.GenerateOptions{Max: 1})
		want(t, err, "going on already")
	}
	must[[]int32](t)(tokens(t, t.Context(), q, []int32{1}, deltaloom.GenerateOptions{Max: 1}))
}

// TestBadCompany lets sequences go on together of which some are cancelled, ended or
// given what is no token: the others do not notice, and the room is free at once.
func TestBadCompany(t *testing.T) {
	m := tiny(t, deltaloom.Options{})
	s := must[*deltaloom.Session](t)(m.NewSession(deltaloom.SessionOptions{Seqs: 6, UBatch: 8}))
	alone := must[*deltaloom.Sequence](t)(s.Begin())
	text := []int32{2, 7, 1, 8, 2, 8, 1, 8, 2, 8, 4}
	o := deltaloom.GenerateOptions{Max: 40}
	reference := must[[]int32](t)(tokens(t, t.Context(), alone, text, o))

	var all sync.WaitGroup
	for range 3 {
		q := must[*deltaloom.Sequence](t)(s.Begin())
		all.Go(func() {
			got, err := tokens(t, t.Context(), q, text, o)
			if err != nil || !slices.Equal(got, reference) {
				t.Errorf("%v, error %v, want %v", got, err, reference)
			}
		})
	}
	q := must[*deltaloom.Sequence](t)(s.Begin())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for _, err := range q.Generate(ctx, text, o) {
		if n++; n == 5 {
			cancel()
		}
		if n == 6 {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
			break
		}
	}
	if _, err := tokens(t, ctx, q, text, o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	if err := q.End(); err != nil {
		t.Error(err)
	}
	q = must[*deltaloom.Sequence](t)(s.Begin())
	_, err := tokens(t, t.Context(), q, []int32{1, -1}, o)
	want(t, err, "token 1 is -1")
	for _, err := range q.Generate(t.Context(), text, o) {
		if err != nil {
			want(t, err, "has ended")
			break
		}
		if err := q.End(); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
}
