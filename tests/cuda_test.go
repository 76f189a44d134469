package tests

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/internal/reference"
	"github.com/deltaloom/deltaloom/models"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/quant"
	"github.com/deltaloom/deltaloom/runtime/cuda"
	"github.com/deltaloom/deltaloom/runtime/cuda/driver"
	"github.com/deltaloom/deltaloom/runtime/sched"
	"github.com/deltaloom/deltaloom/sample"
	"github.com/deltaloom/deltaloom/tools/ptxsim/cudasim"
)

// simulate makes the backend cuda of models opened from now on run on a simulated
// driver, whose faults fail the test.
func simulate(t *testing.T, o cudasim.Options) *cudasim.Driver {
	t.Helper()
	d, err := cudasim.New(o)
	if err != nil {
		t.Skipf("no simulated driver here: %v", err)
	}
	api, err := driver.Bind(d.Lookup)
	if err != nil {
		t.Fatal(err)
	}
	register(func() (*cuda.Backend, error) { return cuda.New(cuda.Options{Driver: api}) })
	t.Cleanup(func() {
		if err := d.Fault(); err != nil {
			t.Error(err)
		}
		d.Close()
	})
	return d
}

func register(open func() (*cuda.Backend, error)) {
	deltaloom.RegisterBackend("cuda", func() (sched.Backend, error) { return open() })
}

