package models

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// Parts of a layer against loops over numbers in float64.

// runPart evaluates one part of layer i on x [B T width] from empty states.
func runPart(t *testing.T, c *Config, weights Source, i int, x graph.Tensor, part func(l layer, x graph.Value) graph.Value) []float32 {
	t.Helper()
	step, err := Step{Tokens: x.Shape.Dim(1)}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	n := newNet(c, step)
	n.Output("y", part(layer{n, i}, n.Input("x", x.Shape)))
	g, err := n.Build()
	if err != nil {
		t.Fatal(err)
	}
	feeds, err := step.Feeds(Sequence{Tokens: make([]int32, step.Tokens)})
	if err != nil {
		t.Fatal(err)
	}
	feeds["x"] = x
	for _, n := range g.Nodes() {
		switch n.Op() {
		case graph.WeightOp:
			if feeds[n.Name()], err = weights.Tensor(n.Name()); err != nil {
				t.Fatal(err)
			}
		case graph.StateOp:
			feeds[n.Name()] = graph.NewTensor(n.Out(0).Shape())
		}
	}
	r, err := ops.Run(g, feeds)
	if err != nil {
		t.Fatal(err)
	}
	return r.Outputs["y"].F
}

// matrix reads a weight of a layer as rows of float64.
type matrix struct {
	f []float32
	n int // of a row
}

func (m matrix) times(x []float64) []float64 {
	y := make([]float64, len(m.f)/m.n)
	for i := range y {
		for j, v := range x {
			y[i] += float64(m.f[i*m.n+j]) * v
		}
	}
	return y
}

// expert is matrix e of a stack of matrices with so many rows.
func (m matrix) expert(e, rows int) matrix { return matrix{m.f[e*rows*m.n : (e+1)*rows*m.n], m.n} }

func matricesOf(t *testing.T, weights Source, i int) func(name string) matrix {
	return func(name string) matrix {
		t.Helper()
		x, err := weights.Tensor(layerPrefix(i) + name)
		if err != nil {
			t.Fatal(err)
		}
		return matrix{x.F, x.Shape.Dim(-1)}
	}
}

