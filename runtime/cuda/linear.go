package cuda

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() {
	register(normLinear, ops.NormLinearOp)
	register(linears, ops.LinearsOp)
	register(linearAdd, ops.LinearAddOp)
	register(linearPair, ops.LinearPairOp)
	register(swiglu, ops.SwiGLUOp)
	register(normSwiglu, ops.NormSwiGLUOp)
}

// weight is a matrix [rows k] that activations are multiplied with.
type weight struct {
	at      buffer
	dt      graph.DType
	rows, k int
}

func (w weight) rowBytes() int { return int(w.dt.Bytes(w.k)) }

// plain says that the type has no blocks: activations stay as they are.
func (w weight) plain() bool { block, _ := w.dt.Block(); return block == 1 }

// weights are the operands from first to end-1.
func (p *plan) weights(first, end int) (ws []weight) {
	for i := first; i < end; i++ {
		s := p.node.In(i).Shape()
		ws = append(ws, weight{p.in(i), s.DType, s.Dim(-2), s.Dim(-1)})
	}
	return ws
}

// results are the first n of the node.
func (p *plan) results(n int) (ys []buffer) {
	for i := range n {
		ys = append(ys, p.out(i))
	}
	return ys
}

// activations is rows of numbers, to be normalised first where norm is not null.
type activations struct {
	at, norm  buffer
	eps       float32
	tokens, k int
}

// acts are the rows of an operand as they are.
func (p *plan) acts(operand int) activations {
	s := p.node.In(operand).Shape()
	return activations{at: p.in(operand), tokens: s.Len() / s.Dim(-1), k: s.Dim(-1)}
}

// normed are the rows of operand 0, to be normalised with the weight of operand 1.
func (p *plan) normed(eps float32) activations {
	x := p.acts(0)
	x.norm, x.eps = p.in(1), eps
	return x
}

// What becomes of products.
const (
	storeProducts = iota
	addResidual
	gateProducts // silu(product 0)·product 1
)

// linear multiplies activations with weights: product i goes to ys[i], or what mode
// makes of them to ys[0].
func (p *plan) linear(x activations, ws []weight, mode int, residual buffer, ys ...buffer) error {
	few, fewTo, many, manyTo := divide(ws, ys, func(w weight) bool { return fewTokens(x.tokens, w) })
	if mode == gateProducts && (len(many) > 0 || ws[0].dt != ws[1].dt || ws[0].rows != ws[1].rows) {
		return p.gated(x, ws, ys[0])
	}
	if len(few) > 0 {
		p.matvec(x, few, mode, residual, fewTo)
	}
	p.tiles(x, many, mode, residual, manyTo)
	return nil
}

// gated computes both products before it joins them.
func (p *plan) gated(x activations, ws []weight, y buffer) error {
	n := x.tokens * ws[0].rows
	if err := small(n); err != nil {
		return err
	}
	g, u := p.scratch(int64(4*n)), p.scratch(int64(4*n))
	if err := p.linear(x, ws, storeProducts, null, g, u); err != nil {
		return err
	}
	p.launch("silu_mul_f32", along(n), line(threads), struct{ N uint32 }{uint32(n)}, g, u, y)
	return nil
}

func normLinear(n *graph.Node, p *plan) error {
	eps, err := lower.NormLinear(n)
	if err != nil {
		return err
	}
	return p.linear(p.normed(eps), p.weights(2, n.NumIn()), storeProducts, null, p.results(n.NumOut())...)
}

func linears(n *graph.Node, p *plan) error {
	if err := lower.Linears(n); err != nil {
		return err
	}
	return p.linear(p.acts(0), p.weights(1, n.NumIn()), storeProducts, null, p.results(n.NumOut())...)
}

func linearAdd(n *graph.Node, p *plan) error {
	if err := lower.LinearAdd(n); err != nil {
		return err
	}
	return p.linear(p.acts(0), p.weights(1, 2), addResidual, p.in(2), p.out(0))
}

func linearPair(n *graph.Node, p *plan) error {
	if err := lower.LinearPair(n); err != nil {
		return err
	}
	xs := []activations{p.acts(0), p.acts(2)}
	ws := append(p.weights(1, 2), p.weights(3, 4)...)
	one := xs[0].tokens == xs[1].tokens
	for i, x := range xs {
		one = one && fewTokens(x.tokens, ws[i]) && ownRounding(x.tokens, x.k)
	}
	if one {
		p.matvecOf(xs, false, ws, storeProducts, null, p.results(2))
		return nil
	}
	for i := range ws {
		if err := p.linear(xs[i], ws[i:i+1], storeProducts, null, p.out(i)); err != nil {
			return err
		}
	}
	return nil
}

func swiglu(n *graph.Node, p *plan) error {
	if err := lower.SwiGLU(n); err != nil {
		return err
	}
	return p.linear(p.acts(0), p.weights(1, 3), gateProducts, null, p.out(0))
}

func normSwiglu(n *graph.Node, p *plan) error {
	eps, err := lower.NormSwiGLU(n)
	if err != nil {
		return err
	}
	return p.linear(p.normed(eps), p.weights(2, 4), gateProducts, null, p.out(0))
}
