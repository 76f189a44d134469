package gorgonia

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// GatedDeltaNet computes what ops.GatedDeltaNet means, on Gorgonia's tape
// machine: T tokens unrolled, one after another, in float64. It shares no
// arithmetic with this module and serves as a second opinion. The tensors are of
// float32 as for ops.GatedDeltaNet:
//
//	q, k [B T Hk K]    v [B T Hv V]    g [B T Hv 1|K]    beta [B T Hv 1]    s [B Hv V K]
//
// They are left as they are; o [B T Hv V] and the next state are new. The
// expression graph grows with T: it is meant for tens of tokens.
func GatedDeltaNet(q, k, v, g, beta, s *tensor.Dense, a ops.GatedDeltaNetAttrs) (o, next *tensor.Dense, err error) {
	defer recovered(&err)
	d, err := newDelta(q, k, v, g, beta, s, a)
	if err != nil {
		return nil, nil, err
	}
	return d.run()
}

// delta is one recurrence as an expression graph. Heads of all sequences are
// one leading axis N = B·Hv: Gorgonia has matrix products in batches.
type delta struct {
	ops.GatedDeltaNetAttrs
	B, T, Hk, Hv, K, V, N int
	q, k, v, g, beta, s   []float32
	decayPerChannel       bool
	graph                 *G.ExprGraph
	err                   error
}

func newDelta(q, k, v, g, beta, s *tensor.Dense, a ops.GatedDeltaNetAttrs) (*delta, error) {
	d := &delta{GatedDeltaNetAttrs: a, graph: G.NewGraph()}
	var shapes []graph.Shape
	for _, t := range []struct {
		name string
		from *tensor.Dense
		to   *[]float32
	}{{"q", q, &d.q}, {"k", k, &d.k}, {"v", v, &d.v}, {"g", g, &d.g}, {"beta", beta, &d.beta}, {"the state", s, &d.s}} {
		x, err := FromDense(t.from)
		if err != nil {
			return nil, fmt.Errorf("gorgonia: %s: %w", t.name, err)
		}
		*t.to = x.F
		shapes = append(shapes, x.Shape)
	}
	if _, err := ops.GatedDeltaNetOp.Infer(shapes, a); err != nil {
		return nil, fmt.Errorf("gorgonia: %w", err)
	}
	d.B, d.T, d.Hk, d.K = shapes[0].Dim(0), shapes[0].Dim(1), shapes[0].Dim(2), shapes[0].Dim(3)
	d.Hv, d.V = shapes[2].Dim(2), shapes[2].Dim(3)
	d.N = d.B * d.Hv
	d.decayPerChannel = shapes[3].Dim(3) > 1
	return d, nil
}

// run builds the graph, computes it and gathers the results.
func (d *delta) run() (o, next *tensor.Dense, err error) {
	state := d.leaf("s", d.V, d.K, func(b, h, i, j int) float32 { return d.s[((b*d.Hv+h)*d.V+i)*d.K+j] })
	outs := make([]*G.Node, d.T)
	for t := range d.T {
		outs[t], state = d.token(t, state)
	}
	if d.err != nil {
		return nil, nil, fmt.Errorf("gorgonia: %w", d.err)
	}
	machine := G.NewTapeMachine(d.graph)
	defer machine.Close()
	if err := machine.RunAll(); err != nil {
		return nil, nil, fmt.Errorf("gorgonia: %w", err)
	}
	y := make([]float32, d.B*d.T*d.Hv*d.V)
	for t, n := range outs {
		x, err := values(n, d.N*d.V)
		if err != nil {
			return nil, nil, err
		}
		for i, e := range x { // [B Hv V] of one token
			b, rest := i/(d.Hv*d.V), i%(d.Hv*d.V)
			y[(b*d.T+t)*d.Hv*d.V+rest] = float32(e)
		}
	}
	x, err := values(state, d.N*d.V*d.K)
	if err != nil {
		return nil, nil, err
	}
	z := make([]float32, len(x))
	for i, e := range x {
		z[i] = float32(e)
	}
	return tensor.New(tensor.WithShape(d.B, d.T, d.Hv, d.V), tensor.WithBacking(y)),
		tensor.New(tensor.WithShape(d.B, d.Hv, d.V, d.K), tensor.WithBacking(z)), nil
}

