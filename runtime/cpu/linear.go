package cpu

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/cpu/gemm"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() {
	register(matmul, ops.MatMulOp)
	register(normLinear, ops.NormLinearOp)
	register(linears, ops.LinearsOp)
	register(linearAdd, ops.LinearAddOp)
	register(linearPair, ops.LinearPairOp)
	register(swiglu, ops.SwiGLUOp)
	register(normSwiglu, ops.NormSwiGLUOp)
}

// grain is how many rows of a weight are one unit.
const grain = 32

// weight is an operand [… N K] that activations are multiplied with.
type weight struct {
	operand int
	n       int // rows of one matrix
	size    int // bytes of one matrix
	product *gemm.Product
}

func (p *plan) weight(n *graph.Node, operand int) (weight, error) {
	s := n.In(operand).Shape()
	product, err := gemm.New(p.set, s.DType, s.Dim(-1))
	if err != nil {
		return weight{}, unsupported("operand %d: %v", operand, err)
	}
	N := s.Dim(-2)
	return weight{operand, N, int(s.Bytes()) / (s.Len() / (N * s.Dim(-1))), product}, nil
}

func (p *plan) weights(n *graph.Node, operands ...int) (ws []weight, err error) {
	for _, i := range operands {
		w, err := p.weight(n, i)
		if err != nil {
			return nil, err
		}
		ws = append(ws, w)
	}
	return ws, nil
}

// upTo lists the operands from first on.
func upTo(first, end int) (list []int) {
	for i := first; i < end; i++ {
		list = append(list, i)
	}
	return list
}

// acts is rows of activations, prepared for the products that read them.
type acts struct {
	m, k   int
	atOnce int // rows that are multiplied at once
	forms  map[gemm.Form]region
}

// use is weights that rows of activations are multiplied with, so many rows at once;
// 1 stands for any.
type use struct {
	ws     []weight
	atOnce int
}

// rowFunc returns row i of activations; own is memory for it.
type rowFunc func(f *frame, i int, own []float32) []float32

// prepare adds the step that prepares m rows of k activations for the weights, which
// all of them are multiplied with at once.
func (p *plan) prepare(m, k int, ws []weight, row rowFunc) acts {
	return p.prepareFor(m, k, row, use{ws, m})[0]
}

// prepareFor is prepare for several uses, and returns what each of them takes.
func (p *plan) prepareFor(m, k int, row rowFunc, uses ...use) []acts {
	type target struct {
		form   gemm.Form
		region region
		atOnce int
	}
	var targets []target
	var of []acts
	forms := map[gemm.Form]region{}
	for _, u := range uses {
		of = append(of, acts{m, k, u.atOnce, forms})
		for _, w := range u.ws {
			if form := w.product.Form(u.atOnce); forms[form].n == 0 {
				forms[form] = p.share(m / u.atOnce * form.Bytes(u.atOnce))
				targets = append(targets, target{form, forms[form], u.atOnce})
			}
		}
	}
	own, prepared, set := p.own(4*k), p.own(gemm.ActBytes(gemm.Float, k)), p.set
	p.step(m, float64(k), func(f *frame, lo, hi int) {
		for i := lo; i < hi; i++ {
			x := row(f, i, f.ownFloats(own))
			for _, t := range targets {
				to := f.sharedBytes(t.region)[i/t.atOnce*t.form.Bytes(t.atOnce):]
				t.form.Prepare(set, to, t.atOnce, i%t.atOnce, x, f.ownBytes(prepared))
			}
		}
	})
	return of
}

// of returns the i-th rows that are multiplied at once, and those behind them, in the
// form for a weight.
func (a acts) of(f *frame, w weight, i int) (gemm.Form, []byte) {
	form := w.product.Form(a.atOnce)
	return form, f.sharedBytes(a.forms[form])[i*form.Bytes(a.atOnce):]
}

// multiply multiplies all rows with rows from to to-1 of a weight.
func (a acts) multiply(f *frame, y []float32, w weight, from, to int) {
	form, x := a.of(f, w, 0)
	w.product.RowsIn(form, f.gemm, y, w.n, f.bytes(w.operand), nil, x, a.m, from, to)
}

