package sched_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/interp"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

const slots = 3

// randomGraph returns a graph of about size nodes over inputs, weights and
// states with a row for every slot. Its states may be written in place, late,
// from each other or not at all.
func randomGraph(r *rand.Rand, size int) *graph.Graph {
	b := graph.NewBuilder()
	f := func(dims ...int) graph.Shape { return graph.ShapeOf(graph.F32, dims...) }
	idx := b.Input("idx", graph.ShapeOf(graph.I32, 2))
	states := []graph.Value{b.State("s0", f(slots, 4, 8)), b.State("s1", f(slots, 4, 8)), b.State("s2", f(slots, 16))}
	vals := append([]graph.Value{
		b.Input("x", f(4, 8)), b.Input("y", f(slots, 4, 8)), b.Input("z", f(16)),
		b.Weight("w", f(8, 8)), b.Weight("v", f(4, 1)), b.Const(0.5),
	}, states...)
	any := func() graph.Value { // late ones more often, so that graphs get deep
		if n := len(vals); r.IntN(2) == 0 {
			return vals[n-1-r.IntN(min(n, 6))]
		}
		return vals[r.IntN(len(vals))]
	}
	for range size {
		x := any()
		s := x.Shape()
		rank := s.Rank()
		var y graph.Value
		switch r.IntN(15) {
		case 0:
			y = ops.Tanh(x)
		case 1:
			y = ops.Neg(x)
		case 2, 3, 4:
			if z := any(); broadcasts(s, z.Shape()) {
				y = []func(a, b graph.Value) graph.Value{ops.Add, ops.Sub, ops.Max, ops.Min}[r.IntN(4)](x, z)
			}
		case 5:
			y = ops.Scale(x, 0.75)
		case 6:
			if rank > 0 {
				y = []func(graph.Value) graph.Value{ops.Softmax, ops.SumLast, ops.Cont, ops.CumSum}[r.IntN(4)](x)
			}
		case 7:
			y = ops.Reshape(x, s.Len())
			if s.Len()%16 == 0 && r.IntN(2) == 0 {
				y = ops.Reshape(x, s.Len()/16, 16)
			}
		case 8:
			if rank > 1 {
				y = ops.Transpose(x)
			}
		case 9:
			if rank > 0 {
				axis := r.IntN(rank)
				n := 1 + r.IntN(s.Dim(axis))
				y = ops.Slice(x, axis, r.IntN(s.Dim(axis)-n+1), n)
			}
		case 10:
			if rank > 1 && s.Dim(-1) == 8 {
				y = ops.Tanh(ops.MatMul(x, ops.Mul(vals[3], vals[5])))
			}
		case 11:
			if rank > 0 && s.Dim(0) >= slots {
				y = ops.Rows(x, idx)
			}
		case 12:
			if rank > 0 && s.Dim(0) >= slots {
				y = ops.ScatterRows(x, idx, ops.Tanh(ops.Rows(x, idx)))
			}
		case 13: // part of an operand is another operand
			if rank > 1 {
				y = ops.Sub(x, ops.Slice(x, 0, 0, 1))
			}
		case 14:
			if rank < 3 {
				y = ops.Broadcast(x, append([]int{2}, s.Dims()...)...)
			}
		}
		if y.Builder() != nil && y.Shape().Len() <= 4096 {
			vals = append(vals, y)
		}
	}
	for i := range 1 + r.IntN(4) {
		b.Output(fmt.Sprint("out", i), any())
	}
	for _, s := range states {
		var fit []graph.Value
		for _, v := range vals {
			if v.Shape() == s.Shape() {
				fit = append(fit, v)
			} else if v.Shape().Len() == s.Shape().Len() {
				fit = append(fit, ops.Reshape(v, s.Shape().Dims()...))
			}
		}
		if r.IntN(4) > 0 {
			b.SetState(s, fit[r.IntN(len(fit))])
		}
	}
	g, err := b.Build()
	if err != nil {
		panic(err)
	}
	return g
}

func broadcasts(a, b graph.Shape) bool {
	for i := 1; i <= max(a.Rank(), b.Rank()); i++ {
		if x, y := a.Dim(-i), b.Dim(-i); x != y && x != 1 && y != 1 {
			return false
		}
	}
	return true
}

// someOps draws ops to refuse.
func someOps(r *rand.Rand) []string {
	var names []string
	for _, n := range []string{"neg", "tanh", "add", "sub", "softmax", "matmul", "rows", "scatter_rows", "permute", "slice", "broadcast", "cont", "mul"} {
		if r.IntN(4) == 0 {
			names = append(names, n)
		}
	}
	return names
}