// onTheCard makes the backend cuda that of this machine's card, and skips without one.
func onTheCard(t testing.TB) {
	t.Helper()
	b, err := cuda.New(cuda.Options{})
	if err != nil {
		t.Skipf("NO CARD: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	register(func() (*cuda.Backend, error) { return cuda.New(cuda.Options{}) })
}

var tinies = []string{"qwen3.5-tiny", "qwen3.5-moe-tiny", "qwen3-next-tiny", "kimi-linear-tiny"}

func synthetic(t *testing.T, name, backend string) *deltaloom.Model {
	t.Helper()
	m, err := deltaloom.Synthetic(name, 7, deltaloom.Options{Backend: backend, Threads: 1})
	return opened(t, m, err)
}

// TestCUDA: a prompt and a token at a time give what the reference gives.
func TestCUDA(t *testing.T) {
	simulate(t, cudasim.Options{})
	asReference(t, 24)
}

func TestCUDAOnTheCard(t *testing.T) {
	onTheCard(t)
	asReference(t, 200)
}

func asReference(t *testing.T, tokens int) {
	for _, name := range tinies {
		t.Run(name, func(t *testing.T) {
			text := randomTokens(tokens, 128, 3)
			want := feed(t, synthetic(t, name, "interp"), text, 1, 0)
			m := synthetic(t, name, "cuda")
			for _, each := range []int{1, tokens - 4} {
				got := feed(t, m, text, each, 0)
				if d := reference.Compare(want, got); !(d.NMSE <= cudaLimit(each)) {
					t.Errorf("%d at a time: NMSE %.3g", each, d.NMSE)
				} else {
					t.Logf("%d at a time: NMSE %.3g", each, d.NMSE)
				}
			}
		})
	}
}

// cudaNMSE is what is left where exponentials are within 2 ulp, cudaPromptNMSE where
// factors of products are two parts of 8 bits besides, as those of prompts are.
const (
	cudaNMSE       = 1e-10
	cudaPromptNMSE = 1e-8
)

// cudaLimit is the limit for so many tokens at a time, 0 standing for all.
func cudaLimit(each int) float64 {
	if each == 1 {
		return cudaNMSE
	}
	return cudaPromptNMSE
}

// TestOneGraphATokenOnCUDA: once it has been captured, a token is one transfer, one
// graph and one transfer back.
func TestOneGraphATokenOnCUDA(t *testing.T) {
	for _, name := range tinies {
		d := simulate(t, cudasim.Options{})
		m := synthetic(t, name, "cuda")
		s := session(t, m, deltaloom.SessionOptions{Context: 64})
		q := begin(t, s)
		token := func() { eval(t, s, deltaloom.Next{Seq: q, Tokens: []int32{5}}) }
		token() // compiles
		token() // captures
		d.Reset()
		for range 3 {
			token()
		}
		st := d.Stats()
		if st.GraphLaunches != 3 || st.Launches != 0 || st.HtoD != 3 || st.DtoH != 3 || st.Allocs != 0 {
			t.Errorf("%s: three tokens were %+v, want 3 launches of a graph and 3 transfers each way", name, st)
		}
		for _, p := range m.Programs() {
			t.Logf("%s: %d compute nodes, %d kernels in one graph", name, p.Report.After.Compute, p.Launches)
			if n := st.GraphNodes / 3; n != p.Launches {
				t.Errorf("%s: a graph of %d nodes, but the plan launches %d kernels", name, n, p.Launches)
			}
		}
		s.Close()
	}
}

// TestReplayIsEagerOnCUDA replays a captured step a hundred times with other tokens,
// positions and slots: the bits are those of kernels launched one by one, which is
// tried for some of the steps, the numbers those of the reference.
func TestReplayIsEagerOnCUDA(t *testing.T) {
	simulate(t, cudasim.Options{})
	replayIsEager(t)
}

func TestReplayIsEagerOnTheCard(t *testing.T) {
	onTheCard(t)
	replayIsEager(t)
}

func replayIsEager(t *testing.T) {
	const slots, context, steps, alone = 4, 64, 100, 20
	for _, name := range tinies {
		t.Run(name, func(t *testing.T) {
			device, err := deltaloom.NewBackend("cuda", 1, deltaloom.FloatActivations)
			if err != nil {
				t.Fatal(err)
			}
			defer device.Close()
			c, err := models.ByName(name)
			if err != nil {
				t.Fatal(err)
			}
			weights := models.Synthetic(c, 7)
			step := models.Step{Seqs: 2, Tokens: 1, Slots: slots, Context: context, KV: context}
			g, err := models.Build(c, step)
			if err != nil {
				t.Fatal(err)
			}
			if g, _, err = fuse.Run(g, fuse.Options{Supports: device.Supports}); err != nil {
				t.Fatal(err)
			}
			in, err := step.NewInputs()
			if err != nil {
				t.Fatal(err)
			}
			run := func(bind bool, b sched.Backend) func() []float32 {
				r, err := sched.NewRunner(weights, b)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { r.Close() })
				s, err := r.NewSession(slots, nil)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { s.Close() })
				out := map[string]graph.Tensor{}
				bound, err := s.Bind(t.Context(), g, in.Tensors(), out)
				if err != nil {
					t.Fatal(err)
				}
				return func() []float32 {
					if bind {
						err = bound.Run(t.Context())
					} else {
						err = s.RunInto(t.Context(), g, in.Tensors(), out)
					}
					if err != nil {
						t.Fatal(err)
					}
					return slices.Clone(out["logits"].F)
				}
			}
			cpu, err := deltaloom.NewBackend("interp", 1, deltaloom.FloatActivations)
			if err != nil {
				t.Fatal(err)
			}
			replay, eager, interp := run(true, device), run(false, device), run(false, cpu)
			at := [slots]int{}
			var all, want []float32
			for i := range steps {
				a, b := i%slots, (i*3+1)%slots
				if a == b {
					b = (b + 1) % slots
				}
				tokens := randomTokens(2, 128, uint64(i))
				err := in.Set(models.Sequence{Slot: a, Start: at[a], Tokens: tokens[:1]}, models.Sequence{Slot: b, Start: at[b], Tokens: tokens[1:]})
				if err != nil {
					t.Fatal(err)
				}
				at[a], at[b] = at[a]+1, at[b]+1
				got := replay()
				if i < alone && !slices.Equal(got, eager()) {
					t.Fatalf("step %d: a replay gives other bits than single launches", i)
				}
				all, want = append(all, got...), append(want, interp()...)
			}
			if d := reference.Compare(want, all); !(d.NMSE <= cudaNMSE) {
				t.Errorf("NMSE %.3g", d.NMSE)
			} else {
				t.Logf("NMSE %.3g", d.NMSE)
			}
		})
	}
}

// refusing is a card without a kernel for an op.
type refusing struct {
	*cuda.Backend
	op *graph.Op
}

func (r refusing) Supports(n *graph.Node) error {
	if n.Op() == r.op {
		return fmt.Errorf("%s: %w", n.Op().Name, errors.ErrUnsupported)
	}
	return r.Backend.Supports(n)
}

