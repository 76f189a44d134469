package models

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// What the Qwen families have in common: delta-net layers and layers of gated
// full attention, each followed by a feed-forward.

// qwenKeys are the keys of all families.
func qwenKeys(c *Config) []key {
	a, d := &c.Attention, &c.DeltaNet
	return append([]key{
		vocabulary(c),
		count("context_length", &c.Context),
		count("embedding_length", &c.Width),
		blockCount(c),
		number("attention.layer_norm_rms_epsilon", &c.Eps),
		count("attention.head_count", &a.Heads),
		count("attention.head_count_kv", &a.KVHeads),
		count("attention.key_length", &a.HeadDim),
		derived("attention.value_length", func() int { return a.HeadDim }, "the key length"),
		optionalNumber("attention.scale", &a.Scale),
		count("rope.dimension_count", &c.Rope.Dims),
		number("rope.freq_base", &c.Rope.Base),
		count("ssm.conv_kernel", &d.Conv),
		count("ssm.state_size", &d.StateSize),
		count("ssm.group_count", &d.KeyHeads),
		count("ssm.time_step_rank", &d.ValueHeads),
		derived("ssm.inner_size", func() int { return d.ValueDim() }, "state size times time step rank"),
	}, layerPattern(c)...)
}

// qwenExpertKeys are the keys of families with experts, whose weights always
// add up to 1.
func qwenExpertKeys(c *Config) []key {
	m := &c.MoE
	return []key{
		count("expert_count", &m.Experts),
		count("expert_used_count", &m.Used),
		count("expert_feed_forward_length", &m.Hidden),
		count("expert_shared_feed_forward_length", &m.Shared),
		optionalNumber("expert_weights_scale", &m.Scale),
		implied(func() { m.Normalise = true }),
	}
}

// qwenCheck checks what all families have.
func qwenCheck(c *Config) *checker {
	k := &checker{arch: c.Arch}
	k.sizes(c)
	k.layers(c)
	k.attention(c.Attention)
	k.rope(c.Rope, c.Attention.HeadDim)
	k.deltaNet(c.DeltaNet)
	return k
}

// qwenWeights lists the weights, with what the family has in a delta-net layer
// to make q, k, v, z, beta and alpha, and in a feed-forward.
func qwenWeights(c *Config, l *weightList, projections, ffn func()) {
	l.add(Embedding, embeddingWeight, c.Vocab, c.Width)
	l.add(NormScale, outputNormWeight, c.Width)
	if !c.Tied {
		l.add(Matrix, outputWeight, c.Vocab, c.Width)
	}
	for i, recurrent := range c.Recurrent {
		l.layer(i)
		l.add(NormScale, "attn_norm.weight", c.Width)
		l.add(NormScale, "post_attention_norm.weight", c.Width)
		if d := c.DeltaNet; recurrent {
			projections()
			l.add(ConvTaps, "ssm_conv1d.weight", d.ConvDim(), d.Conv)
			l.add(StepBias, "ssm_dt.bias", d.ValueHeads)
			l.add(DecayRate, "ssm_a", d.ValueHeads)
			l.add(NormScale, "ssm_norm.weight", d.StateSize)
			l.add(Matrix, "ssm_out.weight", c.Width, d.ValueDim())
		} else {
			l.gatedAttention(c.Width, c.Attention)
		}
		ffn()
	}
}

// qwenMoE lists the experts of a layer.
func (l *weightList) qwenMoE(c *Config) {
	l.moe(c.Width, c.MoE)
	l.add(Router, sharedGate, c.Width)
}

// qwenLogits is the forward pass: [B T vocab].
func qwenLogits(n *net, deltaNet, ffn func(l layer, h graph.Value) graph.Value) graph.Value {
	x := n.embed()
	for i, recurrent := range n.c.Recurrent {
		l := layer{n, i}
		if recurrent {
			x = l.residual("gdn", "attn_norm.weight", x, func(h graph.Value) graph.Value { return deltaNet(l, h) })
		} else {
			x = l.residual("attn", "attn_norm.weight", x, l.gatedAttention)
		}
		x = l.residual("ffn", "post_attention_norm.weight", x, func(h graph.Value) graph.Value { return ffn(l, h) })
	}
	return n.head(x)
}

// qwenInputs is what a delta-net layer makes of h before the convolution.
type qwenInputs struct {
	qkv         graph.Value // [B T channels], all of q, then all of k, then all of v
	z           graph.Value // [B T Hv V]
	beta, alpha graph.Value // [B T Hv], before sigmoid and softplus
}

// qwenDeltaNet is the mixer of a recurrent layer: [B T width]. mode says which q
// and k head a value head reads.
func (l layer) qwenDeltaNet(in qwenInputs, mode ops.RepeatMode) graph.Value {
	d := l.c.DeltaNet

	beta := perHead(ops.Sigmoid(in.beta))                            // [B T Hv 1]
	step := ops.Softplus(ops.Add(in.alpha, l.weight("ssm_dt.bias"))) // [B T Hv]
	g := perHead(ops.Mul(step, l.weight("ssm_a")))                   // [B T Hv 1]
	qkv := l.shortConv(in.qkv, "r", l.weight("ssm_conv1d.weight"))   // [B T channels]
	parts := split(qkv, d.KeyDim(), d.KeyDim(), d.ValueDim())

	q := l2Norm(heads(parts[0], d.StateSize), l.c.Eps)
	k := l2Norm(heads(parts[1], d.StateSize), l.c.Eps)
	v := heads(parts[2], d.StateSize)

	o := l.delta(repeatHeads(q, d.ValueHeads, mode), repeatHeads(k, d.ValueHeads, mode), v, g, beta)
	return l.linear(l.gatedNorm(o, in.z, "ssm_norm.weight", ops.Silu), "ssm_out.weight")
}

// qwenMoE is the feed-forward of a layer with experts.
func (l layer) qwenMoE(x graph.Value) graph.Value {
	return l.moe(x, router{probs: ops.Softmax})
}
