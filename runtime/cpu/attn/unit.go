package attn

import (
	"math"
	"unsafe"
)

// unit is one piece of work: some tokens of a sequence with the query heads of one
// key head. Row i is token i div r, head i mod r of the group.
type unit struct {
	*Call
	k            *Kernels
	b, g         int // sequence, key head
	token, n     int // the first token, queries
	keys, vals   []float32
	kStep, vStep int
	q            []float32            // [rows/4][K/16][4][16]
	s            []float32            // [rows][tile]
	kept         []float32            // [rows]
	end          [blockRows + 4]int32 // positions that row i sees
}

// partial is the state of the online softmax of the rows of a unit.
type partial struct {
	o    []float32 // [rows][V], weighted by e^-m
	m, l []float32 // maximum of the scores and sum of their exponentials
}

// Run computes unit u. Whoever runs the units may do so in any order and at once,
// with a scratch for each.
func (k *Kernels) Run(c *Call, u int, scratch []float32) {
	var w unit
	rest := w.init(k, c, u, scratch)
	whole, rest := w.partial(rest)
	part, _ := w.partial(rest)
	w.chunk(0, whole)
	for i := 1; i < c.Chunks(); i++ {
		w.chunk(i, part)
		w.merge(i, whole, part)
	}
	w.store(whole)
}

// Part computes chunk i of unit u, leaving the result in out, Partial long, for
// Combine.
func (k *Kernels) Part(c *Call, u, i int, scratch, out []float32) {
	var w unit
	w.init(k, c, u, scratch)
	part, _ := w.partial(out)
	w.chunk(i, part)
}

// Combine finishes unit u from what Part left for its chunks, one after the other
// in parts, which it overwrites: the same bits as Run gives.
func (k *Kernels) Combine(c *Call, u int, parts []float32) {
	var w unit
	w.place(k, c, u)
	whole, rest := w.partial(parts)
	for i := 1; i < c.Chunks(); i++ {
		var part partial
		part, rest = w.partial(rest)
		w.merge(i, whole, part)
	}
	w.store(whole)
}

// place finds the unit's tokens and what they see.
func (w *unit) place(k *Kernels, c *Call, u int) {
	w.Call, w.k = c, k
	blocks := c.blocks()
	w.token = u % blocks * c.tokens()
	w.g, w.b = u/blocks%c.G, u/blocks/c.G
	r := c.H / c.G
	w.n = min(c.tokens(), c.T-w.token) * r
	for i := range w.n {
		at := (w.b*c.T + w.token + i/r) * c.PosStep
		w.end[i] = int32(max(0, min(int(c.Pos[at])+1, c.Len)))
	}
}

// init places the unit and lays its queries out; it returns the scratch not used.
func (w *unit) init(k *Kernels, c *Call, u int, scratch []float32) []float32 {
	w.place(k, c, u)
	slot, r, rows := int(c.Slots[w.b]), c.H/c.G, c.rows()
	w.keys, w.kStep = c.Keys[slot*c.C*c.G*c.K+w.g*c.K:(slot+1)*c.C*c.G*c.K], c.G*c.K
	if w.vals, w.vStep = w.keys, w.kStep; !c.Latent {
		w.vals, w.vStep = c.Values[slot*c.C*c.G*c.V+w.g*c.V:(slot+1)*c.C*c.G*c.V], c.G*c.V
	}
	w.q, scratch = cut(scratch, rows*c.K)
	w.s, scratch = cut(scratch, 4*tile)
	w.kept, scratch = cut(scratch, 4)
	clear(w.q[(w.n&^3)*c.K : (w.n+3)&^3*c.K])
	for i := range w.n {
		to := i/4*4*c.K + i%4*16
		for p, q := range c.Q {
			at := q.at(w.b, w.token+i/r, w.g*r+i%r)
			for e := 0; e < c.Parts[p]; e += 16 {
				*(*[16]float32)(w.q[to:]) = [16]float32(q.Data[at+e:])
				to += 64
			}
		}
	}
	return scratch
}

