package models

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/sample"
)

// session runs steps of a model on the reference evaluator and keeps its states.
type session struct {
	t       testing.TB
	c       *Config
	weights Source
	size    Step // Slots and Context
	opts    []ops.Option
	states  map[string]graph.Tensor
	graphs  map[Step]*graph.Graph
	loaded  map[string]graph.Tensor
}

func newSession(t testing.TB, c *Config, weights Source, slots, context int, opts ...ops.Option) *session {
	return &session{t: t, c: c, weights: weights, size: Step{Slots: slots, Context: context}, opts: opts,
		states: map[string]graph.Tensor{}, graphs: map[Step]*graph.Graph{}, loaded: map[string]graph.Tensor{}}
}

// step runs one batch and returns the logits of each sequence, [T][vocab].
func (s *session) step(seqs ...Sequence) [][][]float32 {
	s.t.Helper()
	logits := s.run(s.size, seqs...)["logits"]
	out := make([][][]float32, len(seqs))
	for b := range out {
		for t := range seqs[b].Tokens {
			i := (b*len(seqs[b].Tokens) + t) * s.c.Vocab
			out[b] = append(out[b], logits.F[i:i+s.c.Vocab])
		}
	}
	return out
}

// run runs one batch in a step of that kind and returns the outputs.
func (s *session) run(size Step, seqs ...Sequence) map[string]graph.Tensor {
	s.t.Helper()
	size.Seqs, size.Tokens = len(seqs), len(seqs[0].Tokens)
	g := s.graphs[size]
	if g == nil {
		g = build(s.t, s.c, size)
		s.graphs[size] = g
	}
	feeds, err := size.Feeds(seqs...)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, n := range g.Nodes() {
		switch name := n.Name(); n.Op() {
		case graph.WeightOp:
			if _, ok := s.loaded[name]; !ok {
				if s.loaded[name], err = s.weights.Tensor(name); err != nil {
					s.t.Fatal(err)
				}
			}
			feeds[name] = s.loaded[name]
		case graph.StateOp:
			if _, ok := s.states[name]; !ok {
				s.states[name] = graph.NewTensor(n.Out(0).Shape())
			}
			feeds[name] = s.states[name]
		}
	}
	results, err := ops.Run(g, feeds, s.opts...)
	if err != nil {
		s.t.Fatal(err)
	}
	maps.Copy(s.states, results.States)
	return results.Outputs
}

// prefill runs one sequence in one batch.
func (s *session) prefill(slot int, tokens []int32) [][]float32 {
	s.t.Helper()
	return s.step(Sequence{Slot: slot, Tokens: tokens})[0]
}

// decode runs one sequence token by token, from a position on.
func (s *session) decode(slot, start int, tokens []int32) [][]float32 {
	s.t.Helper()
	var out [][]float32
	for i := range tokens {
		out = append(out, s.step(Sequence{Slot: slot, Start: start + i, Tokens: tokens[i : i+1]})[0]...)
	}
	return out
}

func randomTokens(n, vocab int, seed uint64) []int32 {
	r := rand.New(rand.NewPCG(seed, 0))
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(r.IntN(vocab))
	}
	return out
}

// nmse is Σ(a-b)²/Σa²; infinite where a number is not one.
func nmse(a, b [][]float32) float64 {
	var diff, sum float64
	for t := range a {
		for i := range a[t] {
			d := float64(a[t][i]) - float64(b[t][i])
			diff += d * d
			sum += float64(a[t][i]) * float64(a[t][i])
		}
	}
	if math.IsNaN(diff) || sum == 0 {
		return math.Inf(1)
	}
	return diff / sum
}

func argmaxSame(a, b [][]float32) int {
	same := 0
	for t := range a {
		if slices.Index(a[t], slices.Max(a[t])) == slices.Index(b[t], slices.Max(b[t])) {
			same++
		}
	}
	return same
}

// F32 everywhere between ops: what is left when two orders of summing meet.
const maxNMSE = 1e-11

func within(t *testing.T, what string, want, got [][]float32) {
	t.Helper()
	if e := nmse(want, got); !(e <= maxNMSE) {
		t.Errorf("%s: NMSE %.3g, want at most %g", what, e, maxNMSE)
	} else {
		t.Logf("%s: NMSE %.2g", what, e)
	}
}

func tinySession(t testing.TB, name string, slots, context int) *session {
	c := builtIn(t, name)
	return newSession(t, c, Synthetic(c, 7), slots, context)
}

