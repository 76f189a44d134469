package delta

import (
	"math"
	"unsafe"

	"github.com/deltaloom/deltaloom/ops"
)

const (
	blockTokens = 64       // prepared ahead: small enough for a second-level cache
	panelBytes  = 24 << 10 // of state that stay in a first-level cache for a block of tokens
	maxPanel    = 256      // rows
	askAhead    = 4        // tokens whose q, k and g are on their way from memory
	stateAhead  = 2 << 10  // elements of state that are, for a token on its own
)

const line = 16 // float32s in a cache line

// record is what all rows of a head share in a token: a line of numbers, then
//
//	k [K]  normalised
//	q [K]  normalised and scaled
//	a [K]  the decay of each channel, unless they have one decay
type record []float32

// The numbers of a record.
const (
	decay = iota // e^g, of all channels
	beta
	kq // k·q
)

func recordLen(K, Dg int) int {
	n := line + 2*K
	if Dg > 1 {
		n += K
	}
	return (n + line - 1) &^ (line - 1)
}

func (r record) field(i, K int) []float32 { return r[line+i*K:][:K] }

// ScratchLen is how many elements of scratch a worker needs for K key channels
// with Dg decays.
func ScratchLen(K, Dg int) int {
	return line + 2*maxPanel + blockTokens*(1+recordLen(K, Dg))
}

// worker is what one call of Run works with.
type worker struct {
	*Net
	*Kernels
	d, r    []float32 // of the rows of a panel; r is for the kernels
	g       []float32 // [blockTokens]
	records []float32 // [blockTokens recordLen]
	length  int       // of a record
	panel   int       // rows of one
	scale   float64
}

func newWorker(n *Net, k *Kernels, scratch []float32) worker {
	if past := uintptr(unsafe.Pointer(p(scratch))) % (4 * line) / 4; past > 0 {
		scratch = scratch[line-past:]
	}
	w := worker{Net: n, Kernels: k, length: recordLen(n.Dk, n.Dg), scale: float64(n.Attrs.Scale)}
	w.d, w.r, w.g = scratch[:maxPanel], scratch[maxPanel:][:maxPanel], scratch[2*maxPanel:][:blockTokens]
	w.records = scratch[2*maxPanel+blockTokens:]
	if w.scale == 0 {
		w.scale = 1
	}
	w.panel = min(max(panelBytes/(4*n.Dk)&^7, 8), maxPanel)
	if n.T == 1 {
		w.panel = 8 // what can be on its way from memory meanwhile
	}
	return w
}

func (w *worker) record(i int) record { return w.records[i*w.length:][:w.length] }

// head takes rows from to to of a head through n tokens from t on. Rows up to end
// come next, those of other heads.
func (w *worker) head(b, h, from, to, end, t, n int) {
	w.prepare(b, h, t, n)
	K := w.Dk
	state := w.State[b][h*w.Dv*K:]
	state = state[:min(len(state), end*K)]
	v, o := w.V.F[w.V.at(b, t, h):], w.O.F[w.O.at(b, t, h):]
	if n == 1 && w.has(K) && w.assembly.token != nil {
		w.token(state, v, o, from, to)
		return
	}
	for lo := from; lo < to; lo += w.panel {
		hi := min(lo+w.panel, to)
		x := panel{s: state[lo*K : hi*K], d: w.d[:hi-lo], vnext: 4 * w.V.T, onext: 4 * w.O.T}
		ahead := state[hi*K:]
		ahead = ahead[:min(len(ahead), w.panel*K)] // the next panel comes bit by bit
		share := (len(ahead)/n + line) &^ (line - 1)
		for i := range n {
			x.v, x.o = v[i*w.V.T+lo:][:hi-lo], o[i*w.O.T+lo:][:hi-lo]
			if i+1 == n {
				x.vnext, x.onext = 0, 0
			}
			if i == 0 {
				w.dots(&x, w.record(i))
			} else {
				w.step(&x, w.record(i-1), w.record(i))
			}
			share = min(share, len(ahead))
			w.want(ahead[:share])
			ahead = ahead[share:]
		}
		w.update(&x, w.record(n-1))
	}
}

// token takes rows from to to of a head's state through a token on its own.
func (w *worker) token(state, v, o []float32, from, to int) {
	K := w.Dk
	token := w.assembly.token
	if w.Dg > 1 {
		token = w.tokenChannels
	}
	far := min(max((len(state)-stateAhead)/K, from), to) // rows behind it have none that far ahead
	for _, x := range [2]struct{ lo, hi, ahead int }{{from, far, stateAhead}, {far, to, 0}} {
		if x.lo < x.hi {
			at := state[x.lo*K:]
			token(p(at), p(w.d), x.hi-x.lo, K, p(w.record(0)), p(v[x.lo:]), p(o[x.lo:]), p(at[x.ahead:]))
		}
	}
}

// prepare fills the records of n tokens from t on.
func (w *worker) prepare(b, h, t, n int) {
	K := w.Dk
	key := w.Attrs.Heads.KeyHead(h, w.Hk, w.Hv)
	for i := range n {
		if ahead := i + askAhead; ahead < n {
			w.want(w.Q.row(b, t+ahead, key, K))
			w.want(w.K.row(b, t+ahead, key, K))
			w.want(w.G.row(b, t+ahead, h, w.Dg))
		}
		r := w.record(i)
		w.normalise(r, w.Q.row(b, t+i, key, K), w.K.row(b, t+i, key, K))
		r[beta] = w.Beta.row(b, t+i, h, 1)[0]
		if g := w.G.row(b, t+i, h, w.Dg); w.Dg > 1 {
			w.vec.Exp(r.field(2, K), g)
		} else {
			w.g[i] = g[0]
		}
	}
	if w.Dg == 1 {
		w.vec.Exp(w.g[:n], w.g)
		for i, a := range w.g[:n] {
			w.records[i*w.length+decay] = a
		}
	}
}

// normalise sets k, q and k·q of a record.
func (w *worker) normalise(r record, q, k []float32) {
	y := r[:3]
	if w.has(w.Dk) {
		w.products(p(y), p(q), p(k), w.Dk)
	} else {
		y[0], y[1], y[2] = w.vec.SumSquares(q), w.vec.SumSquares(k), w.vec.Dot(q, k)
	}
	qs, ks := w.scale*w.factor(y[0]), w.factor(y[1])
	r[kq] = float32(float64(y[2]) * qs * ks)
	w.vec.Scale(r.field(0, w.Dk), float32(ks), k)
	w.vec.Scale(r.field(1, w.Dk), float32(qs), q)
}

func (w *worker) want(x []float32) {
	if w.ask != nil && len(x) > 0 {
		w.ask(p(x), len(x))
	}
}

// factor is what the norm multiplies x with, given Σx².
func (w *worker) factor(sum float32) float64 {
	switch eps := float64(w.Attrs.Eps); w.Attrs.Norm {
	case ops.NormSum:
		return 1 / math.Sqrt(float64(sum)+eps)
	case ops.NormMax:
		return 1 / max(math.Sqrt(float64(sum)), eps)
	}
	return 1
}