// plainRows returns rows of an operand as they are.
func plainRows(operand, k int) rowFunc {
	return func(f *frame, i int, _ []float32) []float32 { return f.in(operand)[i*k : (i+1)*k] }
}

// normRows returns rows of operand 0, divided by their root mean square and
// multiplied with operand 1.
func normRows(k int, eps float32) rowFunc {
	return func(f *frame, i int, own []float32) []float32 {
		f.vec.RMSNorm(own, f.in(0)[i*k:(i+1)*k], f.in(1), eps)
		return own
	}
}

// groups counts the units of a weight's rows.
func (w weight) groups() int { return lower.Ceil(w.n, grain) }

// span is the rows that belong to units lo to hi-1.
func (w weight) span(lo, hi int) (from, to int) { return lo * grain, min(hi*grain, w.n) }

// work is the nanoseconds that one unit of m rows of activations takes at least.
func (a acts) work() float64 { return float64(a.m*a.k*grain) / 20 }

// multiply adds the step that multiplies the activations with several weights,
// and stores product i as result i.
func (p *plan) multiply(a acts, ws []weight) {
	units := 0
	for _, w := range ws {
		units += w.groups()
	}
	p.step(units, a.work(), func(f *frame, lo, hi int) {
		for i, w := range ws {
			if n := w.groups(); lo < n && hi > 0 {
				from, to := w.span(max(lo, 0), min(hi, n))
				a.multiply(f, f.out(i), w, from, to)
			}
			lo, hi = lo-w.groups(), hi-w.groups()
		}
	})
}

func matmul(n *graph.Node, p *plan) error {
	w, err := p.weight(n, 1)
	if err != nil {
		return err
	}
	a, y := n.In(0).Shape(), n.Out(0).Shape()
	K, M := a.Dim(-1), a.Dim(-2)
	lead := y.Dims()[:y.Rank()-2]
	l := lower.NewBatch(lead, a, n.In(1).Shape())
	if int(n.In(1).Shape().Bytes()) == w.size { // one matrix for all rows
		l, M = lower.NewBatch(nil, graph.ShapeOf(graph.F32, 1, 1), graph.ShapeOf(graph.F32, 1, 1)), a.Len()/K
	}
	x := p.prepareFor(a.Len()/K, K, plainRows(0, K), use{[]weight{w}, M})[0]
	G := w.groups()
	p.step(lower.Product(l.Dims)*G, float64(M*K*grain)/20, func(f *frame, lo, hi int) {
		for lo < hi {
			u, end := lo/G, min(hi, (lo/G+1)*G)
			ia, ib := l.At(u)
			from, to := w.span(lo%G, end-u*G)
			form, rows := x.of(f, w, ia)
			w.product.RowsIn(form, f.gemm, f.out(0)[u*M*w.n:], w.n, f.bytes(1)[ib*w.size:][:w.size], nil, rows, M, from, to)
			lo = end
		}
	})
	return nil
}

func normLinear(n *graph.Node, p *plan) error {
	eps, err := lower.NormLinear(n)
	if err != nil {
		return err
	}
	ws, err := p.weights(n, upTo(2, n.NumIn())...)
	if err != nil {
		return err
	}
	k := n.In(1).Shape().Dim(0)
	p.multiply(p.prepare(n.In(0).Shape().Len()/k, k, ws, normRows(k, eps)), ws)
	return nil
}

func linears(n *graph.Node, p *plan) error {
	if err := lower.Linears(n); err != nil {
		return err
	}
	ws, err := p.weights(n, upTo(1, n.NumIn())...)
	if err != nil {
		return err
	}
	k := n.In(0).Shape().Dim(-1)
	p.multiply(p.prepare(n.In(0).Shape().Len()/k, k, ws, plainRows(0, k)), ws)
	return nil
}

