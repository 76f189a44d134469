package models

import (
	"errors"
	"fmt"

	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// Kimi Linear: three layers of Kimi delta attention, whose state decays per key
// channel, to one of attention to a latent. Nothing is rotated. The first layers
// are followed by a SwiGLU, the others by experts, chosen by a sigmoid and a bias,
// and one shared expert without a gate.
var _ = register(&architecture{
	name:    "kimi-linear",
	keys:    kimiKeys,
	check:   kimiCheck,
	weights: kimiWeights,
	logits:  kimiLogits,
	sizes:   []Config{kimiTiny(), kimi48B()},
})

func kimi48B() Config {
	recurrent := everyNth(27, 4)
	recurrent[26] = false
	return Config{
		Name: "kimi-linear-48b-a3b", Vocab: 163840, Context: 1048576, Layers: 27, Width: 2304, FFN: 9216, Eps: 1e-5,
		Recurrent: recurrent,
		Attention: Attention{Heads: 32},
		MLA:       MLA{Rank: 512, Nope: 128, Rope: 64, Value: 128},
		DeltaNet:  DeltaNet{Conv: 4, KeyHeads: 32, ValueHeads: 32, StateSize: 128},
		MoE:       MoE{Experts: 256, Used: 8, Hidden: 1024, Shared: 1024, Dense: 1, Normalise: true, Scale: 2.446},
	}
}

// kimiTiny has a width of its own for everything that could be confused.
func kimiTiny() Config {
	return Config{
		Name: "kimi-linear-tiny", Vocab: 128, Context: 1024, Layers: 5, Width: 48, FFN: 112, Eps: 1e-5,
		Recurrent: []bool{true, true, true, false, false},
		Attention: Attention{Heads: 3},
		MLA:       MLA{Rank: 28, Nope: 20, Rope: 8, Value: 12},
		DeltaNet:  DeltaNet{Conv: 4, KeyHeads: 3, ValueHeads: 3, StateSize: 16},
		MoE:       MoE{Experts: 6, Used: 2, Hidden: 32, Shared: 32, Dense: 1, Normalise: true, Scale: 2.446},
	}
}

func kimiKeys(c *Config) []key {
	m, d, e := &c.MLA, &c.DeltaNet, &c.MoE
	return []key{
		vocabulary(c),
		count("context_length", &c.Context),
		count("embedding_length", &c.Width),
		blockCount(c),
		count("feed_forward_length", &c.FFN),
		number("attention.layer_norm_rms_epsilon", &c.Eps),
		count("attention.head_count", &c.Attention.Heads),
		implied(func() { d.KeyHeads, d.ValueHeads = c.Attention.Heads, c.Attention.Heads }),
		kimiPattern(c),
		count("attention.kv_lora_rank", &m.Rank),
		optionalCount("attention.q_lora_rank", &m.QRank),
		count("rope.dimension_count", &m.Rope),
		beyond("attention.key_length_mla", &m.Nope, "rope.dimension_count", func() int { return m.Rope }),
		count("attention.value_length_mla", &m.Value),
		derived("attention.key_length", func() int { return m.Rank + m.Rope }, "latent rank plus rope dimensions"),
		derived("attention.value_length", func() int { return m.Rank }, "the latent rank"),
		count("ssm.conv_kernel", &d.Conv),
		count("kda.head_dim", &d.StateSize),
		optionalCount("leading_dense_block_count", &e.Dense),
		count("expert_count", &e.Experts),
		count("expert_used_count", &e.Used),
		count("expert_feed_forward_length", &e.Hidden),
		sharedExperts(c),
		optionalNumber("expert_weights_scale", &e.Scale),
		yesNo("expert_weights_norm", &e.Normalise),
		sigmoidGate(),
	}
}

// kimiPattern is the number of key heads by layer: 0 marks a delta net.
func kimiPattern(c *Config) key {
	return key{"attention.head_count_kv", func(f *gguf.File, k string) error {
		heads, err := gguf.GetArray[int](f, k)
		switch {
		case err != nil:
			return err
		case len(heads) < c.Layers:
			return wrong(k, fmt.Sprintf("%d entries", len(heads)), "one for each of %d layers", c.Layers)
		}
		c.Recurrent = make([]bool, c.Layers)
		for i := range c.Recurrent {
			c.Recurrent[i] = heads[i] == 0
		}
		return nil
	}, func() any {
		heads := make([]uint32, len(c.Recurrent))
		for i, recurrent := range c.Recurrent {
			if !recurrent {
				heads[i] = 1 // the latent
			}
		}
		return heads
	}}
}

// sharedExperts is the width of the shared expert, in widths of an expert.
func sharedExperts(c *Config) key {
	m := &c.MoE
	return key{"expert_shared_count", func(f *gguf.File, k string) error {
		n, err := gguf.Get[int](f, k)
		if err == nil && (n < 1 || n > maxExtent) {
			err = wrong(k, n, "1 to %d", maxExtent)
		}
		m.Shared = n * m.Hidden
		return err
	}, func() any { return uint32(m.Shared / max(m.Hidden, 1)) }}
}

// sigmoidGate is the function from logits to probabilities, of which this
// architecture has but one here.
func sigmoidGate() key {
	const sigmoid = 2
	return key{"expert_gating_func", func(f *gguf.File, k string) error {
		v, err := gguf.GetOr(f, k, sigmoid)
		if err == nil && v != sigmoid {
			err = fmt.Errorf("%w: %w", wrong(k, v, "%d (sigmoid)", sigmoid), errors.ErrUnsupported)
		}
		return err
	}, func() any { return uint32(sigmoid) }}
}

func kimiCheck(c *Config) error {
	k := &checker{arch: c.Arch}
	k.sizes(c)
	k.layers(c)
	k.least("feed_forward_length", c.FFN)
	k.least("attention.head_count", c.Attention.Heads)
	k.mla(c.MLA)
	k.deltaNet(c.DeltaNet)
	k.moe(c)
	k.that(c.DeltaNet.KeyHeads == c.DeltaNet.ValueHeads, "attention.head_count", c.DeltaNet.KeyHeads, "%d, one for each value head", c.DeltaNet.ValueHeads)
	return k.err
}

func kimiWeights(c *Config, l *weightList) {
	l.add(Embedding, embeddingWeight, c.Vocab, c.Width)
	l.add(NormScale, outputNormWeight, c.Width)
	l.add(Matrix, outputWeight, c.Vocab, c.Width)
	for i, recurrent := range c.Recurrent {
		l.layer(i)
		l.add(NormScale, "attn_norm.weight", c.Width)
		l.add(NormScale, "ffn_norm.weight", c.Width)
		if recurrent {
			l.kimiDeltaAttention(c)
		} else {
			l.latentAttention(c.Width, c.Attention.Heads, c.MLA)
		}
		if i < c.MoE.Dense {
			l.swiGLU(c.Width, c.FFN, "")
		} else {
			l.moe(c.Width, c.MoE)
			l.add(RouterBias, routerBias, c.MoE.Experts)
		}
	}
}

// kimiLogits is the forward pass: [B T vocab].
func kimiLogits(n *net) graph.Value {
	x := n.embed()
	for i, recurrent := range n.c.Recurrent {
		l := layer{n, i}
		if recurrent {
			x = l.residual("kda", "attn_norm.weight", x, l.kimiDeltaAttention)
		} else {
			x = l.residual("mla", "attn_norm.weight", x, l.latentAttention)
		}
		if i < n.c.MoE.Dense {
			x = l.residual("ffn", "ffn_norm.weight", x, l.swiGLU)
		} else {
			x = l.residual("ffn", "ffn_norm.weight", x, l.kimiMoE)
		}
	}
	return n.head(x)
}

const routerBias = "exp_probs_b.bias"

func (l layer) kimiMoE(x graph.Value) graph.Value {
	return l.moe(x, router{probs: ops.Sigmoid, bias: routerBias})
}

// kimiDeltaAttention is the mixer of a recurrent layer: h [B T width] to
// [B T width]. q, k and v are convolved side by side, as one state holds them.
func (l layer) kimiDeltaAttention(h graph.Value) graph.Value {
	d := l.c.DeltaNet
	H, S, inner := d.ValueHeads, d.StateSize, d.ValueDim()

	beta := perHead(ops.Sigmoid(l.linear(h, "ssm_beta.weight"))) // [B T H 1]
	dt := l.linear(l.linear(h, "ssm_f_a.weight"), "ssm_f_b.weight")
	step := ops.Softplus(ops.Add(dt, l.weight("ssm_dt.bias")))               // [B T inner]
	g := ops.Mul(heads(step, S), ops.Reshape(l.weight("ssm_a"), H, 1))       // [B T H K]
	z := heads(l.linear(l.linear(h, "ssm_g_a.weight"), "ssm_g_b.weight"), S) // [B T H V]

	var taps []graph.Value
	for _, name := range kimiTaps {
		taps = append(taps, ops.Reshape(l.weight(name), inner, d.Conv))
	}
	qkv := ops.Concat(-1, l.project(h, joinedQKV, kimiParts(d)...)...) // [B T 3·inner]
	qkv = l.shortConv(qkv, "r", ops.Concat(0, taps...))                // [B T 3·inner]
	parts := split(qkv, inner, inner, inner)

	q, k, v := l2Norm(heads(parts[0], S), l.c.Eps), l2Norm(heads(parts[1], S), l.c.Eps), heads(parts[2], S)
	o := l.delta(q, k, v, g, beta)
	return l.linear(l.gatedNorm(o, z, "ssm_norm.weight", ops.Sigmoid), "attn_output.weight")
}

var kimiTaps = []string{"ssm_conv1d_q.weight", "ssm_conv1d_k.weight", "ssm_conv1d_v.weight"}

// kimiParts are the projections before the convolution.
func kimiParts(d DeltaNet) []part {
	return []part{{"attn_q.weight", d.ValueDim()}, {"attn_k.weight", d.ValueDim()}, {"attn_v.weight", d.ValueDim()}}
}

func (l *weightList) kimiDeltaAttention(c *Config) {
	d := c.DeltaNet
	l.addParts(joinedQKV, c.Width, kimiParts(d)...)
	for _, name := range kimiTaps {
		l.addOnes(ConvTaps, name, d.ValueDim(), 1, d.Conv)
	}
	l.add(Matrix, "ssm_f_a.weight", d.StateSize, c.Width)
	l.add(DecayGate, "ssm_f_b.weight", d.ValueDim(), d.StateSize)
	l.add(StepBias, "ssm_dt.bias", d.ValueDim())
	l.addOnes(DecayRate, "ssm_a", d.ValueHeads, 1)
	l.add(Matrix, "ssm_beta.weight", d.ValueHeads, c.Width)
	l.add(Matrix, "ssm_g_a.weight", d.StateSize, c.Width)
	l.add(Matrix, "ssm_g_b.weight", d.ValueDim(), d.StateSize)
	l.add(NormScale, "ssm_norm.weight", d.StateSize)
	l.add(Matrix, "attn_output.weight", c.Width, d.ValueDim())
}