func values(n *G.Node, want int) ([]float64, error) {
	x, ok := n.Value().Data().([]float64)
	if !ok || len(x) != want {
		return nil, fmt.Errorf("gorgonia: %v has no %d values", n, want)
	}
	return x, nil
}

// token is one step of the recurrence from a state [N V K]:
//
//	S~ = exp(g)·S    S' = S~ + beta·(v - S~k)kᵀ    o = S'q·scale
func (d *delta) token(t int, state *G.Node) (o, next *G.Node) {
	key := func(x []float32) func(b, h, i, j int) float32 {
		return func(b, h, i, _ int) float32 { return x[((b*d.T+t)*d.Hk+d.Heads.KeyHead(h, d.Hk, d.Hv))*d.K+i] }
	}
	// What Gorgonia would have to broadcast comes at its full size.
	decay := d.leaf(fmt.Sprint("g", t), d.V, d.K, func(b, h, _, j int) float32 {
		row := (b*d.T+t)*d.Hv + h
		if d.decayPerChannel {
			return d.g[row*d.K+j]
		}
		return d.g[row]
	})
	beta := d.leaf(fmt.Sprint("beta", t), d.V, 1, func(b, h, _, _ int) float32 { return d.beta[(b*d.T+t)*d.Hv+h] })
	v := d.leaf(fmt.Sprint("v", t), d.V, 1, func(b, h, i, _ int) float32 { return d.v[((b*d.T+t)*d.Hv+h)*d.V+i] })
	q := d.norm(d.leaf(fmt.Sprint("q", t), d.K, 1, key(d.q)))
	k := d.norm(d.leaf(fmt.Sprint("k", t), d.K, 1, key(d.k)))
	if d.Scale != 0 {
		q = d.do(G.HadamardProd(q, G.NewConstant(float64(d.Scale))))
	}
	decayed := d.do(G.HadamardProd(state, d.do(G.Exp(decay))))      // [N V K]
	missing := d.do(G.Sub(v, d.do(G.BatchedMatMul(decayed, k))))    // [N V 1]
	change := d.do(G.HadamardProd(beta, missing))                   // [N V 1]
	row := d.do(G.Reshape(k, tensor.Shape{d.N, 1, d.K}))            // [N 1 K]
	next = d.do(G.Add(decayed, d.do(G.BatchedMatMul(change, row)))) // [N V K]
	return d.do(G.BatchedMatMul(next, q)), next
}

// norm is the norm that q and k [N K 1] get, if any.
func (d *delta) norm(x *G.Node) *G.Node {
	if d.Norm == ops.NormNone {
		return x
	}
	row := d.do(G.Reshape(x, tensor.Shape{d.N, 1, d.K}))
	sum := d.do(G.BatchedMatMul(row, x)) // [N 1 1]
	var size *G.Node
	if d.Norm == ops.NormSum {
		size = d.do(G.Sqrt(d.do(G.Add(sum, G.NewConstant(float64(d.Eps))))))
	} else {
		// max(a, eps) = (a + eps + |a - eps|) / 2
		root, eps := d.do(G.Sqrt(sum)), G.NewConstant(float64(d.Eps))
		size = d.do(G.Add(d.do(G.Add(root, eps)), d.do(G.Abs(d.do(G.Sub(root, eps))))))
		size = d.do(G.HadamardProd(size, G.NewConstant(0.5)))
	}
	ones := d.leaf("ones"+x.Name(), d.K, 1, func(_, _, _, _ int) float32 { return 1 })
	return d.do(G.HadamardDiv(x, d.do(G.BatchedMatMul(ones, size)))) // [N K 1] by [N K 1]
}

// leaf makes an input [N rows cols] of the graph from an element of each head.
func (d *delta) leaf(name string, rows, cols int, at func(b, h, i, j int) float32) *G.Node {
	data := make([]float64, 0, d.N*rows*cols)
	for n := range d.N {
		for i := range rows {
			for j := range cols {
				data = append(data, float64(at(n/d.Hv, n%d.Hv, i, j)))
			}
		}
	}
	value := tensor.New(tensor.WithShape(d.N, rows, cols), tensor.WithBacking(data))
	return G.NewTensor(d.graph, tensor.Float64, 3, G.WithShape(d.N, rows, cols), G.WithName(name), G.WithValue(value))
}

// do keeps the first error; nodes made after it are of no use and no harm.
func (d *delta) do(n *G.Node, err error) *G.Node {
	if err != nil && d.err == nil {
		d.err = err
	}
	return n
}