func linearPair(n *graph.Node, p *plan) error {
	if err := lower.LinearPair(n); err != nil {
		return err
	}
	ws, err := p.weights(n, 1, 3)
	if err != nil {
		return err
	}
	var as [2]acts
	for i := range as {
		k := n.In(2 * i).Shape().Dim(-1)
		as[i] = p.prepare(n.In(2*i).Shape().Len()/k, k, ws[i:i+1], plainRows(2*i, k))
	}
	G := ws[0].groups()
	p.step(G+ws[1].groups(), as[0].work(), func(f *frame, lo, hi int) {
		for i, w := range ws {
			if from, to := w.span(max(0, lo-i*G), min(hi-i*G, w.groups())); from < to {
				as[i].multiply(f, f.out(i), w, from, to)
			}
		}
	})
	return nil
}

// linearAdd keeps the product apart until it is added: the result may lie over
// the residual stream.
func linearAdd(n *graph.Node, p *plan) error {
	if err := lower.LinearAdd(n); err != nil {
		return err
	}
	ws, err := p.weights(n, 1)
	if err != nil {
		return err
	}
	w, k := ws[0], n.In(0).Shape().Dim(-1)
	x := p.prepare(n.In(0).Shape().Len()/k, k, ws, plainRows(0, k))
	z := p.share(4 * x.m * w.n)
	p.step(w.groups(), x.work(), func(f *frame, lo, hi int) {
		from, to := w.span(lo, hi)
		z, r, y := f.sharedFloats(z), f.in(2), f.out(0)
		x.multiply(f, z, w, from, to)
		for i := range x.m {
			row := func(v []float32) []float32 { return v[i*w.n+from : i*w.n+to] }
			f.vec.Add(row(y), row(r), row(z))
		}
	})
	return nil
}

func swiglu(n *graph.Node, p *plan) error {
	if err := lower.SwiGLU(n); err != nil {
		return err
	}
	ws, err := p.weights(n, 1, 2)
	if err != nil {
		return err
	}
	k := n.In(0).Shape().Dim(-1)
	p.gated(p.prepare(n.In(0).Shape().Len()/k, k, ws, plainRows(0, k)), ws, 0)
	return nil
}

func normSwiglu(n *graph.Node, p *plan) error {
	eps, err := lower.NormSwiGLU(n)
	if err != nil {
		return err
	}
	ws, err := p.weights(n, 2, 3)
	if err != nil {
		return err
	}
	k := n.In(1).Shape().Dim(0)
	p.gated(p.prepare(n.In(0).Shape().Len()/k, k, ws, normRows(k, eps)), ws, 0)
	return nil
}

// gated adds the step silu(x G)·(x U) for the weights G and U. Of many rows of x, some
// columns of both products are made and joined at a time, while a near cache has them.
func (p *plan) gated(x acts, ws []weight, result int) {
	g, u := ws[0], ws[1]
	some := g.n
	if n := max(g.product.RowsAtOnce(x.m), u.product.RowsAtOnce(x.m)); n > 0 {
		some = lower.Ceil(n, grain) * grain
	}
	products := [2]region{p.own(4 * x.m * some), p.own(4 * x.m * some)}
	p.step(g.groups(), 2*x.work(), func(f *frame, lo, hi int) {
		y, end := f.out(result), min(hi*grain, g.n)
		for from := lo * grain; from < end; from += some {
			n := min(some, end-from)
			a, b := f.ownFloats(products[0])[:x.m*n], f.ownFloats(products[1])[:x.m*n]
			x.columns(f, a, g, from, n, u.rows(f, from, n))
			x.columns(f, b, u, from, n, g.rows(f, from+n, min(some, end-from-n)))
			f.vec.MulSiluRows(y[from:], g.n, b, a, n)
		}
	})
}

// rows returns n rows of a weight.
func (w weight) rows(f *frame, from, n int) []byte {
	size := w.size / w.n
	return f.bytes(w.operand)[from*size:][:n*size]
}

// columns multiplies all rows with n rows of a weight, and leaves the products side by
// side. next are weights that come next.
func (a acts) columns(f *frame, y []float32, w weight, from, n int, next []byte) {
	form, x := a.of(f, w, 0)
	w.product.RowsIn(form, f.gemm, y, n, w.rows(f, from, n), next, x, a.m, 0, n)
}
