package cpu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/models"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/cpu/gemm"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// wrecker is a backend that runs its programs in the worst way that they allow:
// between two barriers one worker after another, in any order, each unit by
// itself. Memory that holds nothing of use is filled with NaN before, scratch
// memory too, and what is no result must be as it was afterwards.
type wrecker struct {
	*Backend
	r    *rand.Rand
	plan *sched.Plan                    // that has been learned
	free map[*sched.Partition][][]place // memory that holds nothing, by call
}

func newWrecker(t *testing.T, threads int, seed uint64) *wrecker {
	return &wrecker{Backend: newBackend(t, threads), r: rand.New(rand.NewPCG(seed, 5)), free: map[*sched.Partition][][]place{}}
}

func newBackend(t *testing.T, threads int) *Backend {
	t.Helper()
	b, err := New(Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// learn finds out what memory holds nothing before each call of a plan.
func (w *wrecker) learn(p *sched.Plan) {
	w.plan = p
	live := make([][]bool, len(p.Storages)) // by storage, of words
	for i, st := range p.Storages {
		live[i] = make([]bool, (st.Bytes+3)/4)
	}
	set := func(a sched.Arg, on bool) {
		s := placesOf([]sched.Arg{a})[0]
		for at := s.from / 4; at < (s.to+3)/4; at++ {
			live[s.storage][at] = on
		}
	}
	for i, st := range p.Storages {
		if st.Kind == sched.OutputStorage {
			set(sched.Arg{Storage: i, Shape: st.Shape}, true)
		}
	}
	for _, step := range slices.Backward(p.Steps) {
		if step.Run == nil {
			set(step.Dst, false)
			set(step.Src, true)
			continue
		}
		free := make([][]place, len(step.Run.Calls))
		for c, call := range slices.Backward(step.Run.Calls) {
			for _, a := range call.Out {
				set(a, false)
			}
			for _, a := range call.In {
				set(a, true)
			}
			for i, st := range p.Storages {
				if st.Kind != sched.OutputStorage && st.Kind != sched.ArenaStorage {
					continue
				}
				for from := 0; from < len(live[i]); from++ {
					to := from
					for ; to < len(live[i]) && !live[i][to]; to++ {
					}
					if to > from {
						free[c] = append(free[c], place{i, int64(4 * from), min(st.Bytes, int64(4*to))})
						from = to
					}
				}
			}
		}
		w.free[step.Run] = free
	}
}

func (w *wrecker) Compile(p *sched.Partition) (sched.Executable, error) {
	e, err := w.Backend.Compile(p)
	if err != nil {
		return nil, err
	}
	return &wrecked{w, p, e.(*executable)}, nil
}

type wrecked struct {
	w    *wrecker
	part *sched.Partition
	e    *executable
}

func (x *wrecked) Close() error { return x.e.Close() }

const guard = 256 // bytes behind scratch memory

func (x *wrecked) Run(ctx context.Context, b sched.Bindings) error {
	e, r := x.e, x.w.r
	e.ctx = ctx
	e.failed.Store(nil)
	shared, local := alignedBytes(e.shared+guard), alignedBytes(e.local+guard)
	fill(shared)
	fill(local)
	var frames []*frame
	for _, f := range e.frames {
		g := *f
		g.bind, g.memory, g.shared, g.local = b, memoryOf(b, nil), shared[:e.shared], local[:e.local]
		g.gemm = new(gemm.Scratch)
		frames = append(frames, &g)
	}
	for begin, end := 0, 0; begin < len(e.steps); begin = end {
		for end = begin + 1; !e.steps[end-1].meet; end++ {
		}
		phase := e.steps[begin:end]
		first := phase[0].calls[0]
		fresh := begin == 0 || !slices.Contains(e.steps[begin-1].calls, first)
		if fresh {
			fill(shared[:e.shared])
		}
		if free := x.w.free[x.part]; free != nil && fresh {
			for _, s := range free[slices.IndexFunc(x.part.Calls, func(c sched.Call) bool { return c.Node == first.Node })] {
				fill(b[s.storage].Bytes()[s.from:s.to])
			}
		}
		before := make([][]byte, len(b))
		for i, s := range b {
			if p := x.w.plan; p == nil || p.Storages[i].Kind != sched.WeightStorage {
				before[i] = bytes.Clone(s.Bytes())
			}
		}
		for _, worker := range r.Perm(len(frames)) {
			f := frames[worker]
			for i := range phase {
				s := &phase[i]
				lo, hi := s.units*worker/len(frames), s.units*(worker+1)/len(frames)
				if s.alone() {
					lo, hi = 0, s.units
					if worker > 0 {
						hi = 0
					}
				}
				for _, u := range r.Perm(hi - lo) {
					fill(f.local)
					f.call, f.step = s.calls[0], begin+i
					s.run(f, lo+u, lo+u+1)
				}
			}
		}
		if bad := e.failed.Load(); bad != nil {
			return bad.err
		}
		for i := range phase {
			for _, c := range phase[i].calls {
				for _, a := range c.Out {
					copy(before[a.Storage][a.Off:a.Off+a.Shape.Bytes()], b[a.Storage].Bytes()[a.Off:])
				}
			}
		}
		for i, s := range b {
			if before[i] != nil && !bytes.Equal(before[i], s.Bytes()) {
				return fmt.Errorf("after %s: storage %d was written to where there is no result", graph.Label(first.Node), i)
			}
		}
		for _, m := range [][]byte{shared[e.shared:], local[e.local:]} {
			if slices.ContainsFunc(m, func(c byte) bool { return c != 0xff }) {
				return fmt.Errorf("%s: written behind scratch memory", graph.Label(first.Node))
			}
		}
	}
	return nil
}

func fill(b []byte) {
	for i := range b {
		b[i] = 0xff // NaN, and no index
	}
}

// apart is a backend that computes call by call.
type apart struct{ *Backend }

type calls []sched.Executable

func (a apart) Compile(p *sched.Partition) (sched.Executable, error) {
	var list calls
	for i := range p.Calls {
		e, err := a.Backend.Compile(&sched.Partition{Calls: p.Calls[i : i+1]})
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

func (l calls) Close() error { return nil }

func (l calls) Run(ctx context.Context, b sched.Bindings) error {
	for _, e := range l {
		if err := e.Run(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// inSession runs a graph twice in a session of two slots, the first one used, and
// returns the bits of all outputs and of the slot's states.
func inSession(t *testing.T, g *graph.Graph, weights sched.Weights, b sched.Backend, feeds map[string]graph.Tensor) map[string][]byte {
	t.Helper()
	r, err := sched.NewRunner(weights, b)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, err := r.NewSession(2, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Acquire(); err != nil {
		t.Fatal(err)
	}
	plan, err := r.Load(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	if w, ok := b.(*wrecker); ok {
		w.learn(plan)
	}
	bits := map[string][]byte{}
	for run := range 2 {
		out, err := s.Run(t.Context(), g, feeds)
		if err != nil {
			t.Fatalf("run %d: %v\n%v", run, err, plan)
		}
		states, err := s.Snapshot(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		for name, x := range out {
			bits[fmt.Sprint(run, " output ", name)] = sched.HostOf(x).Bytes()
		}
		for name, x := range states {
			bits[fmt.Sprint(run, " state ", name)] = sched.HostOf(x).Bytes()
		}
	}
	return bits
}

// sameBits holds joined steps, left-out barriers and scratch memory to the bits of
// a run call by call.
func sameBits(t *testing.T, seed uint64, g *graph.Graph, weights sched.Weights, feeds map[string]graph.Tensor) {
	t.Helper()
	want := inSession(t, g, weights, apart{newBackend(t, 1)}, feeds)
	for name, b := range map[string]sched.Backend{"3 threads": newBackend(t, 3), "wrecked": newWrecker(t, 3, seed)} {
		got := inSession(t, g, weights, b, feeds)
		for what, bits := range want {
			if !bytes.Equal(got[what], bits) {
				t.Fatalf("seed %d, %s: run %s differs\n%v", seed, name, what, g)
			}
		}
	}
}

// Every case of every op, with operands that were given and with computed ones,
// over which some ops write.
func TestMemoryOfOps(t *testing.T) {
	for _, op := range graph.Ops() {
		if op.Cases == nil {
			continue
		}
		for c := range op.Cases {
			in, err := ops.Operands(c, rand.New(rand.NewPCG(3, 4)))
			if errors.Is(err, errors.ErrUnsupported) {
				continue
			} else if err != nil {
				t.Fatal(err)
			}
			t.Run(op.Name+"/"+c.Name, func(t *testing.T) {
				for _, computed := range []bool{false, true} {
					gb := graph.NewBuilder()
					vs, feeds := make([]graph.Value, len(in)), map[string]graph.Tensor{}
					for i, x := range in {
						feeds[fmt.Sprint(i)] = x
						if vs[i] = gb.Input(fmt.Sprint(i), x.Shape); computed {
							vs[i] = ops.Cont(vs[i])
						}
					}
					n := gb.Apply(op, c.Attrs, vs...)
					if b := newBackend(t, 1); b.Supports(n) != nil {
						t.Skip("not supported")
					}
					for i := range n.NumOut() {
						y := n.Out(i)
						gb.Output(fmt.Sprint(i), y)
						if y.Shape().DType == graph.F32 {
							gb.Output(fmt.Sprint("twice ", i), ops.Scale(y, 2))
						}
					}
					g, err := gb.Build()
					if err != nil {
						t.Fatal(err)
					}
					sameBits(t, 0, g, nil, feeds)
				}
			})
		}
	}
}

// randomGraph returns some elementwise functions of arrays of a few blocks, with
// other ops among them.
func randomGraph(r *rand.Rand) *graph.Graph {
	const T, H, D = 37, 5, 64
	b := graph.NewBuilder()
	f := func(dims ...int) graph.Shape { return graph.ShapeOf(graph.F32, dims...) }
	slots, state := b.Input("slots", graph.ShapeOf(graph.I32, 1)), b.State("state", f(2, T, H, D))
	weight := b.Input("weight", f(D, D))
	vals := []graph.Value{b.Input("x", f(T, H, D)), b.Input("row", f(D)), b.Input("head", f(T, H, 1)), b.Input("one", f()),
		ops.Reshape(ops.Rows(state, slots), T, H, D)}
	any := func() graph.Value { return vals[max(r.IntN(len(vals)), r.IntN(len(vals)))] }
	unary := []func(graph.Value) graph.Value{ops.Neg, ops.Exp, ops.Sigmoid, ops.Silu, ops.Softplus, ops.Tanh, ops.Relu, ops.Cont}
	binary := []func(x, y graph.Value) graph.Value{ops.Add, ops.Sub, ops.Mul, ops.Div, ops.Max, ops.Min}
	for range 4 + r.IntN(24) {
		x := any()
		s := x.Shape()
		var y graph.Value
		switch r.IntN(14) {
		case 0, 1, 2:
			y = unary[r.IntN(len(unary))](x)
		case 3:
			y = []func(graph.Value, float32) graph.Value{ops.Scale, ops.AddScalar}[r.IntN(2)](x, 0.75)
		case 4:
			y = ops.Clamp(x, -1, 0.5)
		case 5, 6, 7, 8:
			if z := any(); broadcasts(s, z.Shape()) {
				y = binary[r.IntN(len(binary))](x, z)
			}
		case 9:
			if s.Rank() == 3 && s.Dim(0) == T {
				y = ops.Permute(ops.Tanh(ops.Permute(x, 1, 0, 2)), 1, 0, 2)
			}
		case 10:
			if s.Rank() > 0 {
				y = []func(graph.Value) graph.Value{ops.Softmax, ops.CumSum}[r.IntN(2)](x)
			}
		case 11:
			if s.Len() == T*H*D {
				y = ops.Slice(ops.Concat(0, x, ops.Neg(x)), 0, r.IntN(s.Dim(0)), s.Dim(0))
			}
		case 12, 13: // uses memory that its steps share
			if s.Rank() == 3 && s.Dim(2) == D {
				y = ops.Linear(x, weight)
			}
		}
		if y.Builder() != nil && y.Shape().Len() <= T*H*D {
			vals = append(vals, y)
		}
	}
	for i := range 1 + r.IntN(3) {
		b.Output(fmt.Sprint(i), any())
	}
	for _, v := range slices.Backward(vals) {
		if v.Shape() == vals[0].Shape() {
			b.SetState(state, ops.ScatterRows(state, slots, ops.Reshape(v, 1, T, H, D)))
			break
		}
	}
	g, err := b.Build()
	if err != nil {
		panic(err)
	}
	return g
}

func broadcasts(a, b graph.Shape) bool {
	for i := 1; i <= min(a.Rank(), b.Rank()); i++ {
		if x, y := a.Dim(-i), b.Dim(-i); x != y && x != 1 && y != 1 {
			return false
		}
	}
	return true
}

func TestMemoryOfRandomGraphs(t *testing.T) {
	n := 150
	if testing.Short() {
		n = 15
	}
	chains := 0
	for seed := range uint64(n) {
		r := rand.New(rand.NewPCG(seed, 6))
		g := randomGraph(r)
		feeds := map[string]graph.Tensor{}
		for _, node := range g.Nodes() {
			if node.Op() == graph.InputOp {
				x := graph.NewTensor(node.Out(0).Shape())
				for i := range x.F {
					x.F[i] = float32(r.NormFloat64())
				}
				feeds[node.Name()] = x
			}
		}
		sameBits(t, seed, g, nil, feeds)
		chains += chainsOf(t, g)
	}
	if chains < n {
		t.Errorf("%d chains in %d graphs", chains, n)
	}
}

// chainsOf counts the steps that were joined.
func chainsOf(t *testing.T, g *graph.Graph) (n int) {
	b := newBackend(t, 2)
	p, err := sched.NewPlan(g, b)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Steps {
		if s.Run == nil {
			continue
		}
		e, err := b.Compile(s.Run)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range e.(*executable).steps {
			if len(s.calls) > 1 {
				n++
			}
		}
	}
	return n
}

func TestMemoryOfModels(t *testing.T) {
	for _, name := range []string{"qwen3.5-tiny", "qwen3.5-moe-tiny", "qwen3-next-tiny", "kimi-linear-tiny"} {
		for _, tokens := range []int{1, 70} {
			t.Run(fmt.Sprint(name, "/", tokens), func(t *testing.T) {
				c, err := models.ByName(name)
				if err != nil {
					t.Fatal(err)
				}
				step := models.Step{Tokens: tokens, Slots: 2, Context: 96, KV: 80}
				g, err := models.Build(c, step)
				if err != nil {
					t.Fatal(err)
				}
				ids := make([]int32, tokens)
				for i := range ids {
					ids[i] = int32(7 * i % c.Vocab)
				}
				feeds, err := step.Feeds(models.Sequence{Tokens: ids})
				if err != nil {
					t.Fatal(err)
				}
				sameBits(t, 0, g, models.Synthetic(c, 3), feeds)
			})
		}
	}
}
