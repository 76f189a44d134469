package deltaloom

import (
	"github.com/deltaloom/deltaloom/runtime/sched"
	"github.com/deltaloom/deltaloom/sample"
)

// answer is what a step says of the token that comes next: all logits, or where a
// device picks out the likeliest tokens, these alone.
type answer struct {
	top    int       // how many tokens are wanted, likeliest first; 0 stands for all logits
	ids    []int32   // nil where there are all logits
	logits []float32 // of the ids, or of the vocabulary
}

// mostCandidates is how many tokens a device is asked for. More are no longer cheaper
// than all logits.
const mostCandidates = 64

// newAnswer returns room for what a sampler needs.
func (m *Model) newAnswer(s *sample.Sampler) *answer {
	a := &answer{}
	if _, host := m.backends[0].(sched.HostBackend); host {
		return a
	}
	if n := s.Candidates(); n <= min(mostCandidates, m.config.Vocab) {
		a.top = n
	}
	return a
}

// next lets the sampler pick.
func (a *answer) next(s *sample.Sampler) (int32, error) {
	if a.ids != nil {
		return s.NextOf(a.ids, a.logits)
	}
	return s.Next(a.logits)
}

// all takes the logits of a vocabulary.
func (a *answer) all(logits []float32) { a.ids, a.logits = nil, append(a.logits[:0], logits...) }

// some takes the likeliest tokens.
func (a *answer) some(ids []int32, logits []float32) {
	a.ids, a.logits = append(a.ids[:0], ids[:a.top]...), append(a.logits[:0], logits[:a.top]...)
}

// topOf returns how many tokens of a vocabulary a step for all these turns has to find:
// 0, all logits, where one of them wants that. Otherwise it is a power of two as far as
// there are tokens, so that steps for samplers of any kind are few.
func topOf(turns []*turn, vocab int) int {
	top := 1
	for _, t := range turns {
		if t.answer.top == 0 {
			return 0
		}
		for top < t.answer.top {
			top *= 2
		}
	}
	return min(top, vocab)
}