func (w *unit) partial(f []float32) (p partial, rest []float32) {
	rows := w.rows()
	p.o, f = cut(f, rows*w.V)
	p.m, f = cut(f, rows)
	p.l, f = cut(f, rows)
	return p, f
}

func cut(f []float32, n int) (head, rest []float32) { return f[:n:n], f[n:] }

// chunk computes what the rows make of the positions of chunk i alone.
func (w *unit) chunk(i int, p partial) {
	clear(p.o[:w.n*w.V])
	clear(p.l)
	for row := range p.m {
		p.m[row] = float32(math.Inf(-1))
	}
	for from := i * chunk; from < min((i+1)*chunk, w.Len); from += tile {
		w.tile(from, p)
	}
}

// tile lets the rows see the positions from .. from+63, four rows at a time.
func (w *unit) tile(from int, p partial) {
	for f := 0; f < w.n; f += 4 {
		var seen [4]int // positions of the tile
		for i := range min(4, w.n-f) {
			seen[i] = max(0, min(int(w.end[f+i])-from, tile))
		}
		most := max(seen[0], seen[1], seen[2], seen[3])
		if most == 0 {
			continue
		}
		keys := w.keys[from*w.kStep : (from+most-1)*w.kStep+w.K]
		values := w.vals[from*w.vStep : (from+most-1)*w.vStep+w.V]
		if w.n <= 4 { // the cache passes once
			var apart int
			if w.kStep == w.vStep {
				apart = int(uintptr(unsafe.Pointer(&values[0])) - uintptr(unsafe.Pointer(&keys[0])))
			}
			w.k.scoresAhead(&w.s[0], &w.q[0], &keys[0], most, w.K, w.kStep, apart)
		} else {
			w.k.scores(&w.s[0], &w.q[f*w.K], &keys[0], most, w.K, w.kStep)
		}
		if seen == [4]int{most, most, most, most} {
			w.k.softmax4(&w.s[0], most, &p.m[f], &p.l[f], &w.kept[0], w.Scale)
			w.k.values4(&p.o[f*w.V], &w.s[0], &w.kept[0], &values[0], most, w.V, w.V, w.vStep)
			continue
		}
		for i, n := range seen {
			if n > 0 {
				w.k.softmax1(&w.s[i*tile], n, &p.m[f+i], &p.l[f+i], &w.kept[i], w.Scale)
				w.k.values1(&p.o[(f+i)*w.V], &w.s[i*tile], &w.kept[i], &values[0], n, w.V, w.V, w.vStep)
			}
		}
	}
}

// merge takes the partial result of chunk i into the whole.
func (w *unit) merge(i int, whole, part partial) {
	for row := range w.n {
		if int(w.end[row]) <= i*chunk {
			continue
		}
		m := max(whole.m[row], part.m[row])
		a, b := weight(whole.m[row], m), weight(part.m[row], m)
		whole.m[row] = m
		whole.l[row] = float32(a*whole.l[row]) + float32(b*part.l[row])
		o := whole.o[row*w.V : (row+1)*w.V]
		w.k.vec.Scale(o, a, o)
		w.k.vec.Axpy(o, b, part.o[row*w.V:(row+1)*w.V])
	}
}

// weight is e^(m-top).
func weight(m, top float32) float32 { return float32(math.Exp(float64(m - top))) }

// store writes the outputs.
func (w *unit) store(p partial) {
	r := w.H / w.G
	for i := range w.n {
		at := w.Out.at(w.b, w.token+i/r, w.g*r+i%r)
		out := w.Out.Data[at : at+w.V]
		if p.l[i] == 0 { // it sees nothing
			clear(out)
			continue
		}
		w.k.vec.Scale(out, 1/p.l[i], p.o[i*w.V:(i+1)*w.V])
	}
}
