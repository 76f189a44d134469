package deltaloom

import (
	"github.com/deltaloom/deltaloom/runtime/sched"
	"github.com/deltaloom/deltaloom/sample"
)

// answer is what a step says of the token that comes next: all logits, or where a
// device picks the token as the sampler would, that.
type answer struct {
	sampler *sample.Sampler // nil: nobody wants to know
	top     int             // how many of the likeliest tokens the device looks at; 0: the host samples
	more    bool            // the token will be evaluated, too

	picked bool
	token  int32
	logits []float32
}

// mostCandidates is how many tokens a device looks at. More are no longer cheaper than
// all logits.
const mostCandidates = 64

// newAnswer returns room for what a sampler needs.
func (m *Model) newAnswer(s *sample.Sampler) *answer {
	a := &answer{sampler: s}
	if _, host := m.backends[0].(sched.HostBackend); host {
		return a
	}
	n := 1
	if s != nil {
		n = s.Candidates()
	}
	if n <= min(mostCandidates, m.config.Vocab) {
		a.top = n
	}
	return a
}

// draw decides which token the device picks, the sampler's next one.
func (a *answer) draw() sample.Draw {
	if a.sampler == nil {
		return sample.Draw{}
	}
	return a.sampler.Draw()
}

// next returns the token that has been picked, or lets the sampler pick.
func (a *answer) next() (int32, error) {
	switch {
	case !a.picked:
		return a.sampler.Next(a.logits)
	case a.token < 0:
		return 0, sample.ErrNoToken
	}
	return a.token, nil
}

// all takes the logits of a vocabulary.
func (a *answer) all(logits []float32) { a.picked, a.logits = false, append(a.logits[:0], logits...) }

// one takes the token that was picked.
func (a *answer) one(token int32) { a.picked, a.token = true, token }

// topOf returns how many of the likeliest tokens a step for all these turns looks at: 0,
// logits are given out, where one of them wants that. Otherwise it is a power of two as
// far as there are tokens, so that steps for samplers of any kind are few.
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
