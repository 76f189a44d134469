package scramble

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// Embed puts g into a larger graph: what it reads is computed from new inputs,
// what it gives is computed on; weights stay as they are. A formula of two nodes has too little in it to be
// spelled in many ways; what stands around it is spelled too. A tanh stands
// between the two, which no formula of the rules begins or ends with.
func Embed(g *graph.Graph, seed uint64) (*graph.Graph, error) {
	s := newSweep(g, seed)
	for _, n := range g.Nodes() {
		s.write(n, Kind{})
		if leaf := n.Op() == graph.InputOp || n.Op() == graph.StateOp; leaf && isF32(n.Out(0)) && n.Out(0).Shape().Rank() > 0 {
			s.memo[n.Out(0)] = s.prefix(s.memo[n.Out(0)], n.Name())
		}
	}
	ng, err := s.build(s.suffix)
	if err != nil {
		return nil, fmt.Errorf("scramble: embed: %w", err)
	}
	return ng, nil
}

// prefix computes an operand of x's extents from x and further inputs.
func (s *sweep) prefix(x graph.Value, name string) graph.Value {
	dims := x.Shape().Dims()
	last := dims[len(dims)-1]
	weight := s.b.Input(name+".w", graph.ShapeOf(graph.F32, last))
	bias := s.b.Input(name+".b", graph.ShapeOf(graph.F32, dims...))
	switch s.r.IntN(3) {
	case 0:
		x = ops.Sub(ops.Mul(x, weight), bias)
	case 1:
		x = ops.Add(ops.Mul(ops.Scale(x, 0.75), bias), weight)
	case 2:
		x = ops.Sub(bias, ops.Scale(ops.Mul(x, weight), 1.5))
	}
	return ops.Tanh(x)
}

// suffix computes on.
func (s *sweep) suffix(x graph.Value, name string) graph.Value {
	dims := x.Shape().Dims()
	last := dims[len(dims)-1]
	x = ops.Tanh(x)
	if s.r.IntN(2) == 0 {
		return ops.Linear(x, s.b.Input(name+".out", graph.ShapeOf(graph.F32, 3, last)))
	}
	return ops.Sub(ops.Scale(x, 0.5), s.b.Input(name+".out", graph.ShapeOf(graph.F32, last)))
}