// eachTiny runs a test on the tiny model of each architecture.
func eachTiny(t *testing.T, test func(t *testing.T, name string)) {
	for _, name := range tinyModels() {
		t.Run(name, func(t *testing.T) { test(t, name) })
	}
}

// One batch, which takes the chunked form, against the one-token form.
func TestPrefillIsDecode(t *testing.T) {
	eachTiny(t, func(t *testing.T, name string) {
		for _, T := range []int{1, 5, 15, 16, 17, 63, 64, 65, 130} {
			s := tinySession(t, name, 2, T+1)
			tokens := randomTokens(T+1, s.c.Vocab, uint64(T))
			want := s.decode(0, 0, tokens)
			got := s.prefill(1, tokens[:T])
			got = append(got, s.decode(1, T, tokens[T:])...) // the states, too
			within(t, fmt.Sprintf("%d tokens", T), want, got)
		}
	})
}

// The shapes that the published sizes have and the tiny model has not.
func TestOtherShapes(t *testing.T) {
	const q35, moe, q3n, kimi = "qwen3.5-tiny", "qwen3.5-moe-tiny", "qwen3-next-tiny", "kimi-linear-tiny"
	for _, shape := range []struct {
		model, name string
		change      func(c *Config)
	}{
		{q35, "as many key as value heads", func(c *Config) { c.DeltaNet.KeyHeads = 4 }},
		{q35, "three value heads a key", func(c *Config) { c.DeltaNet.ValueHeads = 6 }},
		{q35, "own output matrix", func(c *Config) { c.Tied = false }},
		{q35, "as many kv heads as heads", func(c *Config) { c.Attention.KVHeads = 4 }},
		{q35, "another score scale", func(c *Config) { c.Attention.Scale = 0.1 }},
		{q35, "attention first", func(c *Config) { c.Recurrent = []bool{false, true, true, false} }},
		{q35, "two taps", func(c *Config) { c.DeltaNet.Conv = 2 }},
		{q3n, "as many key as value heads", func(c *Config) { c.DeltaNet.KeyHeads = 6 }},
		{q3n, "tied", func(c *Config) { c.Tied = true }},
		{moe, "one expert of all", func(c *Config) { c.MoE.Used = 1 }},
		{moe, "all experts", func(c *Config) { c.MoE.Used = c.MoE.Experts }},
		{moe, "scaled experts", func(c *Config) { c.MoE.Scale = 0.5 }},
		{kimi, "no dense layer", func(c *Config) { c.MoE.Dense = 0 }},
		{kimi, "dense layers only", func(c *Config) { c.MoE.Dense = c.Layers }},
		{kimi, "weights as they are", func(c *Config) { c.MoE.Normalise, c.MoE.Scale = false, 0 }},
		{kimi, "delta nets only", func(c *Config) { c.Recurrent = []bool{true, true, true, true, true} }},
	} {
		c := builtIn(t, shape.model)
		shape.change(c)
		s := newSession(t, c, Synthetic(c, 7), 2, 70)
		tokens := randomTokens(70, c.Vocab, 5)
		within(t, shape.model+", "+shape.name, s.decode(0, 0, tokens), s.prefill(1, tokens))
	}
}

// Attention may read fewer positions than the cache has, if they are all.
func TestFewerPositionsRead(t *testing.T) {
	eachTiny(t, func(t *testing.T, name string) {
		tokens := randomTokens(20, 128, 6)
		want := tinySession(t, name, 1, 64).prefill(0, tokens)
		s := tinySession(t, name, 1, 64)
		s.size.KV = 20
		within(t, "20 of 64", want, s.prefill(0, tokens))
	})
}

// A sequence does not notice how it is cut, nor who is beside it.
// Cached keys and values of f16 lie half a step of 2^-11 from those of f32 at most.
func TestHalfCache(t *testing.T) {
	eachTiny(t, func(t *testing.T, name string) {
		full, half := tinySession(t, name, 1, 64), tinySession(t, name, 1, 64)
		half.size.Cache = graph.F16
		tokens := randomTokens(24, full.c.Vocab, 4)
		run := func(s *session) [][]float32 {
			return append(s.prefill(0, tokens[:16]), s.decode(0, 16, tokens[16:])...)
		}
		want, got := run(full), run(half)
		if e := nmse(want, got); !(e > 0 && e < 1e-6) {
			t.Errorf("NMSE %.2g", e)
		}
	})
}

