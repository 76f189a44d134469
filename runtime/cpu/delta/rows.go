package delta

// panel is rows of a state [R K] and their elements of v and o, in the token at
// hand.
type panel struct {
	s, d         []float32 // d is left for the update
	v, o         []float32
	vnext, onext int // bytes to those of the next token
}

// dots decays s, then sets d = beta(v - s·k) and o = s·q + d(k·q).
func (w *worker) dots(x *panel, next record) {
	switch {
	case !w.has(w.Dk):
		w.dotsRows(x, next)
	case w.Dg == 1:
		w.assembly.dots(p(x.s), p(x.d), len(x.d), w.Dk, p(next), p(w.r), p(x.v), p(x.o), x.vnext, x.onext)
	default:
		w.dotsChannels(p(x.s), p(x.d), len(x.d), w.Dk, p(next), p(w.r), p(x.v), p(x.o), x.vnext, x.onext)
	}
}

// step is update with the token last, then dots with the token next.
func (w *worker) step(x *panel, last, next record) {
	switch {
	case !w.has(w.Dk):
		w.updateRows(x, last)
		w.dotsRows(x, next)
	case w.Dg == 1:
		w.assembly.step(p(x.s), p(x.d), len(x.d), w.Dk, p(last), p(next), p(w.r), p(x.v), p(x.o), x.vnext, x.onext)
	default:
		w.stepChannels(p(x.s), p(x.d), len(x.d), w.Dk, p(last), p(next), p(w.r), p(x.v), p(x.o), x.vnext, x.onext)
	}
}

// update adds d kᵀ to s.
func (w *worker) update(x *panel, last record) {
	if w.has(w.Dk) {
		w.assembly.update(p(x.s), p(x.d), len(x.d), w.Dk, p(last))
	} else {
		w.updateRows(x, last)
	}
}

// dotsRows and updateRows do without assembly of this package.
func (w *worker) dotsRows(x *panel, next record) {
	K := w.Dk
	for j := range x.d {
		row := x.s[j*K:][:K]
		if w.Dg == 1 {
			w.vec.Scale(row, next[decay], row)
		} else {
			w.vec.Mul(row, next.field(2, K), row)
		}
		x.d[j] = next[beta] * (x.v[j] - w.vec.Dot(row, next.field(0, K)))
		x.o[j] = w.vec.Dot(row, next.field(1, K)) + float32(x.d[j]*next[kq])
	}
}

func (w *worker) updateRows(x *panel, last record) {
	K := w.Dk
	for j, e := range x.d {
		w.vec.Axpy(x.s[j*K:][:K], e, last.field(0, K))
	}
}