func wide(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// swiGLULoop is down(silu(gate x) · up x).
func swiGLULoop(x []float64, gate, up, down matrix) []float64 {
	a, b := gate.times(x), up.times(x)
	for i := range a {
		a[i] *= sigmoid(a[i]) * b[i]
	}
	return down.times(a)
}

// moeLoop is the mixture of experts for one token.
func moeLoop(m MoE, w func(string) matrix, x []float64, kimi bool) []float64 {
	score := w("ffn_gate_inp.weight").times(x)
	sum := 0.0
	for i, v := range score {
		if kimi {
			score[i] = sigmoid(v)
		} else {
			score[i] = math.Exp(v)
		}
		sum += score[i]
	}
	prob, bias := slices.Clone(score), make([]float64, len(score))
	if kimi {
		bias = wide(w("exp_probs_b.bias").f)
	}
	for i := range prob {
		if !kimi {
			prob[i] /= sum
		}
		score[i] = prob[i] + bias[i]
	}
	var chosen []int
	for range m.Used {
		best := -1
		for e := range score {
			if !slices.Contains(chosen, e) && (best < 0 || score[e] > score[best]) {
				best = e
			}
		}
		chosen = append(chosen, best)
	}
	sum = 0
	for _, e := range chosen {
		sum += prob[e]
	}
	y := swiGLULoop(x, w("ffn_gate_shexp.weight"), w("ffn_up_shexp.weight"), w("ffn_down_shexp.weight"))
	if !kimi {
		g := sigmoid(w("ffn_gate_inp_shexp.weight").times(x)[0])
		for i := range y {
			y[i] *= g
		}
	}
	for _, e := range chosen {
		weight := prob[e]
		if m.Normalise {
			weight /= max(sum, 6.103515625e-5)
		}
		if m.Scale != 0 {
			weight *= float64(m.Scale)
		}
		o := swiGLULoop(x, w("ffn_gate_exps.weight").expert(e, m.Hidden), w("ffn_up_exps.weight").expert(e, m.Hidden), w("ffn_down_exps.weight").expert(e, len(x)))
		for i := range y {
			y[i] += weight * o[i]
		}
	}
	return y
}

func TestMoE(t *testing.T) {
	for _, test := range []struct {
		name, model string
		change      func(m *MoE)
		router      func(e, j int) float32 // nil: random
	}{
		{"softmax", "qwen3.5-moe-tiny", nil, nil},
		{"softmax, one expert", "qwen3-next-tiny", func(m *MoE) { m.Used = 1 }, nil},
		{"softmax, scaled", "qwen3-next-tiny", func(m *MoE) { m.Scale = 3 }, nil},
		{"softmax, ties", "qwen3.5-moe-tiny", nil, func(_, j int) float32 { return 0.1 }},
		{"sigmoid", "kimi-linear-tiny", nil, nil},
		{"sigmoid, weights as they are", "kimi-linear-tiny", func(m *MoE) { m.Normalise, m.Scale = false, 0 }, nil},
		// Probabilities of about 1e-5: of some tokens they add up to less than what
		// they are divided by at least.
		{"sigmoid, all unlikely", "kimi-linear-tiny", nil, func(e, _ int) float32 { return -0.29 - 0.01*float32(e) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := builtIn(t, test.model)
			if test.change != nil {
				test.change(&c.MoE)
			}
			const i, T = 1, 7
			kimi := c.Arch == "kimi-linear"
			weights := replaced{Synthetic(c, 5), map[string]graph.Tensor{}}
			if test.router != nil {
				x := graph.NewTensor(graph.ShapeOf(graph.F32, c.MoE.Experts, c.Width))
				for at := range x.F {
					x.F[at] = test.router(at/c.Width, at%c.Width)
				}
				weights.tensors[layerPrefix(i)+"ffn_gate_inp.weight"] = x
			}
			r := rand.New(rand.NewPCG(6, 6))
			x := graph.NewTensor(graph.ShapeOf(graph.F32, 1, T, c.Width))
			for at := range x.F {
				x.F[at] = float32(r.NormFloat64())
				if test.router != nil {
					x.F[at] = float32(math.Abs(float64(x.F[at])))
				}
			}
			part := layer.qwenMoE
			if kimi {
				part = layer.kimiMoE
			}
			got := runPart(t, c, weights, i, x, part)
			for tok := range T {
				row := x.F[tok*c.Width : (tok+1)*c.Width]
				want := moeLoop(c.MoE, matricesOf(t, weights, i), wide(row), kimi)
				for j, v := range want {
					if have := float64(got[tok*c.Width+j]); math.Abs(have-v) > 1e-5*(1+math.Abs(v)) {
						t.Fatalf("token %d: element %d is %g, want %g", tok, j, have, v)
					}
				}
			}
		})
	}
}

// Attention to a latent, as its definition reads: each head makes its own keys
// and values of it.
func TestLatentAttention(t *testing.T) {
	c := builtIn(t, "kimi-linear-tiny")
	const i, T = 3, 9
	m, H, weights := c.MLA, c.Attention.Heads, Synthetic(c, 5)
	r := rand.New(rand.NewPCG(7, 7))
	x := graph.NewTensor(graph.ShapeOf(graph.F32, 1, T, c.Width))
	for at := range x.F {
		x.F[at] = float32(r.NormFloat64())
	}
	got := runPart(t, c, weights, i, x, layer.latentAttention)

	w := matricesOf(t, weights, i)
	var queries, latents, peers [][]float64
	for tok := range T {
		h := wide(x.F[tok*c.Width : (tok+1)*c.Width])
		queries = append(queries, w("attn_q.weight").times(h))
		kv := w("attn_kv_a_mqa.weight").times(h)
		latent, sum := kv[:m.Rank], 0.0
		for _, v := range latent {
			sum += v * v
		}
		for j, s := range w("attn_kv_a_norm.weight").f {
			latent[j] *= float64(s) / math.Sqrt(sum/float64(m.Rank)+float64(c.Eps))
		}
		latents, peers = append(latents, latent), append(peers, kv[m.Rank:])
	}
	kb, vb := w("attn_k_b.weight"), w("attn_v_b.weight")
	for tok := range T {
		var all []float64
		for n := range H {
			q := queries[tok][n*(m.Nope+m.Rope) : (n+1)*(m.Nope+m.Rope)]
			out, total := make([]float64, m.Value), 0.0
			for past := range tok + 1 {
				score := 0.0
				for j := range m.Nope { // key channel j of the head: a sum over the latent
					for k, v := range latents[past] {
						score += q[j] * v * float64(kb.expert(n, m.Rank).f[k*m.Nope+j])
					}
				}
				for j, v := range peers[past] {
					score += q[m.Nope+j] * v
				}
				e := math.Exp(score / math.Sqrt(float64(m.Nope+m.Rope)))
				total += e
				for j, v := range vb.expert(n, m.Value).times(latents[past]) {
					out[j] += e * v
				}
			}
			for _, v := range out {
				all = append(all, v/total)
			}
		}
		for j, v := range w("attn_output.weight").times(all) {
			if have := float64(got[tok*c.Width+j]); math.Abs(have-v) > 1e-5*(1+math.Abs(v)) {
				t.Fatalf("token %d: element %d is %g, want %g", tok, j, have, v)
			}
		}
	}
}
