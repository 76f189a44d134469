package sample

import (
	"cmp"
	"errors"
	"math"
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

var errNoToken = errors.New("sample: no logit is a finite number")

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
		return 0, errNoToken
	}
	return int32(best), nil
}

func (s *Sampler) draw(logits []float32) (int32, error) {
	s.kept = s.kept[:0]
	if s.o.TopK > 0 {
		s.kept = topK(s.kept, logits, s.o.TopK)
	} else {
		for i, v := range logits {
			if finite(v) {
				s.kept = append(s.kept, candidate{id: int32(i), logit: v})
			}
		}
	}
	if len(s.kept) == 0 {
		return 0, errNoToken
	}
	slices.SortFunc(s.kept, byLogit)
	s.weigh(1)
	s.topP()
	s.minP()
	return s.pick(s.weigh(s.o.Temperature)), nil
}

// byLogit puts the likelier first, and of equals the lower token.
func byLogit(a, b candidate) int {
	return cmp.Or(cmp.Compare(b.logit, a.logit), cmp.Compare(a.id, b.id))
}

// weigh sets the weights of what is kept, and returns their sum.
func (s *Sampler) weigh(temperature float64) (sum float64) {
	high := float64(s.kept[0].logit)
	for i := range s.kept {
		c := &s.kept[i]
		c.weight = math.Exp((float64(c.logit) - high) / temperature)
		sum += c.weight
	}
	return sum
}

// topP keeps the first candidates that together have at least the probability TopP.
func (s *Sampler) topP() {
	if s.o.TopP == 0 || s.o.TopP == 1 {
		return
	}
	var sum, have float64
	for _, c := range s.kept {
		sum += c.weight
	}
	for i, c := range s.kept {
		if have += c.weight; have >= s.o.TopP*sum {
			s.kept = s.kept[:i+1]
			return
		}
	}
}

// minP keeps candidates with at least the weight MinP; the first has 1.
func (s *Sampler) minP() {
	n, _ := slices.BinarySearchFunc(s.kept, s.o.MinP, func(c candidate, least float64) int {
		if c.weight >= least {
			return -1
		}
		return 1
	})
	s.kept = s.kept[:max(n, 1)]
}

// pick takes a candidate by chance, each with its share of the sum of weights.
func (s *Sampler) pick(sum float64) int32 {
	at := float64(s.source.Uint64()>>11) / (1 << 53) * sum
	for _, c := range s.kept {
		if at -= c.weight; at < 0 {
			return c.id
		}
	}
	return s.kept[len(s.kept)-1].id
}

// topK appends the k likeliest tokens to kept, in no order: a heap whose root is the
// one that has to go first.
func topK(kept []candidate, logits []float32, k int) []candidate {
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