// TestNodeOnTheProcessor takes a kernel from the card: that node alone is computed
// beside it, and the plan shows the copies.
func TestNodeOnTheProcessor(t *testing.T) {
	d := simulate(t, cudasim.Options{})
	tokens := randomTokens(10, 128, 4)
	want := feed(t, synthetic(t, "qwen3.5-tiny", "interp"), tokens, 1, 0)
	open := func() (refusing, error) {
		api, err := driver.Bind(d.Lookup)
		if err != nil {
			return refusing{}, err
		}
		b, err := cuda.New(cuda.Options{Driver: api})
		return refusing{b, ops.SoftplusOp}, err
	}
	deltaloom.RegisterBackend("cuda", func() (sched.Backend, error) { return open() })
	m, err := deltaloom.Synthetic("qwen3.5-tiny", 7, deltaloom.Options{Backend: "cuda", Threads: 1, Unfused: true})
	got := feed(t, opened(t, m, err), tokens, 1, 0)
	if d := reference.Compare(want, got); !(d.NMSE <= cudaNMSE) {
		t.Errorf("NMSE %.3g", d.NMSE)
	}
	p, err := m.Program(models.Step{Tokens: 1})
	if err != nil {
		t.Fatal(err)
	}
	card, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer card.Close()
	processor, err := deltaloom.NewBackend("cpu", 1, deltaloom.FloatActivations)
	if err != nil {
		t.Fatal(err)
	}
	defer processor.Close()
	plan, err := sched.NewPlan(p.Graph, card, processor)
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	layers := m.Config().RecurrentLayers()
	on, there, back := 0, 0, 0
	for _, s := range plan.Steps {
		text := ""
		switch {
		case s.Run == nil:
			from, to := plan.Storages[s.Src.Storage].Space, plan.Storages[s.Dst.Storage].Space
			if from == 1 && to == 0 && s.Dst.Shape.Dim(-1) < m.Config().Vocab {
				there++
			} else if from == 0 && to == 1 && plan.Storages[s.Src.Storage].Kind == sched.ArenaStorage {
				back++
			}
		case s.Run.Backend == "cpu":
			for _, c := range s.Run.Calls {
				on++
				text += c.Node.Op().Name
			}
			if text != "softplus" {
				t.Errorf("the processor computes %s", text)
			}
		}
	}
	if on != layers || there != layers || back != layers {
		t.Errorf("%d layers: %d nodes on the processor, %d copies there and %d back\n%v", layers, on, there, back, plan)
	}
}

// TestLayersOnTheProcessor gives a card less memory than the weights need: the first
// layers are computed beside it, and a token crosses over once.
func TestLayersOnTheProcessor(t *testing.T) {
	for _, name := range tinies {
		tokens := randomTokens(10, 128, 4)
		want := feed(t, synthetic(t, name, "interp"), tokens, 1, 0)
		for _, total := range []int64{512 << 10, 768 << 10} {
			t.Run(fmt.Sprint(name, " ", total>>10, " KiB"), func(t *testing.T) {
				d := simulate(t, cudasim.Options{Memory: total})
				got := feed(t, synthetic(t, name, "cuda"), tokens, 1, 0)
				if d := reference.Compare(want, got); !(d.NMSE <= cudaNMSE) {
					t.Errorf("NMSE %.3g", d.NMSE)
				}
				if d.Stats().Launches == 0 {
					t.Error("the card has computed nothing")
				}
			})
		}
	}
}

// TestGenerateOnCUDA: where the card picks out the likeliest tokens, the sampler picks
// what it picks from all logits.
func TestGenerateOnCUDA(t *testing.T) {
	simulate(t, cudasim.Options{})
	reference, m := synthetic(t, "qwen3.5-moe-tiny", "interp"), synthetic(t, "qwen3.5-moe-tiny", "cuda")
	for _, o := range []sample.Options{{}, {Temperature: 0.9, TopK: 12, Seed: 3}, {Temperature: 1.2, TopK: 30, TopP: 0.8, MinP: 0.05, Seed: 4},
		{Temperature: 1, TopP: 0.9, Seed: 5}, {RepeatPenalty: 1.3}} {
		text := func(m *deltaloom.Model) (tokens []int32) {
			s := session(t, m, deltaloom.SessionOptions{Context: 64})
			defer s.Close()
			for id, err := range begin(t, s).Generate(t.Context(), []int32{1, 2, 3}, deltaloom.GenerateOptions{Sample: o, Max: 8}) {
				if err != nil {
					t.Fatal(err)
				}
				tokens = append(tokens, id)
			}
			return tokens
		}
		if want, got := text(reference), text(m); !slices.Equal(want, got) {
			t.Errorf("%+v: tokens %v, want %v", o, got, want)
		}
	}
}

