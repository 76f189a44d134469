package models

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// Qwen3.5, dense: three delta-net layers to one of gated full attention, each
// followed by a SwiGLU. The files hold value heads in tiled order: value head h
// reads key head h mod KeyHeads.
var _ = register(&architecture{
	name: "qwen35",
	keys: func(c *Config) []key {
		return append(qwenKeys(c), sections("rope.dimension_sections", &c.Rope.Sections), count("feed_forward_length", &c.FFN))
	},
	check: func(c *Config) error {
		k := qwenCheck(c)
		k.sections(c.Rope.Sections)
		k.least("feed_forward_length", c.FFN)
		return k.err
	},
	weights: func(c *Config, l *weightList) {
		qwenWeights(c, l, func() { l.qwen35Projections(c) }, func() { l.swiGLU(c.Width, c.FFN, "") })
	},
	logits: func(n *net) graph.Value { return qwenLogits(n, layer.qwen35DeltaNet, layer.swiGLU) },
	sizes: []Config{
		qwen35Tiny(),
		qwen35Size("qwen3.5-0.8b", 24, 1024, 3584, 8, 2, 16, true),
		qwen35Size("qwen3.5-2b", 24, 2048, 6144, 8, 2, 16, true),
		qwen35Size("qwen3.5-4b", 32, 2560, 9216, 16, 4, 32, true),
		qwen35Size("qwen3.5-9b", 32, 4096, 12288, 16, 4, 32, false),
		qwen35Size("qwen3.5-27b", 64, 5120, 17408, 24, 4, 48, false),
	},
})

// qwen35Size is a published size: what they all share, and what differs.
func qwen35Size(name string, layers, width, ffn, heads, kvHeads, valueHeads int, tied bool) Config {
	return Config{
		Name: name, Vocab: 248320, Context: 262144, Layers: layers, Width: width, FFN: ffn, Tied: tied, Eps: 1e-6,
		Recurrent: everyNth(layers, 4),
		Attention: Attention{Heads: heads, KVHeads: kvHeads, HeadDim: 256},
		Rope:      Rope{Dims: 64, Base: 1e7, Sections: [4]int{11, 11, 10, 0}},
		DeltaNet:  DeltaNet{Conv: 4, KeyHeads: 16, ValueHeads: valueHeads, StateSize: 128},
	}
}

// qwen35Tiny has everything that the real sizes have, more value than key heads
// included, and runs on the slowest backend.
func qwen35Tiny() Config {
	return Config{
		Name: "qwen3.5-tiny", Vocab: 128, Context: 1024, Layers: 4, Width: 48, FFN: 96, Tied: true, Eps: 1e-6,
		Recurrent: everyNth(4, 4),
		Attention: Attention{Heads: 4, KVHeads: 2, HeadDim: 16},
		Rope:      Rope{Dims: 12, Base: 1e7, Sections: [4]int{2, 2, 2, 0}},
		DeltaNet:  DeltaNet{Conv: 4, KeyHeads: 2, ValueHeads: 4, StateSize: 16},
	}
}

// qwen35Projections lists what makes q, k, v, z, beta and alpha, one matrix
// each but for q, k and v.
func (l *weightList) qwen35Projections(c *Config) {
	d := c.DeltaNet
	l.add(Matrix, "attn_qkv.weight", d.ConvDim(), c.Width)
	l.add(Matrix, "attn_gate.weight", d.ValueDim(), c.Width)
	l.add(Matrix, "ssm_beta.weight", d.ValueHeads, c.Width)
	l.add(DecayGate, "ssm_alpha.weight", d.ValueHeads, c.Width)
}

// qwen35DeltaNet is the mixer of a recurrent layer: h [B T width] to [B T width].
func (l layer) qwen35DeltaNet(h graph.Value) graph.Value {
	return l.qwenDeltaNet(qwenInputs{
		qkv:   l.linear(h, "attn_qkv.weight"),
		z:     heads(l.linear(h, "attn_gate.weight"), l.c.DeltaNet.StateSize),
		beta:  l.linear(h, "ssm_beta.weight"),
		alpha: l.linear(h, "ssm_alpha.weight"),
	}, ops.RepeatTiled)
}