func TestBatches(t *testing.T) { eachTiny(t, testBatches) }

func testBatches(t *testing.T, name string) {
	const total = 90
	s := tinySession(t, name, 5, 128)
	a, b := randomTokens(total, s.c.Vocab, 1), randomTokens(total+7, s.c.Vocab, 2)
	wantA, wantB := s.decode(0, 0, a), s.decode(1, 0, b)

	gotB := s.prefill(4, b[:7]) // so that positions differ from now on
	var gotA [][]float32
	for at := 0; at < total; {
		n := min([]int{70, 1, 3, 16}[at%4], total-at)
		out := s.step(Sequence{Slot: 2, Start: at, Tokens: a[at : at+n]}, Sequence{Slot: 4, Start: at + 7, Tokens: b[at+7 : at+7+n]})
		gotA, gotB = append(gotA, out[0]...), append(gotB, out[1]...)
		at += n
	}
	within(t, "first of two", wantA, gotA)
	within(t, "second of two", wantB, gotB)
}

// Slots that are not in a batch keep their states.
func TestOtherSlotsKeepTheirStates(t *testing.T) {
	eachTiny(t, testOtherSlots)
}

func testOtherSlots(t *testing.T, name string) {
	s := tinySession(t, name, 3, 16)
	a, b := randomTokens(6, s.c.Vocab, 1), randomTokens(6, s.c.Vocab, 2)
	want := s.decode(0, 0, a)
	got := s.prefill(1, a[:3])
	s.prefill(2, b)
	within(t, "after another sequence", want, append(got, s.decode(1, 3, a[3:])...))
}

// TestPicked: steps that take each token from the step before give the text that comes of
// picking tokens from logits.
func TestPicked(t *testing.T) { eachTiny(t, testPicked) }

func testPicked(t *testing.T, name string) {
	const slots, context, top, length = 3, 32, 8, 12
	s := tinySession(t, name, slots, context)
	draws := make([]sample.Draw, length)
	random := rand.New(rand.NewPCG(5, 6))
	for i := 1; i < length; i++ { // the first token is the likeliest
		draws[i] = sample.Draw{Random: random.Uint64(), Temperature: 1.5, TopK: top - i%2, TopP: 0.95}
	}
	prompts := [][]int32{{1, 2, 3}, {9, 8, 7}}
	var want [2][]int32
	for slot, prompt := range prompts {
		logits := s.prefill(slot, prompt)
		for i, d := range draws {
			row := logits[len(logits)-1]
			order := graph.NewTensor(graph.ShapeOf(graph.I32, len(row)))
			in := graph.Tensor{Shape: graph.ShapeOf(graph.F32, len(row)), F: row}
			ops.ArgSortOp.Eval([]graph.Tensor{in}, nil, []graph.Tensor{order})
			likeliest := make([]float32, top)
			for j := range likeliest {
				likeliest[j] = row[order.I[j]]
			}
			want[slot] = append(want[slot], order.I[d.Of(likeliest)])
			logits = s.decode(slot, len(prompt)+i, want[slot][i:])
		}
	}
	s = tinySession(t, name, slots, context)
	size := s.size
	size.Top, size.Last = top, true
	next := make([]Sequence, 2)
	for b := range next {
		next[b] = Sequence{Slot: 2 - b, Tokens: prompts[b]}
	}
	var got [2][]int32
	for _, d := range draws {
		for b := range next {
			next[b].Draw = d
		}
		picked := s.run(size, next...)["picked"].I
		for b := range next {
			got[b] = append(got[b], picked[b])
			next[b].Start += len(next[b].Tokens)
			next[b].Tokens = []int32{Picked}
		}
		size.Last = false
	}
	if !slices.Equal(got[0], want[0]) || !slices.Equal(got[1], want[1]) {
		t.Errorf("picked %v, want %v", got, want)
	}
}

// Random weights behave: neither explosion nor decay over many tokens.
func TestSyntheticModelIsStable(t *testing.T) {
	eachTiny(t, testStable)
}

func testStable(t *testing.T, name string) {
	s := tinySession(t, name, 1, 512)
	logits := s.prefill(0, randomTokens(512, s.c.Vocab, 3))
	for t0, row := range logits {
		var sum float64
		for _, v := range row {
			sum += float64(v) * float64(v)
		}
		if rms := math.Sqrt(sum / float64(len(row))); !(rms > 0.3 && rms < 3) {
			t.Fatalf("token %d: logits of RMS %g", t0, rms)
		}
	}
}
