package delta

// A pass works on a panel s [R K], R elements of d, v and o, and the records of
// tokens. Its products with q wait in w.r.

// dots decays s, then sets d = beta(v - s·k) and o = s·q + d(k·q) of a token.
func (w *worker) dots(s, d, v, o []float32, next record, more bool) {
	switch {
	case !w.has(w.Dk):
		w.dotsRows(s, d, next)
	case w.Dg == 1:
		w.assembly.dots(p(s), p(d), p(w.r), len(d), w.Dk, p(next))
	default:
		w.dotsChannels(p(s), p(d), p(w.r), len(d), w.Dk, p(next))
	}
	w.correct(d, v, o, next, more)
}

// step is update with the token last, then dots with the token next.
func (w *worker) step(s, d, v, o []float32, last, next record, more bool) {
	switch {
	case !w.has(w.Dk):
		w.updateRows(s, d, last)
		w.dotsRows(s, d, next)
	case w.Dg == 1:
		w.assembly.step(p(s), p(d), p(w.r), len(d), w.Dk, p(last), p(next))
	default:
		w.stepChannels(p(s), p(d), p(w.r), len(d), w.Dk, p(last), p(next))
	}
	w.correct(d, v, o, next, more)
}

// update adds d kᵀ to s.
func (w *worker) update(s, d []float32, last record) {
	if w.has(w.Dk) {
		w.assembly.update(p(s), p(d), len(d), w.Dk, p(last))
	} else {
		w.updateRows(s, d, last)
	}
}

// correct asks for v and o of one more token.
func (w *worker) correct(d, v, o []float32, next record, more bool) {
	v, o = v[:len(d)], o[:len(d)]
	if w.has(w.Dk) {
		vnext, onext := 0, 0
		if more {
			vnext, onext = 4*w.V.T, 4*w.O.T
		}
		w.assembly.correct(p(d), p(w.r), p(v), p(o), len(d), vnext, onext, next[beta], next[kq])
		return
	}
	for j := range d {
		d[j] = next[beta] * (v[j] - d[j])
		o[j] = w.r[j] + float32(d[j]*next[kq])
	}
}

// dotsRows and updateRows do without assembly of this package.
func (w *worker) dotsRows(s, d []float32, next record) {
	K := w.Dk
	for j := range d {
		row := s[j*K:][:K]
		if w.Dg == 1 {
			w.vec.Scale(row, next[decay], row)
		} else {
			w.vec.Mul(row, next.field(2, K), row)
		}
		d[j], w.r[j] = w.vec.Dot(row, next.field(0, K)), w.vec.Dot(row, next.field(1, K))
	}
}

func (w *worker) updateRows(s, d []float32, last record) {
	K := w.Dk
	for j, e := range d {
		w.vec.Axpy(s[j*K:][:K], e, last.field(0, K))
	}
}
