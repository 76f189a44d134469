package sched_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/interp"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

func f32(dims ...int) graph.Shape { return graph.ShapeOf(graph.F32, dims...) }
func i32(dims ...int) graph.Shape { return graph.ShapeOf(graph.I32, dims...) }

// tensor returns an f32 tensor of these values.
func tensor(s graph.Shape, v ...float32) graph.Tensor { return graph.Tensor{Shape: s, F: v} }

func parse(t *testing.T, text string) *graph.Graph {
	t.Helper()
	g, err := graph.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func newRunner(t *testing.T, w sched.Weights, backends ...sched.Backend) *sched.Runner {
	t.Helper()
	r, err := sched.NewRunner(w, backends...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func newSession(t *testing.T, r *sched.Runner, slots int) *sched.Session {
	t.Helper()
	s, err := r.NewSession(slots, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("error %v does not say %q", err, p)
		}
	}
}

const linear = `
%0 = input "x" : f32[2 4]
%1 = weight "w" : f32[3 4]
%2 = matmul(%0, %1) @blk.0
output "y" = %2
`

func TestWrongFeeds(t *testing.T) {
	w := tensor(f32(3, 4), make([]float32, 12)...)
	x := tensor(f32(2, 4), make([]float32, 8)...)
	for _, c := range []struct {
		name            string
		weights         sched.Tensors
		inputs, outputs map[string]graph.Tensor
		want            string
	}{
		{"no input", sched.Tensors{"w": w}, nil, nil, `input "x" is missing`},
		{"input shape", sched.Tensors{"w": w}, map[string]graph.Tensor{"x": w}, nil, `input "x": have f32[3 4], want f32[2 4]`},
		{"input memory", sched.Tensors{"w": w}, map[string]graph.Tensor{"x": tensor(f32(2, 4), 1)}, nil, `input "x": f32[2 4] with 1 values`},
		{"output shape", sched.Tensors{"w": w}, map[string]graph.Tensor{"x": x}, map[string]graph.Tensor{"y": x}, `output "y": have f32[2 4], want f32[2 3]`},
		{"overlap", sched.Tensors{"w": w}, map[string]graph.Tensor{"x": x}, map[string]graph.Tensor{"y": tensor(f32(2, 3), x.F[2:]...)}, `output "y" overlaps input "x"`},
		{"no weight", sched.Tensors{}, map[string]graph.Tensor{"x": x}, nil, `weight "w": no such tensor`},
		{"no weights", nil, map[string]graph.Tensor{"x": x}, nil, `weight "w": no such tensor`},
		{"weight shape", sched.Tensors{"w": x}, map[string]graph.Tensor{"x": x}, nil, `weight "w": have f32[2 4], want f32[3 4]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSession(t, newRunner(t, c.weights, interp.New()), 0)
			if c.outputs == nil {
				c.outputs = map[string]graph.Tensor{}
			}
			err := s.RunInto(t.Context(), parse(t, linear), c.inputs, c.outputs)
			if err == nil || err.Error() != c.want {
				t.Errorf("have %v, want %s", err, c.want)
			}
		})
	}
}

// What goes wrong inside a node names the node, then the backend.
func TestErrorNamesNode(t *testing.T) {
	g := parse(t, `
%0 = weight "w" : f32[4 2]
%1 = input "i" : i32[1]
%2 = rows(%0, %1) @blk.3.embed
output "y" = %2
`)
	s := newSession(t, newRunner(t, sched.Tensors{"w": graph.NewTensor(f32(4, 2))}, interp.New()), 0)
	_, err := s.Run(t.Context(), g, map[string]graph.Tensor{"i": {Shape: i32(1), I: []int32{4}}})
	wantError(t, err, "blk.3.embed: rows: interp: ", "4")
	if strings.Count(err.Error(), "rows") > 1 {
		t.Errorf("%v names the node twice", err)
	}
}

func TestNoBackend(t *testing.T) {
	if _, err := sched.NewRunner(nil); err == nil {
		t.Error("a runner without a backend")
	}
	if _, err := sched.NewRunner(nil, interp.New(), interp.New()); err == nil {
		t.Error("two backends of one name")
	}
}

// Inputs, weights and outputs are used where they lie.
func TestNoCopies(t *testing.T) {
	const n = 1 << 16
	b := graph.NewBuilder()
	x := b.Input("x", f32(n))
	b.Output("y", ops.Add(ops.Neg(x), b.Weight("w", f32(n))))
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	w := graph.NewTensor(f32(n))
	r := newRunner(t, sched.Tensors{"w": w}, interp.New())
	s := newSession(t, r, 0)
	in := map[string]graph.Tensor{"x": graph.NewTensor(f32(n))}
	out := map[string]graph.Tensor{"y": graph.NewTensor(f32(n))}
	y := out["y"].F
	for i := range n {
		in["x"].F[i] = float32(i)
	}
	if err := s.RunInto(t.Context(), g, in, out); err != nil {
		t.Fatal(err)
	}
	w.F[7] = 100 // seen by the next run: the weight was not copied
	if err := s.RunInto(t.Context(), g, in, out); err != nil {
		t.Fatal(err)
	}
	if y[5] != -5 || y[7] != 93 {
		t.Errorf("the caller's memory has %v and %v, want -5 and 93", y[5], y[7])
	}
	p, err := r.Load(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Steps) != 1 || p.ArenaBytes() != 4*n {
		t.Errorf("want one step and an arena for one value:\n%v", p)
	}
}

// What depends on weights alone is computed once for all plans and sessions, and
// on a device the weights that only it reads do not stay.
func TestStaticsOnce(t *testing.T) {
	graphs := []*graph.Graph{}
	for _, rows := range []int{1, 4} {
		b := graph.NewBuilder()
		defer b.Scope(fmt.Sprint("rows", rows))()
		x := b.Input("x", f32(rows, 8))
		w := ops.Exp(ops.Neg(b.Weight("w", f32(8))))
		b.Output("y", ops.Mul(ops.Mul(x, w), b.Const(2)))
		g, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		graphs = append(graphs, g)
	}
	w := graph.NewTensor(f32(8))
	cpu, dev := newPicky("cpu"), newDevice("dev")
	for _, b := range []sched.Backend{cpu, dev} {
		r := newRunner(t, sched.Tensors{"w": w}, b)
		for range 2 {
			s := newSession(t, r, 0)
			for i, g := range graphs {
				x := graph.NewTensor(f32(1+3*i, 8))
				x.F[0] = 3
				out, err := s.Run(t.Context(), g, map[string]graph.Tensor{"x": x})
				if err != nil {
					t.Fatal(err)
				}
				if out["y"].F[0] != 6 {
					t.Errorf("have %v, want 6", out["y"].F[0])
				}
			}
		}
		if n := r.Resident(); n != 4*8+4 {
			t.Errorf("%d bytes are resident, want the static value and the constant", n)
		}
	}
	if n := cpu.computed.Load(); n != 2+2*2*2 {
		t.Errorf("%d nodes computed, want 2 at load and 2 in each of 4 runs", n)
	}
	// The static value, the constant, the arenas of two sessions, two plans.
	if n := dev.live.Load(); n != 6 {
		t.Errorf("%d things on the device, want 6", n)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stop := &graph.Op{Name: "test_stop", Arity: 1,
		Infer: func(in []graph.Shape, _ graph.Attrs) ([]graph.Shape, error) { return in, nil },
		Eval:  func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) { cancel() }}
	after := 0
	count := &graph.Op{Name: "test_count", Arity: 1, Infer: stop.Infer,
		Eval: func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) { after++ }}
	b := graph.NewBuilder()
	x := graph.Apply(stop, nil, b.Input("x", f32(2))).Out(0)
	end := b.Scope("blk.1")
	b.Output("y", graph.Apply(count, nil, x).Out(0))
	end()
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(t, newRunner(t, nil, interp.New()), 0)
	_, err = s.Run(ctx, g, map[string]graph.Tensor{"x": graph.NewTensor(f32(2))})
	if !errors.Is(err, context.Canceled) || after != 0 {
		t.Errorf("%v, and %d nodes computed after the end of the context", err, after)
	}
	wantError(t, err, "blk.1: test_count: interp: context canceled")
}

// A fused op that no backend has gives the same numbers through its
// decomposition, alone or on the second backend.
func TestDecompose(t *testing.T) {
	b := graph.NewBuilder()
	q, k := b.Input("q", f32(1, 3, 2, 8)), b.Input("k", f32(1, 3, 2, 8))
	v, beta := b.Input("v", f32(1, 3, 4, 8)), b.Input("beta", f32(1, 3, 4, 1))
	g := b.Input("g", f32(1, 3, 4, 1))
	state := b.State("s", f32(1, 4, 8, 8))
	o, next := ops.GatedDeltaNet(q, k, v, g, beta, state, ops.GatedDeltaNetAttrs{Heads: ops.Tiled, Norm: ops.NormSum, Eps: 1e-6})
	b.Output("o", o)
	b.SetState(state, next)
	gr, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	in := map[string]graph.Tensor{}
	for _, n := range gr.Nodes() {
		if n.Op() == graph.InputOp {
			in[n.Name()] = noise(graph.NewTensor(n.Out(0).Shape()), r)
		}
	}
	var want []float32
	for _, backends := range [][]sched.Backend{
		{interp.New()},
		{newPicky("cpu", "gated_delta_net")},
		{newDevice("dev", "gated_delta_net"), interp.New()},
		{newDevice("dev", "gated_delta_net", "exp", "l2_norm"), newPicky("cpu", "gated_delta_net")},
	} {
		s := newSession(t, newRunner(t, nil, backends...), 1)
		var got []float32
		for range 2 {
			out, err := s.Run(t.Context(), gr, in)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, out["o"].F...)
		}
		if want == nil {
			want = got
		}
		for i := range want {
			if d := got[i] - want[i]; !(d < 1e-5 && d > -1e-5) {
				t.Fatalf("%s: element %d is %v, want %v", backends[0].Name(), i, got[i], want[i])
			}
		}
	}
}

type depth struct{ N int }

func TestBadDecompositions(t *testing.T) {
	infer := func(in []graph.Shape, _ graph.Attrs) ([]graph.Shape, error) { return in, nil }
	loop := &graph.Op{Name: "test_loop", Arity: 1, Attrs: depth{}, Infer: infer}
	loop.Decompose = func(in []graph.Value, a graph.Attrs) []graph.Value {
		return []graph.Value{graph.Apply(loop, depth{a.(depth).N + 1}, in...).Out(0)}
	}
	shape := &graph.Op{Name: "test_shape", Arity: 1, Infer: infer,
		Decompose: func(in []graph.Value, _ graph.Attrs) []graph.Value { return []graph.Value{ops.SumLast(in[0])} }}
	number := &graph.Op{Name: "test_number", Arity: 1, Infer: infer,
		Decompose: func(in []graph.Value, _ graph.Attrs) []graph.Value { return in[:0] }}
	broken := &graph.Op{Name: "test_broken", Arity: 1, Infer: infer,
		Decompose: func(in []graph.Value, _ graph.Attrs) []graph.Value { return []graph.Value{ops.Reshape(in[0], 77)} }}
	for op, want := range map[*graph.Op]string{
		loop: "decomposed after 16 times", shape: "result 0 is f32[2 1], want f32[2 3]",
		number: "0 results, want 1", broken: "reshape",
	} {
		b := graph.NewBuilder()
		end := b.Scope("blk.2")
		b.Output("y", graph.Apply(op, op.Attrs, b.Input("x", f32(2, 3))).Out(0))
		end()
		g, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		_, err = sched.NewPlan(g, newPicky("cpu", op.Name))
		wantError(t, err, "blk.2: "+op.Name, want)
	}
}

// Sessions with states of their own run at once over the same weights, on the
// host and on a device, and each computes what it computes alone.
func TestConcurrentSessions(t *testing.T) {
	b := graph.NewBuilder()
	x, w := b.Input("x", f32(4, 8)), b.Weight("w", f32(8, 8))
	slot, pool := b.Input("slots", i32(4)), b.State("s", f32(4, 8))
	h := ops.Tanh(ops.Add(ops.MatMul(x, ops.Neg(w)), ops.Rows(pool, slot)))
	b.SetState(pool, ops.ScatterRows(pool, slot, h))
	b.Output("y", ops.Softmax(h))
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(3, 3))
	weights := sched.Tensors{"w": noise(graph.NewTensor(f32(8, 8)), rnd)}
	cpu := newPicky("cpu", "softmax")
	for _, backends := range [][]sched.Backend{{cpu, interp.New()}, {newDevice("dev", "tanh"), interp.New()}} {
		r := newRunner(t, weights, backends...)
		run := func(s *sched.Session, seed int) (all []float32, err error) {
			rnd := rand.New(rand.NewPCG(uint64(seed), 4))
			for range 10 {
				out, err := s.Run(t.Context(), g, map[string]graph.Tensor{
					"x": noise(graph.NewTensor(f32(4, 8)), rnd), "slots": {Shape: i32(4), I: []int32{3, 1, 0, 2}}})
				if err != nil {
					return nil, err
				}
				all = append(all, out["y"].F...)
			}
			return all, nil
		}
		var group errgroup.Group
		results := make([][]float32, 6)
		for i := range results {
			s := newSession(t, r, 4)
			group.Go(func() (err error) {
				results[i], err = run(s, i)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		for i, got := range results {
			want, err := run(newSession(t, r, 4), i)
			if err != nil {
				t.Fatal(err)
			}
			if err := equalAll(map[string]graph.Tensor{"y": {F: got}}, map[string]graph.Tensor{"y": {F: want}}); err != nil {
				t.Errorf("session %d: %v", i, err)
			}
		}
	}
}

// Whatever call to a device fails, the error says so, the same session runs
// after that, and nothing leaks.
func TestBrokenDevice(t *testing.T) {
	g := parse(t, `
%0 = input "x" : f32[2 4]
%1 = weight "w" : f32[4]
%2 = exp(%1)
%3 = mul(%0, %2)
%4 = softmax(%3) @blk.0
%5 = state "s" : f32[2 4]
%6 = add(%4, %5)
output "y" = %6
next %5 = %4
`)
	in := map[string]graph.Tensor{"x": graph.NewTensor(f32(2, 4))}
	weights := sched.Tensors{"w": graph.NewTensor(f32(4))}
	for n := int32(1); ; n++ {
		d := newDevice("dev", "softmax")
		d.healthy.Store(n)
		r, err := sched.NewRunner(weights, d, interp.New())
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.NewSession(2, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Run(t.Context(), g, in)
		if err != nil && !errors.Is(err, errBroken) {
			t.Fatal(err)
		}
		d.healthy.Store(0)
		out, again := s.Run(t.Context(), g, in)
		if again != nil || out["y"].F[0] < 0.25 {
			t.Fatalf("after %v: %v, %v", err, out, again)
		}
		if err := errors.Join(s.Close(), r.Close()); err != nil {
			t.Fatal(err)
		}
		if d.live.Load() != 0 {
			t.Fatalf("after %v: %d things on the device were not freed", err, d.live.Load())
		}
		if err == nil {
			if n < 15 {
				t.Errorf("only %d calls could fail", n-1)
			}
			return
		}
	}
}

// A cache does not keep the graphs alive that it has seen.
func TestPlanCacheForgets(t *testing.T) {
	c, err := sched.NewPlanCache(interp.New())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 100 {
		if _, err := c.Get(parse(t, linear)); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 { // cleanups run some time after a collection
		runtime.GC()
		if c.Known() <= 1 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d graphs are still known", c.Known())
}

// Sessions that ask for one plan at once wait for one compilation, and a graph
// of equal fingerprint shares it.
func TestPlanCache(t *testing.T) {
	cpu := newPicky("cpu")
	c, err := sched.NewPlanCache(cpu)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var wg sync.WaitGroup
	plans := make([]*sched.Plan, 16)
	for i := range plans {
		wg.Go(func() {
			var err error
			if plans[i], err = c.Get(parse(t, linear)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, p := range plans {
		if p != plans[0] {
			t.Error("two plans for one graph")
		}
	}
	if n := cpu.compiled.Load(); n != 1 {
		t.Errorf("compiled %d times", n)
	}
	if want := parse(t, linear).Fingerprint() + " cpu"; plans[0].Key != want {
		t.Errorf("key %q, want %q", plans[0].Key, want)
	}
}

// A runner that sees many graphs keeps the plans in use and some others.
func TestPlansAreDropped(t *testing.T) {
	d := newDevice("dev")
	r := newRunner(t, nil, d)
	s := tester{t, newSession(t, r, 3)}
	s.acquire(0)
	in := map[string]graph.Tensor{"x": graph.NewTensor(f32(1, 1, 2)), "slots": graph.NewTensor(i32(1))}
	out := map[string]graph.Tensor{}
	bound, err := s.s.Bind(t.Context(), sums(t, 1, 1), in, out)
	s.must(err)
	for n := 2; n < 2*sched.MaxIdle; n++ {
		s.step([]int32{0}, make([]float32, n)...)
	}
	if n := r.Plans(); n != sched.MaxIdle+1 {
		t.Errorf("%d plans are kept, want %d and the one in use", n, sched.MaxIdle)
	}
	// The plans, two states, one arena.
	if n := d.live.Load(); n != sched.MaxIdle+1+2+1 {
		t.Errorf("%d things on the device", n)
	}
	states, working := s.s.Memory()
	if p := bound.Plan(); states != 2*3*2+4*3 || working < p.ArenaBytes() {
		t.Errorf("%d bytes of states, %d of working memory", states, working)
	}
	in["x"].F[0] = 5
	s.must(bound.Run(t.Context()))
	s.want(out["y"].F, 5, 0)
	s.must(bound.Close())
	if n := r.Plans(); n != sched.MaxIdle {
		t.Errorf("%d plans are kept after the last use, want %d", n, sched.MaxIdle)
	}
}

// Inputs for a device lie side by side in its memory, so that they can be fetched
// together; nothing else lies between them.
func TestInputsSideBySide(t *testing.T) {
	b := graph.NewBuilder()
	f := func(n int) graph.Shape { return graph.ShapeOf(graph.F32, n) }
	x, y, z := b.Input("x", f(3)), b.Input("y", f(40)), b.Input("z", f(1))
	b.Output("out", ops.Concat(0, ops.Exp(x), ops.Exp(y), ops.Exp(z)))
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	p, err := sched.NewPlan(g, newDevice("card"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var at []int64
	for _, s := range p.Steps {
		if s.Run == nil && p.Storages[s.Src.Storage].Kind == sched.InputStorage {
			at = append(at, s.Dst.Off)
		}
	}
	if want := []int64{at[0], at[0] + 64, at[0] + 64 + 192}; !slices.Equal(at, want) {
		t.Errorf("inputs at %v, want %v", at, want)
	}
}
