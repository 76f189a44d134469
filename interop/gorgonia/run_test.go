package gorgonia_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/interop/gorgonia"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/interp"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

var _ gorgonia.Runner = (*sched.Session)(nil)

// counter adds x·w to a state and gives the sum; copy is x itself.
func counter(t *testing.T) *graph.Graph {
	t.Helper()
	s := graph.ShapeOf(graph.F32, 2, 2)
	b := graph.NewBuilder()
	x, w, sum := b.Input("x", s), b.Weight("w", s), b.State("sum", s)
	next := ops.Add(sum, ops.Mul(x, w))
	b.SetState(sum, next)
	b.Output("total", next)
	b.Output("twice", ops.Scale(next, 2))
	b.Output("copy", x)
	b.Output("again", x)
	b.Output("index", b.Input("i", graph.ShapeOf(graph.I32, 3)))
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func session(t *testing.T, weights map[string]graph.Tensor) *sched.Session {
	t.Helper()
	r, err := sched.NewRunner(sched.Tensors(weights), interp.New())
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.NewSession(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), r.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestRun(t *testing.T) {
	g := counter(t)
	w := []float32{1, 2, 3, 4}
	weight := tensor.New(tensor.WithShape(2, 2), tensor.WithBacking(w))
	index := tensor.New(tensor.WithShape(3), tensor.WithBacking([]int32{7, 8, 9}))
	x := tensor.New(tensor.WithShape(2, 2), tensor.WithBacking([]float32{1, 1, 1, 10}))
	reference := &gorgonia.Reference{}
	for name, r := range map[string]gorgonia.Runner{
		"reference": reference,
		"session":   session(t, map[string]graph.Tensor{"w": {Shape: graph.ShapeOf(graph.F32, 2, 2), F: w}}),
	} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			feeds := map[string]*tensor.Dense{"x": x, "i": index}
			if r == reference {
				feeds["w"] = weight
			}
			out, err := gorgonia.Run(ctx, r, g, feeds)
			if err != nil {
				t.Fatal(err)
			}
			if len(out) != 5 {
				t.Errorf("%d outputs", len(out))
			}
			expect(t, out, "total", 1, 2, 3, 40)
			expect(t, out, "twice", 2, 4, 6, 80)
			expect(t, out, "copy", 1, 1, 1, 10)
			if i := out["index"].Int32s(); i[0] != 7 || i[2] != 9 {
				t.Errorf("index: %v", i)
			}
			out["copy"].Float32s()[0] = -5
			out["total"].Float32s()[0] = -5
			if x.Float32s()[0] != 1 || out["again"].Float32s()[0] != 1 {
				t.Error("outputs share memory with a feed or with each other")
			}
			// The state is kept, the memory given is written, and nothing else
			// is fetched.
			mine := make([]float32, 4)
			delete(feeds, "w")
			fetches := map[string]*tensor.Dense{"total": tensor.New(tensor.WithShape(2, 2), tensor.WithBacking(mine)), "twice": nil}
			if err := gorgonia.RunInto(ctx, r, g, feeds, fetches); err != nil {
				t.Fatal(err)
			}
			if mine[0] != 2 || mine[3] != 80 {
				t.Errorf("total: %v", mine)
			}
			expect(t, fetches, "twice", 4, 8, 12, 160)
			if len(fetches) != 2 {
				t.Errorf("%d fetches", len(fetches))
			}
		})
	}
	// A state that is fed.
	out, err := gorgonia.Run(context.Background(), nil, g, map[string]*tensor.Dense{"x": x, "i": index, "w": weight, "sum": dense(t, 2, 2)})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, out, "total", 1.5, 3.5, 5.5, 43.5)
}

func expect(t *testing.T, out map[string]*tensor.Dense, name string, want ...float32) {
	t.Helper()
	if d := out[name]; d == nil || !d.Shape().Eq(tensor.Shape{2, 2}) || fmt.Sprint(d.Float32s()) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", name, d, want)
	}
}

// broken is a runner that panics, as a backend with a mistake might.
type broken struct{}

