package deltaloom

import (
	"slices"
	"testing"
	"time"
)

// TestPick gives turns of some lengths and wants the steps in order.
func TestPick(t *testing.T) {
	b := newBatcher()
	for _, n := range []int{1, 3, 1, 6, 1} {
		b.waiting = append(b.waiting, &turn{tokens: make([]int32, n)})
	}
	lengths := func(turns []*turn) (n []int) {
		for _, t := range turns {
			n = append(n, len(t.tokens))
		}
		return n
	}
	for i, want := range []struct {
		lengths []int
		tokens  int
	}{
		{[]int{3, 6}, 2}, // four tokens a step: two of each
		{[]int{1, 1, 1}, 1},
		{nil, 0},
	} {
		turns, tokens := b.pick(4)
		if got := lengths(turns); !slices.Equal(got, want.lengths) || tokens != want.tokens {
			t.Errorf("step %d: %d tokens of turns of %v, want %d of %v", i, tokens, got, want.tokens, want.lengths)
		}
	}

	// Prompts and answers that wait at the same time have steps in turn.
	b = newBatcher()
	var kinds []bool
	for range 4 {
		b.waiting = []*turn{{tokens: make([]int32, 5)}, {tokens: make([]int32, 1)}}
		b.pick(4)
		kinds = append(kinds, b.prompts)
	}
	if want := []bool{true, false, true, false}; !slices.Equal(kinds, want) {
		t.Errorf("prompts: %v, want %v", kinds, want)
	}
}

// TestGather waits for a sequence that is expected until it is back, or for a while.
func TestGather(t *testing.T) {
	b, q := newBatcher(), &Sequence{}
	b.took = time.Hour
	b.expected[q] = true
	go b.gone(q)
	b.gather() // ends
	b.took = 8 * time.Millisecond
	b.expected[q] = true
	b.gather()
	if len(b.expected) > 0 {
		t.Error("it is expected still")
	}
}
