package cpu

import (
	"slices"
	"unsafe"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/cpu/gemm"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() {
	register(expertMatMul, ops.ExpertMatMulOp)
	register(router, ops.RouterOp)
	register(normRouter, ops.NormRouterOp)
	register(expertsUp, ops.ExpertsUpOp)
	register(expertsDown, ops.ExpertsDownOp)
}

// choice is which of E experts N tokens use, U each.
type choice struct {
	N, U, E int
	order   region // i32: begin [E+1], then the pairs token·U+use by expert, then the experts in use
	operand int
}

// choose adds the step that sorts the pairs of tokens and experts by expert, so
// that the weights of one are read once.
func (p *plan) choose(operand, N, U, E int) choice {
	c := choice{N, U, E, p.share(4 * (2*E + 2 + N*U)), operand}
	p.step(1, 0, func(f *frame, lo, hi int) {
		idx := f.ints(operand)
		begin, pairs, active := c.sorted(f)
		clear(begin)
		for i := range idx {
			e, ok := f.index(idx, i, E)
			if !ok {
				return
			}
			begin[e+1]++
		}
		used := 0
		for e := range E {
			if begin[e+1] > 0 {
				active[1+used] = int32(e)
				used++
			}
			begin[e+1] += begin[e]
		}
		active[0] = int32(used)
		for i := len(idx) - 1; i >= 0; i-- { // begin[e+1] goes back to where e begins
			e := idx[i]
			begin[e+1]--
			pairs[begin[e+1]] = int32(i)
		}
	})
	return c
}

// sorted returns begin, after the step, such that the pairs of expert e are those
// from begin[e+1] to begin[e+2], or to the end; and how many experts are active,
// and which.
func (c choice) sorted(f *frame) (begin, pairs, active []int32) {
	b := f.sharedBytes(c.order)
	all := unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
	return all[:c.E+1], all[c.E+1:][:c.N*c.U], all[c.E+1+c.N*c.U:]
}

// tile is how many rows of activations of one expert are multiplied at a time.
const tile = 32

// multiply adds the step that gives each pair of a token and an expert its
// product with every weight. row is the prepared row of activations of a pair;
// store is given columns from to to of a pair's products.
func (c choice) multiply(p *plan, x acts, ws []weight, row func(pair int) int, store func(f *frame, pair, from, to int, y [][]float32)) {
	G := ws[0].groups()
	var gathered []region
	var ys []region
	for _, w := range ws {
		gathered = append(gathered, p.own(tile*gemm.ActBytes(w.product.Kind(), x.k)))
		ys = append(ys, p.own(4*tile*w.n))
	}
	rows := make([][][]float32, p.threads)
	for i := range rows {
		rows[i] = make([][]float32, len(ws))
	}
	most := min(c.E, c.N*c.U)
	p.step(most*G, float64(len(ws)*x.k*grain)/20*float64(max(1, c.N*c.U/most)), func(f *frame, lo, hi int) {
		begin, pairs, active := c.sorted(f)
		for lo < hi {
			a, end := lo/G, min(hi, (lo/G+1)*G)
			from, to := ws[0].span(lo%G, end-a*G)
			lo = end
			if a >= int(active[0]) {
				return
			}
			e := int(active[1+a])
			mine := pairs[begin[e+1]:]
			if e+2 <= c.E {
				mine = pairs[begin[e+1]:begin[e+2]]
			}
			for some := range slices.Chunk(mine, tile) {
				for i, w := range ws {
					size := gemm.ActBytes(w.product.Kind(), x.k)
					act := f.ownBytes(gathered[i])
					for j, pair := range some {
						_, prepared := x.of(f, w, row(int(pair)))
						copy(act[j*size:(j+1)*size], prepared)
					}
					w.product.Rows(f.gemm, f.ownFloats(ys[i]), w.n, f.bytes(w.operand)[e*w.size:][:w.size], act, len(some), from, to)
				}
				for j, pair := range some {
					for i, w := range ws {
						rows[f.Worker][i] = f.ownFloats(ys[i])[j*w.n+from : j*w.n+to]
					}
					store(f, int(pair), from, to, rows[f.Worker])
				}
			}
		}
	})
}

func expertMatMul(n *graph.Node, p *plan) error {
	x, y := n.In(0).Shape(), n.Out(0).Shape()
	w, err := p.weight(n, 1)
	if err != nil {
		return err
	}
	N, U, K := y.Dim(0), y.Dim(1), x.Dim(2)
	per := U / x.Dim(1) // uses that share one row
	a := p.prepareFor(N*x.Dim(1), K, plainRows(0, K), use{[]weight{w}, 1})[0]
	p.choose(2, N, U, n.In(1).Shape().Dim(0)).multiply(p, a, []weight{w}, func(pair int) int { return pair / per },
		func(f *frame, pair, from, to int, y [][]float32) { copy(f.out(0)[pair*w.n+from:pair*w.n+to], y[0]) })
	return nil
}