// TestKernelsAToken counts, for published models in Q4_K, the kernels in the graph of a
// token beside its compute nodes. Attention is three kernels (cache, attention split over
// positions, and what joins the splits), and a product with more than 8,192 inputs is two,
// which the dense 27B has in each layer and Kimi Linear in one; every other node is one.
func TestKernelsAToken(t *testing.T) {
	simulate(t, cudasim.Options{})
	card, err := deltaloom.NewBackend("cuda", 1, deltaloom.FloatActivations)
	if err != nil {
		t.Fatal(err)
	}
	defer card.Close()
	for _, want := range []struct {
		model          string
		nodes, kernels int
	}{
		{"qwen3.5-0.8b", 122, 134},
		{"qwen3.5-27b", 322, 418},
		{"qwen3.5-35b-a3b", 242, 262},
		{"qwen3-next-80b-a3b", 290, 314},
		{"kimi-linear-48b-a3b", 197, 212},
	} {
		c, err := models.ByName(want.model)
		if err != nil {
			t.Fatal(err)
		}
		c.Types = typesOf(c, graph.Q4_K)
		g, err := models.Build(c, models.Step{Cache: graph.F16})
		if err != nil {
			t.Fatal(err)
		}
		g, report, err := fuse.Run(g, fuse.Options{Supports: card.Supports})
		if err != nil {
			t.Fatal(err)
		}
		plan, err := sched.NewPlan(g, card)
		if err != nil {
			t.Fatalf("%s: %v", want.model, err)
		}
		if n := plan.Launches(); report.After.Compute != want.nodes || n != want.kernels {
			t.Errorf("%s: %d compute nodes and %d kernels, want %d and %d", want.model, report.After.Compute, n, want.nodes, want.kernels)
		}
		if err := plan.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestLlamaCppOnCUDA compares the simulated card with llama.cpp: a prompt in one batch,
// and its first tokens one by one. Files of quantised weights have a limit of their own,
// as both sides round activations.
func TestLlamaCppOnCUDA(t *testing.T) {
	const decoded = 20
	for file, limit := range map[string]float64{"q35-tiny-f32-s7": 0, "q35moe-tiny-f32-s7": 0, "q3n-tiny-f32-s7": 0,
		"kimi-tiny-f32-s7": 0, "q35-small-q8_0-s7": 2e-2, "q35moe-quant-q6_K-s7": 2e-2, "q3n-quant-q4_K-s7": 2e-2} {
		t.Run(file, func(t *testing.T) {
			path := goldenPath(t, file+".gguf")
			simulate(t, cudasim.Options{})
			m := open(t, path, deltaloom.Options{Backend: "cuda", Threads: 1})
			ref := golden{file: file}.read(t, "prefill")
			for each, n := range map[int]int{0: len(ref.Tokens), 1: decoded} {
				got := feed(t, m, ref.Tokens[:n], each, 0)
				limit := max(limit, cudaLimit(each))
				if d := reference.Compare(ref.F[:len(got)], got); !(d.NMSE <= limit) {
					t.Errorf("%d tokens, %d at a time: NMSE %.3g, want at most %g", n, each, d.NMSE, limit)
				} else {
					t.Logf("%d tokens, %d at a time: NMSE %.3g", n, each, d.NMSE)
				}
			}
		})
	}
}

// typesOf are those of a file in which all matrices are of a type, or of Q8_0 or F16 where
// their rows are no whole blocks.
func typesOf(c *models.Config, dt graph.DType) map[string]graph.DType {
	c.Types = nil
	types := map[string]graph.DType{}
	for _, w := range c.Weights() {
		if !w.Kind.Quantisable() {
			continue
		}
		for _, t := range []graph.DType{dt, graph.Q8_0, graph.F16} {
			if block, _ := t.Block(); w.Shape.Dim(-1)%block == 0 {
				types[w.Name] = t
				break
			}
		}
	}
	return types
}

// TestAllOfItOnCUDA: a card computes every node of published models with weights of any
// type, one token at a time, some and many.
func TestAllOfItOnCUDA(t *testing.T) {
	simulate(t, cudasim.Options{})
	card, err := deltaloom.NewBackend("cuda", 1, deltaloom.FloatActivations)
	if err != nil {
		t.Fatal(err)
	}
	defer card.Close()
	for _, name := range []string{"qwen3.5-0.8b", "qwen3-next-mini", "kimi-linear-48b-a3b"} {
		c, err := models.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, dt := range quant.Types() {
			c.Types = typesOf(c, dt)
			for _, tokens := range []int{1, 5, 100} {
				g, err := models.Build(c, models.Step{Tokens: tokens, Cache: graph.F16, Last: tokens > 1, Top: 8})
				if err != nil {
					t.Fatal(err)
				}
				if g, _, err = fuse.Run(g, fuse.Options{Supports: card.Supports}); err != nil {
					t.Fatal(err)
				}
				for _, n := range g.Nodes() {
					if n.IsLeaf() || n.Static() {
						continue
					}
					if err := card.Supports(n); err != nil {
						t.Errorf("%s in %v, %d tokens: %s: %v", name, dt, tokens, graph.Label(n), err)
						return
					}
				}
			}
		}
	}
}