func (broken) RunInto(context.Context, *graph.Graph, map[string]graph.Tensor, map[string]graph.Tensor) error {
	panic("no such kernel")
}

func TestRunRefuses(t *testing.T) {
	g := counter(t)
	index := tensor.New(tensor.WithShape(3), tensor.WithBacking([]int32{7, 8, 9}))
	good := func() map[string]*tensor.Dense {
		return map[string]*tensor.Dense{"x": dense(t, 2, 2), "w": dense(t, 2, 2), "i": index}
	}
	ended, end := context.WithCancel(context.Background())
	end()
	for name, c := range map[string]struct {
		ctx     context.Context
		r       gorgonia.Runner
		feeds   func(f map[string]*tensor.Dense)
		fetches map[string]*tensor.Dense
		want    string
	}{
		"other name":       {feeds: func(f map[string]*tensor.Dense) { f["z"] = index }, want: `gorgonia: the graph reads no "z"`},
		"other shape":      {feeds: func(f map[string]*tensor.Dense) { f["x"] = dense(t, 4) }, want: `gorgonia: input "x": fed f32[4], want f32[2 2]`},
		"other type":       {feeds: func(f map[string]*tensor.Dense) { f["i"] = dense(t, 3) }, want: `gorgonia: input "i": fed f32[3], want i32[3]`},
		"transposed":       {feeds: func(f map[string]*tensor.Dense) { f["x"] = transposed(t, dense(t, 2, 2)) }, want: `gorgonia: input "x": a tensor (2, 2) with strides`},
		"nothing":          {feeds: func(f map[string]*tensor.Dense) { f["x"] = nil }, want: `gorgonia: input "x": no tensor`},
		"input missing":    {feeds: func(f map[string]*tensor.Dense) { delete(f, "x") }, want: `input "x": not fed, want f32[2 2]`},
		"weight missing":   {feeds: func(f map[string]*tensor.Dense) { delete(f, "w") }, want: `weight "w": not fed, want f32[2 2]`},
		"weight, session":  {r: session(t, nil), want: `gorgonia: weight "w": weights and states are the runner's`},
		"no such output":   {fetches: map[string]*tensor.Dense{"y": nil}, want: `gorgonia: the graph has no output "y"`},
		"output of 4":      {fetches: map[string]*tensor.Dense{"total": dense(t, 4)}, want: `gorgonia: output "total": f32[4] for f32[2 2]`},
		"transposed fetch": {fetches: map[string]*tensor.Dense{"total": transposed(t, dense(t, 2, 2))}, want: `gorgonia: output "total": a tensor (2, 2) with strides`},
		"context ended":    {ctx: ended, want: "context canceled"},
		"a panic":          {r: broken{}, feeds: func(f map[string]*tensor.Dense) { delete(f, "w") }, want: "gorgonia: no such kernel"},
	} {
		feeds := good()
		if c.feeds != nil {
			c.feeds(feeds)
		}
		if c.ctx == nil {
			c.ctx = context.Background()
		}
		if c.fetches == nil {
			c.fetches = map[string]*tensor.Dense{}
		}
		err := gorgonia.RunInto(c.ctx, c.r, g, feeds, c.fetches)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if out, err := gorgonia.Run(ended, nil, g, good()); err == nil || out != nil {
		t.Errorf("%v %v", out, err)
	}
}

// A graph of this module on tensors of Gorgonia.
func ExampleRun() {
	b := graph.NewBuilder()
	x := b.Input("x", graph.ShapeOf(graph.F32, 2, 3))
	b.Output("sums", ops.SumLast(x))
	g, err := b.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	feeds := map[string]*tensor.Dense{"x": tensor.New(tensor.WithShape(2, 3), tensor.WithBacking([]float32{1, 2, 3, 4, 5, 6}))}
	out, err := gorgonia.Run(context.Background(), nil, g, feeds)
	fmt.Println(out["sums"].Shape(), out["sums"].Data(), err)
	// Output: (2, 1) [6 15] <nil>
}
