package delta

import (
	"math"
	"unsafe"

	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
)

const (
	blockTokens = 32       // prepared ahead: small enough for a second-level cache
	panelBytes  = 24 << 10 // of state that stay in a first-level cache for a block of tokens
	maxPanel    = 256      // rows
)

// A token's record is what all rows of a head share, lines of 64 bytes:
//
//	a    [K]  decay, e^g
//	k    [K]  normalised
//	a∘k  [K]  so that S~k = S(a∘k)
//	a∘q  [K]  q normalised and scaled; S~q = S(a∘q)
//	beta, k·q
func recordLen(K int) int { return 4*K + line }

const line = 16 // float32s in a cache line

// ScratchLen is how many elements of scratch a worker needs for K key channels.
func ScratchLen(K int) int { return blockTokens*roundUp(recordLen(K)) + maxPanel + line }

func roundUp(n int) int { return (n + line - 1) &^ (line - 1) }

// worker is what one call of Run works with.
type worker struct {
	*Net
	vec     *vec.Funcs
	records []float32 // [blockTokens record]
	record  int       // distance of two records
	d       []float32 // beta(v - S~k) of the rows of a panel
	panel   int       // rows
	scale   float64
}

func newWorker(n *Net, v *vec.Funcs, scratch []float32) worker {
	skip := 0
	if past := uintptr(unsafe.Pointer(unsafe.SliceData(scratch))) % (4 * line) / 4; past > 0 {
		skip = line - int(past)
	}
	w := worker{Net: n, vec: v, record: roundUp(recordLen(n.Dk)), scale: float64(n.Attrs.Scale)}
	w.d = scratch[skip : skip+maxPanel]
	w.records = scratch[skip+maxPanel:][:blockTokens*w.record]
	if w.scale == 0 {
		w.scale = 1
	}
	w.panel = min(max(panelBytes/(4*n.Dk)&^7, 8), maxPanel)
	if n.T == 1 {
		w.panel = 16 // read from memory, written back from the first-level cache
	}
	return w
}

// head takes rows from to to of a head through all tokens.
func (w *worker) head(b, h, from, to int) {
	K := w.Dk
	state := w.State[b][h*w.Dv*K:][:w.Dv*K]
	for t := 0; t < w.T; t += blockTokens {
		n := min(blockTokens, w.T-t)
		for i := range n {
			w.prepare(w.records[i*w.record:][:w.record], b, t+i, h)
		}
		for lo := from; lo < to; lo += w.panel {
			hi := min(lo+w.panel, to)
			s, d := state[lo*K:hi*K], w.d[:hi-lo]
			last := w.records[:w.record]
			w.dots(s, last, w.V.row(b, t, h, w.Dv)[lo:hi], w.O.row(b, t, h, w.Dv)[lo:hi], d)
			for i := 1; i < n; i++ {
				next := w.records[i*w.record:][:w.record]
				w.update(s, last, d)
				w.dots(s, next, w.V.row(b, t+i, h, w.Dv)[lo:hi], w.O.row(b, t+i, h, w.Dv)[lo:hi], d)
				last = next
			}
			w.update(s, last, d)
		}
	}
}

// prepare fills the record of token t.
func (w *worker) prepare(record []float32, b, t, h int) {
	K := w.Dk
	key := w.Attrs.Heads.KeyHead(h, w.Hk, w.Hv)
	q, k := w.Q.row(b, t, key, K), w.K.row(b, t, key, K)
	qs, ks := w.scale*w.factor(w.vec.SumSquares(q)), w.factor(w.vec.SumSquares(k))
	decay := record[:K]
	w.vec.Exp(decay[:w.Dg], w.G.row(b, t, h, w.Dg))
	if w.Dg == 1 {
		for i := range decay {
			decay[i] = decay[0]
		}
	}
	w.fold(record, q, k, float32(qs), float32(ks))
	record[4*K] = w.Beta.row(b, t, h, 1)[0]
	record[4*K+1] = float32(float64(w.vec.Dot(q, k)) * qs * ks)
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
