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

// acts is rows of activations, prepared for products of the kinds that read them.
type acts struct {
	m, k int
	kind map[gemm.Kind]region
}

// prepare adds the step that prepares m rows of k activations for the weights.
// row returns one of them; own is memory of k elements for it.
func (p *plan) prepare(m, k int, ws []weight, row func(f *frame, i int, own []float32) []float32) acts {
	a := acts{m, k, map[gemm.Kind]region{}}
	var kinds []gemm.Kind
	for _, w := range ws {
		if kind := w.product.Kind(); a.kind[kind].n == 0 {
			a.kind[kind] = p.share(m * gemm.ActBytes(kind, k))
			kinds = append(kinds, kind)
		}
	}
	own, set := p.own(4*k), p.set
	p.step(m, float64(k), func(f *frame, lo, hi int) {
		for i := lo; i < hi; i++ {
			x := row(f, i, f.ownFloats(own))
			for _, kind := range kinds {
				size := gemm.ActBytes(kind, k)
				gemm.Prepare(set, kind, f.sharedBytes(a.kind[kind])[i*size:][:size], x)
			}
		}
	})
	return a
}

// of returns the prepared rows from row i on for a weight.
func (a acts) of(f *frame, w weight, i int) []byte {
	kind := w.product.Kind()
	return f.sharedBytes(a.kind[kind])[i*gemm.ActBytes(kind, a.k):]
}

// plainRows returns rows of an operand as they are.
func plainRows(operand, k int) func(f *frame, i int, own []float32) []float32 {
	return func(f *frame, i int, _ []float32) []float32 { return f.in(operand)[i*k : (i+1)*k] }
}

// normRows returns rows of operand 0, divided by their root mean square and
// multiplied with operand 1.
func normRows(k int, eps float32) func(f *frame, i int, own []float32) []float32 {
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
				w.product.Rows(f.gemm, f.out(i), w.n, f.bytes(w.operand), a.of(f, w, 0), a.m, from, to)
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
	x := p.prepare(a.Len()/K, K, []weight{w}, plainRows(0, K))
	lead := y.Dims()[:y.Rank()-2]
	l := lower.NewBatch(lead, a, n.In(1).Shape())
	if int(n.In(1).Shape().Bytes()) == w.size { // one matrix for all rows
		l, M = lower.NewBatch(nil, graph.ShapeOf(graph.F32, 1, 1), graph.ShapeOf(graph.F32, 1, 1)), x.m
	}
	G := w.groups()
	p.step(lower.Product(l.Dims)*G, float64(M*K*grain)/20, func(f *frame, lo, hi int) {
		for lo < hi {
			u, end := lo/G, min(hi, (lo/G+1)*G)
			ia, ib := l.At(u)
			from, to := w.span(lo%G, end-u*G)
			w.product.Rows(f.gemm, f.out(0)[u*M*w.n:], w.n, f.bytes(1)[ib*w.size:][:w.size], x.of(f, w, ia*M), M, from, to)
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
				w.product.Rows(f.gemm, f.out(i), w.n, f.bytes(w.operand), as[i].of(f, w, 0), as[i].m, from, to)
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
		w.product.Rows(f.gemm, z, w.n, f.bytes(1), x.of(f, w, 0), x.m, from, to)
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

// gated adds the step silu(x G)·(x U) for the weights G and U.
func (p *plan) gated(x acts, ws []weight, result int) {
	g, u := ws[0], ws[1]
	up := p.share(4 * x.m * g.n)
	p.step(g.groups(), 2*x.work(), func(f *frame, lo, hi int) {
		from, to := g.span(lo, hi)
		y, up := f.out(result), f.sharedFloats(up)
		g.product.Rows(f.gemm, y, g.n, f.bytes(g.operand), x.of(f, g, 0), x.m, from, to)
		u.product.Rows(f.gemm, up, g.n, f.bytes(u.operand), x.of(f, u, 0), x.m, from, to)
		for i := range x.m {
			row := func(v []float32) []float32 { return v[i*g.n+from : i*g.n+to] }
			f.vec.MulSilu(row(y), row(up), row(y))
		}
	})
}
