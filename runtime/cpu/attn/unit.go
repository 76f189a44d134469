package attn

import (
	"math"
	"slices"
	"unsafe"

	"github.com/deltaloom/deltaloom/graph"
)

// unit is one piece of work: some tokens of a sequence with the query heads of one
// key head or of all. Row i of a key head is token i div r, head i mod r of its
// group; the rows of the next head follow headRows later.
type unit struct {
	*Call
	k            *Kernels
	b, g         int // sequence, first key head
	token, n     int // the first token, queries of a key head
	keys, values pool
	q            []float32        // [rows/4][K/16][4][16], times Scale
	s            []float32        // [held][scores]
	kept         []float32        // [held][4] what earlier sums are worth
	end          [blockRows]int32 // positions that row i of a head sees
	seen         int              // the most of them
}

// pool is what the cache holds of a sequence: a row of n elements a position and head.
type pool struct {
	data       []byte
	n          int
	size, step int       // bytes of a row, and from one position to the next
	open       []float32 // [tile][n], for a tile of one head as F32 where data is F16
}

func (p *pool) at(position, head int) *byte { return &p.data[position*p.step+head*p.size] }

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
	for i := 1; i*chunk < w.seen; i++ {
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
	for i := 1; i*chunk < w.seen; i++ {
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
	units := c.G / c.heads()
	w.g, w.b = u/blocks%units, u/blocks/units
	r := c.H / c.G
	w.n = min(c.tokens(), c.T-w.token) * r
	for i := range w.n {
		at := (w.b*c.T + w.token + i/r) * c.PosStep
		w.end[i] = int32(max(0, min(int(c.Pos[at])+1, c.Len)))
		w.seen = max(w.seen, int(w.end[i]))
	}
}

// init places the unit and lays its queries out; it returns the scratch not used.
func (w *unit) init(k *Kernels, c *Call, u int, scratch []float32) []float32 {
	w.place(k, c, u)
	r, rows := c.H/c.G, c.rows()
	w.keys, scratch = w.pool(c.Keys, c.K, scratch)
	if w.values = w.keys; !c.Latent {
		w.values, scratch = w.pool(c.Values, c.V, scratch)
	}
	w.q, scratch = cut(scratch, rows*c.K)
	w.s, scratch = cut(scratch, c.held()*scores)
	w.kept, scratch = cut(scratch, c.held()*4)
	for h := range c.heads() {
		first := h * c.headRows()
		queries := w.q[first*c.K : (first+(w.n+3)&^3)*c.K]
		clear(queries[w.n&^3*c.K:])
		for i := range w.n {
			to := i&^3*c.K + i%4*16
			for p, q := range c.Q {
				at := q.at(w.b, w.token+i/r, (w.g+h)*r+i%r)
				for e := 0; e < c.Parts[p]; e += 16 {
					*(*[16]float32)(queries[to:]) = [16]float32(q.Data[at+e:])
					to += 64
				}
			}
		}
		k.vec.Scale(queries, c.Scale, queries)
	}
	return scratch
}

func (w *unit) pool(data []byte, n int, scratch []float32) (p pool, rest []float32) {
	p.n, p.size = n, int(w.Cache.Bytes(n))
	p.step = w.G * p.size
	p.data = data[int(w.Slots[w.b])*w.C*p.step:][:w.C*p.step]
	p.open, rest = cut(scratch, tile*n)
	return p, rest
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
	clear(p.o)
	clear(p.l)
	for row := range p.m {
		p.m[row] = minusInf
	}
	for from := i * chunk; from < min((i+1)*chunk, w.seen); from += tile {
		least := tile
		for row := range w.n {
			least = min(least, w.sees(row, from))
		}
		n := min(w.seen-from, tile)
		if w.few() && least == n && w.k.cache(w.Cache).scores != nil {
			w.near(from, n, p)
			continue
		}
		for h := range w.heads() {
			w.far(h, from, n, p)
		}
	}
}

// sees is how many positions from .. from+63 a row sees.
func (w *unit) sees(row, from int) int { return max(0, min(int(w.end[row])-from, tile)) }

// near lets all rows see n positions where they lie, a few of all heads at a time.
func (w *unit) near(from, n int, p partial) {
	const together = 12 // a multiple of how many keys the kernels take at once
	read, fours := w.k.cache(w.Cache), w.headRows()/4
	for j := 0; j < n; j += together {
		for f := range w.rows() / 4 {
			key := w.keys.at(from+j, w.g+f/fours)
			read.scores(&w.s[f*scores+4*j], &w.q[4*f*w.K], key, min(together, n-j), w.K, w.keys.step)
		}
	}
	for f := range w.rows() / 4 {
		w.k.softmax(&w.s[f*scores], n, &p.m[4*f], &p.l[4*f], &w.kept[4*f])
	}
	for j := 0; j < n; j += rowsAhead {
		for f := range w.rows() / 4 {
			kept, value := &w.kept[4*f], w.values.at(from+j, w.g+f/fours)
			if j > 0 {
				kept = &ones[0]
			}
			read.values(&p.o[4*f*w.V], &w.s[f*scores+4*j], kept, value, min(rowsAhead, n-j), w.V, w.values.step)
		}
	}
}

var (
	minusInf = float32(math.Inf(-1))
	ones     = [4]float32{1, 1, 1, 1}
)

// far lets the rows of key head h see n positions, four at a time, of an open tile.
func (w *unit) far(h, from, n int, p partial) {
	keys, keyStep := w.open(&w.keys, from, n, w.g+h)
	values, valueStep := keys, keyStep
	if !w.Latent {
		values, valueStep = w.open(&w.values, from, n, w.g+h)
	}
	for i := 0; i < w.n; i += 4 {
		row := h*w.headRows() + i
		var seen [4]int
		for i4 := range seen { // rows that fill up the last four are like the last one
			seen[i4] = w.sees(min(i+i4, w.n-1), from)
		}
		least, most := slices.Min(seen[:]), slices.Max(seen[:])
		if most == 0 {
			continue
		}
		w.k.open.scores(&w.s[0], &w.q[row*w.K], keys, most, w.K, keyStep)
		for i4, n := range seen {
			for j := n; j < most; j++ {
				w.s[4*j+i4] = minusInf
			}
		}
		w.k.softmax(&w.s[0], most, &p.m[row], &p.l[row], &w.kept[0])
		o := p.o[row*w.V:]
		if least == most {
			w.k.open.values(&o[0], &w.s[0], &w.kept[0], values, most, w.V, valueStep)
			continue
		}
		for i4, n := range seen { // what is not seen is not even multiplied by 0
			if n > 0 {
				w.k.values1(&o[i4*w.V], &w.s[i4], &w.kept[i4], values, n, w.V, valueStep)
			}
		}
	}
}

// open returns the first of n rows of a head as F32 and the bytes from one to the
// next: where they lie, or unpacked.
func (w *unit) open(p *pool, from, n, head int) (first *byte, step int) {
	if w.Cache == graph.F32 {
		return p.at(from, head), p.step
	}
	for i := range n {
		row := p.data[(from+i)*p.step+head*p.size:][:p.size]
		w.k.vec.FromHalf(p.open[i*p.n:][:p.n], row)
	}
	return (*byte)(unsafe.Pointer(&p.open[0])), 4 * p.n
}

// merge takes the partial result of chunk i into the whole.
func (w *unit) merge(i int, whole, part partial) {
	for row := range w.rows() {
		if at := row % w.headRows(); at >= w.n || int(w.end[at]) <= i*chunk {
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
	for h := range w.heads() {
		for i := range w.n {
			row, at := h*w.headRows()+i, w.Out.at(w.b, w.token+i/r, (w.g+h)*r+i%r)
			out := w.Out.Data[at : at+w.V]
			if w.end[i] == 0 { // it sees nothing
				clear(out)
				continue
			}
			w.k.vec.Scale(out, 1/p.l[row], p.o[row*w.V:(row+1)*w.V])
		}
	}
}
