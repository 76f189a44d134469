package sample

// window is the last tokens of a text.
type window []int32

func (w *window) add(size int, tokens []int32) {
	tokens = tokens[max(0, len(tokens)-size):]
	if drop := len(*w) + len(tokens) - size; drop > 0 {
		*w = (*w)[:copy(*w, (*w)[drop:])]
	}
	*w = append(*w, tokens...)
}

// penalties is memory to change logits in.
type penalties struct {
	changed []float32
	counts  map[int32]int
}

// apply returns the logits with penalties for the tokens of the window. The formula is
// that of Keskar et al. 2019 for repetitions, arXiv:1909.05858, §4.1, and of OpenAI's
// API for frequency and presence.
func (p *penalties) apply(o Options, w window, logits []float32) []float32 {
	p.changed = append(p.changed[:0], logits...)
	if p.counts == nil {
		p.counts = map[int32]int{}
	}
	clear(p.counts)
	for _, id := range w {
		if id >= 0 && int(id) < len(logits) {
			p.counts[id]++
		}
	}
	for id, n := range p.counts {
		v := float64(logits[id])
		if r := o.RepeatPenalty; r != 0 {
			if v > 0 {
				v /= r
			} else {
				v = float64(v * r)
			}
		}
		p.changed[id] = float32(v - float64(float64(n)*o.FrequencyPenalty) - o.PresencePenalty)
	}
	return p.changed
}
