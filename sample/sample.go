package sample

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"slices"
)

// Sampler picks the tokens of one text. It is not safe for concurrent use.
type Sampler struct {
	o      Options
	source *rand.PCG
	window window

	kept []candidate
	penalties
}

// A candidate is a token that may be picked.
type candidate struct {
	id     int32
	logit  float32
	weight float64 // exp of the logit's distance to the highest
}

// New returns a sampler that has seen no tokens; the error is that of Options.Check.
func New(o Options) (*Sampler, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.PenaltyWindow == 0 {
		o.PenaltyWindow = defaultWindow
	}
	return &Sampler{o: o, source: rand.NewPCG(o.Seed, 0)}, nil
}

// Accept takes tokens into the window of the penalties: those of a prompt, say.
func (s *Sampler) Accept(tokens ...int32) {
	if s.o.penalised() {
		s.window.add(s.o.PenaltyWindow, tokens)
	}
}

// Clone returns a sampler that will pick as s will.
func (s *Sampler) Clone() *Sampler {
	c := *s
	source := *s.source
	c.source, c.kept, c.penalties = &source, nil, penalties{}
	c.window = slices.Clone(s.window)
	return &c
}

// ErrNoToken says that there is nothing to pick from.
var ErrNoToken = errors.New("sample: no logit is a finite number")

// Next picks a token and takes it into the window of the penalties. Logits, one for
// each token of the vocabulary, stay as they are; those that are no number or infinite
// are never picked. Of equal ones the lowest token comes first.
func (s *Sampler) Next(logits []float32) (int32, error) {
	var id int32
	var err error
	if s.o.penalised() {
		logits = s.apply(s.o, s.window, logits)
	}
	if s.o.Temperature == 0 {
		id, err = likeliest(logits)
	} else {
		id, err = s.draw(logits)
	}
	if err == nil {
		s.Accept(id)
	}
	return id, err
}

func finite(v float32) bool { return v-v == 0 }

func likeliest(logits []float32) (int32, error) {
	best := -1
	var high float32
	for i, v := range logits {
		if (v > high || best < 0) && finite(v) {
			best, high = i, v
		}
	}
	if best < 0 {
		return 0, ErrNoToken
	}
	return int32(best), nil
}

func (s *Sampler) draw(logits []float32) (int32, error) {
	best, err := likeliest(logits)
	if err != nil {
		return 0, err
	}
	high := logits[best]
	switch {
	case s.o.TopP > 0 && s.o.TopP < 1:
		s.topP(logits, high)
	case s.o.TopK > 0:
		s.topK(logits, high, s.o.TopK)
	default:
		s.kept = s.kept[:0]
		for i, v := range logits {
			if finite(v) {
				s.kept = append(s.kept, candidate{int32(i), v, weight(v, high, 1)})
			}
		}
	}
	s.kept = atLeast(s.kept, s.o.MinP)
	return s.kept[pick(s.kept, high, s.o.Temperature, s.source.Uint64())].id, nil
}

// weight is exp of a logit's distance to the highest one.
func weight(v, high float32, temperature float64) float64 {
	return exp((float64(v) - float64(high)) / temperature)
}

// byLogit puts the likelier first, and of equals the lower token.
func byLogit(a, b candidate) int {
	return cmp.Or(cmp.Compare(b.logit, a.logit), cmp.Compare(a.id, b.id))
}

// topK keeps the k likeliest tokens, likeliest first, and returns the sum of their
// weights.
func (s *Sampler) topK(logits []float32, high float32, k int) (sum float64) {
	s.kept = likeliestOf(s.kept[:0], logits, k)
	slices.SortFunc(s.kept, byLogit)
	for i := range s.kept {
		c := &s.kept[i]
		c.weight = weight(c.logit, high, 1)
		sum += c.weight
	}
	return sum
}

// topP keeps the first of the TopK likeliest tokens that together have at least the
// probability TopP. Without TopK it looks at some hundreds first, which are enough for
// all but flat distributions: sorting a vocabulary takes longer than a small model.
func (s *Sampler) topP(logits []float32, high float32) {
	if s.o.TopK > 0 {
		s.kept, _ = cut(s.kept, s.o.TopP*s.topK(logits, high, s.o.TopK))
		return
	}
	sum := 0.0
	for _, v := range logits {
		if finite(v) {
			sum += weight(v, high, 1)
		}
	}
	s.topK(logits, high, 256)
	kept, enough := cut(s.kept, s.o.TopP*sum)
	if !enough {
		s.topK(logits, high, len(logits))
		kept, _ = cut(s.kept, s.o.TopP*sum)
	}
	s.kept = kept
}

// likeliestOf appends the k likeliest tokens to kept, in no order: a heap whose root is
// the one that has to go first.
func likeliestOf(kept []candidate, logits []float32, k int) []candidate {
	for i, v := range logits {
		switch {
		case !finite(v):
		case len(kept) < k:
			kept = append(kept, candidate{id: int32(i), logit: v})
			if len(kept) == k {
				for at := k/2 - 1; at >= 0; at-- {
					sink(kept, at)
				}
			}
		case v > kept[0].logit:
			kept[0] = candidate{id: int32(i), logit: v}
			sink(kept, 0)
		}
	}
	return kept
}

// sink moves a candidate down to where no less likely one is above it.
func sink(heap []candidate, at int) {
	for {
		least := at
		for _, child := range []int{2*at + 1, 2*at + 2} {
			if child < len(heap) && byLogit(heap[child], heap[least]) > 0 {
				least = child
			}
		}
		if least == at {
			return
		}
		heap[at], heap[least] = heap[least], heap[at]
		at = least
	}
}
