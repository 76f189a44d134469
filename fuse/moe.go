package fuse

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// routerForms are the ways in which scores become weights; Dims.Variant counts
// through them.
// The longer ones come first.
var routerForms = []ops.RouterForm{{Scaled: true}, {}, {Sigmoid: true, Scaled: true}, {Sigmoid: true}}

func routerForm(d Dims) ops.RouterForm {
	f := routerForms[d.Variant]
	f.Used = d.N
	return f
}

// routerVars declares a router's operands behind x: R, and the bias with sigmoid.
func routerVars(p *P, d Dims) []graph.Value {
	in := []graph.Value{p.Weight("R", d.H, d.K)}
	if routerForm(d).Sigmoid {
		in = append(in, p.Var("bias", d.H))
	}
	return in
}

// Router makes the choice of experts one node.
var Router = register(Rule{
	Name: "moe/router", Smaller: true,
	Doc: "softmax or sigmoid of matmul(x, R), topk (+ bias), gather, normalise → router(x, R)",
	Sizes: func(v At, yield func(Dims) bool) {
		// v is the experts: the score below is probabilities or those and a bias.
		x := through(v.Node().In(0)).Node()
		sigmoid := x.Op() == ops.AddOp
		if sigmoid {
			if x = firstBelow(v.Value, ops.SigmoidOp, 2); x == nil {
				return
			}
		}
		y, rows, ok := projection(x.In(0))
		if !ok {
			return
		}
		K := y.Shape().Dim(-1)
		for i, f := range routerForms {
			if f.Sigmoid == sigmoid && !yield(Dims{B: y.Shape().Len() / K, N: v.Shape().Dim(-1), H: rows, K: K, Variant: i}) {
				return
			}
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		in := append([]graph.Value{p.Var("x", d.B, d.K)}, routerVars(p, d)...)
		experts, weights := ops.Router(routerForm(d), in...)
		p.AnyAttrsOf(ops.ScaleOp, ops.ScalarAttrs{S: 0.5})
		return p.Coarse(ops.RouterOp, in, experts, weights)
	},
	Examples: []Dims{
		{B: 3, N: 2, H: 5, K: 4}, {B: 1, N: 3, H: 4, K: 6, Variant: 1},
		{B: 2, N: 2, H: 6, K: 4, Variant: 2}, {B: 3, N: 2, H: 4, K: 4, Variant: 3},
	},
})

// NormRouter folds the norm in front into the router, and the gate of the shared
// expert.
var NormRouter = register(Rule{
	Name: "moe/norm-router", Smaller: true,
	Doc:   "router(rms_norm(x)·w, R), sigmoid(matmul(rms_norm(x)·w, S)) → norm_router(x, w, R, S)",
	Stage: Projection,
	Sizes: func(v At, yield func(Dims) bool) {
		x, R := v.Node().In(0), v.Node().In(1).Shape()
		if !isNormed(x) {
			return
		}
		d := Dims{B: x.Shape().Dim(0), N: v.Shape().Dim(-1), H: R.Dim(0), K: R.Dim(1)}
		if v.Node().NumIn() > 2 {
			d.Variant = 2
		}
		for _, n := range v.Readers(through(x)) {
			if _, rows, ok := projection(n.Out(0)); ok && rows == 1 {
				d.Axis = 1 // the gate
			}
		}
		_ = d.Axis == 1 && yield(d)
		d.Axis = 0
		yield(d)
	},
	Pattern: func(p *P, d Dims) Rewrite {
		x, w := p.Var("x", d.B, d.K), p.Var("w", d.K)
		in := routerVars(p, d)
		if d.Axis == 1 {
			in = append(in, p.Weight("S", 1, d.K))
		}
		out := ops.NormRouter(routerForm(d), d.Axis == 1, p.normed(x, w), in...)
		p.AnyAttrsOf(ops.RouterOp)
		return p.Coarse(ops.NormRouterOp, append([]graph.Value{x, w}, in...), out...)
	},
	Examples: []Dims{
		{B: 3, N: 2, H: 5, K: 4, Axis: 1}, {B: 2, N: 2, H: 6, K: 4, Variant: 2}, {B: 2, N: 2, H: 6, K: 4},
	},
})

// ExpertsUp makes the hidden layers of the chosen experts and of the shared one
// one node, with the norm in front.
var ExpertsUp = register(Rule{
	Name:  "moe/experts-up",
	Doc:   "swiglu of rms_norm(x)·w in the chosen experts, and in the shared one → experts_up: the shared expert is one more",
	Stage: Projection,
	Sizes: func(v At, yield func(Dims) bool) {
		e := firstBelow(v.Value, ops.ExpertMatMulOp, 1)
		if e == nil || !isNormed(e.In(0)) {
			return
		}
		w, hidden := e.In(1).Shape(), e.Out(0).Shape()
		for _, n := range v.Readers(through(e.In(0))) {
			if n.Op() == ops.SwiGLUOp {
				yield(Dims{B: hidden.Dim(0), N: hidden.Dim(1), H: w.Dim(0), G: w.Dim(1), K: w.Dim(2), C: n.In(1).Shape().Dim(0)})
			}
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		in := []graph.Value{
			p.Var("x", d.B, d.K), p.Var("w", d.K), p.Index("experts", d.B, d.N),
			p.Weight("G", d.H, d.G, d.K), p.Weight("U", d.H, d.G, d.K), p.Weight("Gs", d.C, d.K), p.Weight("Us", d.C, d.K),
		}
		out := ops.ExpertsUp(p.normed(in[0], in[1]), in[2], in[3], in[4], in[5], in[6])
		p.AnyAttrsOf(ops.SwiGLUOp)
		return p.Coarse(ops.ExpertsUpOp, in, out...)
	},
	Examples: []Dims{{B: 3, N: 2, H: 4, G: 5, K: 6, C: 3}, {B: 1, N: 3, H: 4, G: 4, K: 4, C: 4}},
})

// ExpertsDown sums the experts into the residual stream.
var ExpertsDown = register(Rule{
	Name: "moe/experts-down",
	Doc:  "r + Σ weight·expert_matmul(a, D) + matmul(s, S)·gate → experts_down: each output row is summed over the experts where it is computed",
	Sizes: func(v At, yield func(Dims) bool) {
		e := firstBelow(v.Value, ops.ExpertMatMulOp, 5)
		if e == nil {
			return
		}
		w, a := e.In(1).Shape(), e.In(0).Shape()
		for i := range v.Node().NumIn() {
			sum := through(v.Node().In(i)).Node()
			if sum.Op() != ops.AddOp {
				continue
			}
			for j := range 2 {
				d := Dims{B: a.Dim(0), N: a.Dim(1), H: w.Dim(0), K: w.Dim(1), G: w.Dim(2)}
				m := through(sum.In(j))
				if m.Node().Op() == ops.MulOp {
					d.Axis = 1
					if n := firstBelow(m, ops.MatMulOp, 1); n != nil {
						m = n.Out(0)
					}
				}
				if x, _, ok := projection(m); ok {
					d.C = x.Shape().Dim(-1)
					if !yield(d) {
						return
					}
				}
			}
		}
	},
	Pattern: func(p *P, d Dims) Rewrite {
		in := []graph.Value{
			p.Var("a", d.B, d.N, d.G), p.Index("experts", d.B, d.N), p.Var("weights", d.B, d.N), p.Weight("D", d.H, d.K, d.G),
			p.Var("s", d.B, d.C), p.Weight("S", d.K, d.C), p.Var("r", d.B, d.K),
		}
		gate := graph.Value{}
		if d.Axis == 1 {
			gate = p.Var("gate", d.B, 1)
			in = append(in, gate)
		}
		return p.Coarse(ops.ExpertsDownOp, in, ops.ExpertsDown(in[0], in[1], in[2], in[3], in[4], in[5], in[6], gate))
	},
	Examples: []Dims{{B: 3, N: 2, H: 4, K: 5, G: 6, C: 3, Axis: 1}, {B: 2, N: 2, H: 4, K: 4, G: 3, C: 5}},
})
