package sample

import "slices"

// Draw is all that decides, beside their logits, which of the likeliest tokens is picked
// next; so that who computes the logits can pick the token too. The fields are those of
// Options, and the zero value takes the likeliest token.
type Draw struct {
	Random                  uint64 // the sampler's next number
	Temperature, TopP, MinP float64
	TopK                    int
}

// Candidates is how many of the likeliest tokens a Draw has to be given, 0 where Next
// needs all logits.
func (s *Sampler) Candidates() int {
	switch {
	case s.o.penalised():
		return 0
	case s.o.Temperature == 0:
		return 1
	}
	return s.o.TopK
}

// Draw takes the sampler a token on, one that Next would have picked as the Draw does.
// It is for samplers with Candidates.
func (s *Sampler) Draw() Draw {
	if s.o.Temperature == 0 {
		return Draw{}
	}
	return Draw{s.source.Uint64(), s.o.Temperature, s.o.TopP, s.o.MinP, s.o.TopK}
}

// Of returns the place of the token that is picked: logits are those of the TopK
// likeliest tokens or more, likeliest first, of equal ones the lowest first. It is -1
// where none is a finite number.
func (d Draw) Of(logits []float32) int {
	best, err := likeliest(logits)
	if err != nil {
		return -1
	}
	if d.Temperature == 0 {
		return int(best)
	}
	high, sum := logits[best], 0.0
	most := max(1, min(d.TopK, len(logits)))
	kept := make([]candidate, 0, most)
	for i, v := range logits {
		if finite(v) && len(kept) < most {
			kept = append(kept, candidate{int32(i), v, weight(v, high, 1)})
			sum += kept[len(kept)-1].weight
		}
	}
	if d.TopP > 0 && d.TopP < 1 {
		kept, _ = cut(kept, d.TopP*sum)
	}
	if kept = atLeast(kept, d.MinP); len(kept) == 0 { // MinP is no probability
		return int(best)
	}
	return int(kept[pick(kept, high, d.Temperature, d.Random)].id)
}

// cut keeps the first candidates that together weigh enough, if they do.
func cut(kept []candidate, enough float64) ([]candidate, bool) {
	have := 0.0
	for i, c := range kept {
		if have += c.weight; have >= enough {
			return kept[:i+1], true
		}
	}
	return kept, false
}

// atLeast keeps candidates that are at least so many times as likely as the likeliest.
func atLeast(kept []candidate, minP float64) []candidate {
	if minP == 0 {
		return kept
	}
	return slices.DeleteFunc(kept, func(c candidate) bool { return c.weight < minP })
}

// pick returns the place of a candidate, each with its share at the temperature of the
// random numbers.
func pick(kept []candidate, high float32, temperature float64, random uint64) int {
	sum := 0.0
	for i := range kept {
		c := &kept[i]
		if temperature != 1 {
			c.weight = weight(c.logit, high, temperature)
		}
		sum += c.weight
	}
	at := float64(float64(random>>11) / (1 << 53) * sum)
	for i, c := range kept {
		if at -= c.weight; at < 0 {
			return i
		}
	}
	return len(kept) - 1
}