// route adds the steps of router on prepared activations. bias is an operand.
func (p *plan) route(x acts, w weight, r lower.Router, bias int) {
	E, U := r.E, r.Form.Used
	logits, score := p.share(4*x.m*E), p.own(4*E)
	p.step(w.groups(), x.work(), func(f *frame, lo, hi int) {
		from, to := w.span(lo, hi)
		x.multiply(f, f.sharedFloats(logits), w, from, to)
	})
	p.step(x.m, float64(E*(4+U)), func(f *frame, lo, hi int) {
		for i := lo; i < hi; i++ {
			p, s := f.sharedFloats(logits)[i*E:(i+1)*E], f.ownFloats(score)
			if r.Form.Sigmoid {
				f.vec.Sigmoid(p, p)
				f.vec.Add(s, p, f.in(bias))
			} else {
				f.vec.Scale(p, 1/f.vec.ExpSum(p, p, f.vec.Max(p)), p)
				copy(s, p)
			}
			experts, weights := f.outInts(0)[i*U:(i+1)*U], f.out(1)[i*U:(i+1)*U]
			sum := float32(0)
			for u := range experts {
				best := 0
				for e := range s {
					if s[e] > s[best] || s[best] != s[best] {
						best = e
					}
				}
				experts[u], weights[u] = int32(best), p[best]
				sum += p[best]
				s[best] = nan // the others come first
			}
			f.vec.Scale(weights, r.Scale/min(max(sum, r.Low), r.High), weights)
		}
	})
}

func router(n *graph.Node, p *plan) error {
	r, err := lower.RouterOf(n)
	if err != nil {
		return err
	}
	ws, err := p.weights(n, 1)
	if err != nil {
		return err
	}
	p.route(p.prepare(r.N, r.D, ws, plainRows(0, r.D)), ws[0], r, 2)
	return nil
}

// normRouter prepares the normalised rows once for the router and for the gate
// of the shared expert.
func normRouter(n *graph.Node, p *plan) error {
	r, err := lower.NormRouter(n)
	if err != nil {
		return err
	}
	list := []int{2}
	if r.Shared > 0 {
		list = append(list, r.Shared)
	}
	ws, err := p.weights(n, list...)
	if err != nil {
		return err
	}
	x := p.prepare(r.N, r.D, ws, normRows(r.D, r.Eps))
	p.route(x, ws[0], r, 3)
	if r.Shared > 0 {
		w := ws[1]
		p.step(1, 0, func(f *frame, lo, hi int) {
			x.multiply(f, f.out(2), w, 0, 1)
			f.vec.Sigmoid(f.out(2), f.out(2))
		})
	}
	return nil
}

func expertsUp(n *graph.Node, p *plan) error {
	eps, err := lower.ExpertsUp(n)
	if err != nil {
		return err
	}
	ws, err := p.weights(n, 3, 4, 5, 6)
	if err != nil {
		return err
	}
	k, idx := n.In(1).Shape().Dim(0), n.In(2).Shape()
	F, U := ws[0].n, idx.Dim(1)
	x := p.prepareFor(idx.Dim(0), k, normRows(k, eps), use{ws[:2], 1}, use{ws[2:], idx.Dim(0)})
	p.choose(2, idx.Dim(0), U, n.In(3).Shape().Dim(0)).multiply(p, x[0], ws[:2], func(pair int) int { return pair / U },
		func(f *frame, pair, from, to int, y [][]float32) {
			f.vec.MulSilu(f.out(0)[pair*F+from:pair*F+to], y[1], y[0])
		})
	p.gated(x[1], ws[2:], 1)
	return nil
}

// expertsDown keeps every product until all of a token's are there: which of them
// comes first must not show.
func expertsDown(n *graph.Node, p *plan) error {
	gated, err := lower.ExpertsDown(n)
	if err != nil {
		return err
	}
	down, err := p.weight(n, 3)
	if err != nil {
		return err
	}
	shared, err := p.weight(n, 5)
	if err != nil {
		return err
	}
	a, s, M := n.In(0).Shape(), n.In(4).Shape(), n.Out(0).Shape().Dim(1)
	N, U := a.Dim(0), a.Dim(1)
	x := p.prepareFor(N*U, a.Dim(2), plainRows(0, a.Dim(2)), use{[]weight{down}, 1})[0]
	xs := p.prepare(N, s.Dim(1), []weight{shared}, plainRows(4, s.Dim(1)))
	z, zs := p.share(4*N*U*M), p.share(4*N*M)
	p.choose(1, N, U, n.In(3).Shape().Dim(0)).multiply(p, x, []weight{down}, func(pair int) int { return pair },
		func(f *frame, pair, from, to int, y [][]float32) {
			copy(f.sharedFloats(z)[pair*M+from:pair*M+to], y[0])
		})
	p.step(shared.groups(), xs.work()+float64(grain*N*U), func(f *frame, lo, hi int) {
		from, to := shared.span(lo, hi)
		z, zs := f.sharedFloats(z), f.sharedFloats(zs)
		xs.multiply(f, zs, shared, from, to)
		for i := range N {
			sum := zs[i*M+from : i*M+to]
			if gated {
				f.vec.Scale(sum, f.in(7)[i], sum)
			}
			for u := range U {
				f.vec.Axpy(sum, f.in(2)[i*U+u], z[(i*U+u)*M+from:(i*U+u)*M+to])
			}
			f.vec.Add(f.out(0)[i*M+from:i*M+to], sum, f.in(6)[i*M+from:i*M+to])
		}
	})
	return nil
}