// TestRandomGraphs runs random graphs on random sets of backends. No byte of any
// plan is read after another value was put there, results and states equal those
// of the reference evaluator bit for bit, run after run, and every buffer is
// freed in the end.
func TestRandomGraphs(t *testing.T) {
	n := 600
	if testing.Short() {
		n = 60
	}
	for seed := range n {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		g := randomGraph(r, 5+r.IntN(60))
		d1, d2 := newDevice("d1", someOps(r)...), newDevice("d2", someOps(r)...)
		backends := [][]sched.Backend{
			{interp.New()},
			{newPicky("cpu", someOps(r)...), interp.New()},
			{newDevice("d0")},
			{d1, d2, interp.New()},
			{interp.New(), newDevice("d0")},
			{newPicky("cpu", someOps(r)...), d1, interp.New()},
		}[seed%6]
		if err := sameAsReference(t, g, backends, r); err != nil {
			p, _ := sched.NewPlan(g, backends...)
			t.Fatalf("seed %d: %v\n%v\n%v", seed, err, g, p)
		}
		for _, b := range backends {
			if d, ok := b.(*device); ok && d.live.Load() != 0 {
				t.Fatalf("seed %d: %d buffers of %s were not freed", seed, d.live.Load(), d.name)
			}
		}
	}
}

func sameAsReference(t *testing.T, g *graph.Graph, backends []sched.Backend, r *rand.Rand) (err error) {
	weights := sched.Tensors{}
	feeds := map[string]graph.Tensor{}
	for _, n := range g.Nodes() {
		switch x := graph.NewTensor(n.Out(0).Shape()); n.Op() {
		case graph.WeightOp:
			weights[n.Name()] = noise(x, r)
			feeds[n.Name()] = x
		case graph.StateOp:
			feeds[n.Name()] = x
		}
	}
	runner, err := sched.NewRunner(weights, backends...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, runner.Close()) }()
	s, err := runner.NewSession(slots, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for range slots {
		if _, err := s.Acquire(); err != nil {
			return err
		}
	}
	plan, err := runner.Load(t.Context(), g)
	if err != nil {
		return err
	}
	if err := checkMemory(plan); err != nil {
		return err
	}
	for range 3 {
		for _, n := range g.Nodes() {
			if n.Op() == graph.InputOp {
				feeds[n.Name()] = noise(graph.NewTensor(n.Out(0).Shape()), r)
			}
		}
		want, err := ops.Run(g, feeds)
		if err != nil {
			return err
		}
		fed := map[string]graph.Tensor{}
		for name, x := range feeds {
			fed[name] = graph.Tensor{Shape: x.Shape, F: slices.Clone(x.F), I: slices.Clone(x.I)}
		}
		got, err := s.Run(t.Context(), g, fed)
		if err != nil {
			return err
		}
		if err := equalAll(got, want.Outputs); err != nil {
			return err
		}
		if err := equalAll(fed, feeds); err != nil {
			return fmt.Errorf("an input was written to: %w", err)
		}
		maps.Copy(feeds, want.States)
		rows, states := map[string]graph.Tensor{}, map[string]graph.Tensor{}
		for slot := range slots {
			snap, err := s.Snapshot(slot, 0)
			if err != nil {
				return err
			}
			for name, row := range snap {
				rows[fmt.Sprint(name, " ", slot)] = row
				n := row.Shape.Len()
				states[fmt.Sprint(name, " ", slot)] = graph.Tensor{Shape: row.Shape, F: feeds[name].F[slot*n : (slot+1)*n]}
			}
		}
		if err := equalAll(rows, states); err != nil {
			return err
		}
	}
	return nil
}

// noise fills x; indices are two different rows.
func noise(x graph.Tensor, r *rand.Rand) graph.Tensor {
	for i := range x.F {
		x.F[i] = float32(r.NormFloat64())
	}
	copy(x.I, []int32{int32(r.IntN(2)), 2})
	return x
}

// equalAll wants equal bits.
func equalAll(got, want map[string]graph.Tensor) error {
	for name, w := range want {
		g, ok := got[name]
		if !ok || g.Shape != w.Shape {
			return fmt.Errorf("%s: have %v, want %v", name, g.Shape, w.Shape)
		}
		for i := range w.F {
			if math.Float32bits(g.F[i]) != math.Float32bits(w.F[i]) {
				return fmt.Errorf("%s: element %d is %v, want %v", name, i, g.F[i], w.F[i])
			}
		}
		if !slices.Equal(g.I, w.I) {
			return fmt.Errorf("%s: have %v, want %v", name, g.I, w.I)
		}
	}
	return nil
}
