package models

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// Qwen3-Next: the layers of qwen35moe but for the order of heads and the rotary
// embedding. Value head h reads key head h div r, r = ValueHeads/KeyHeads.
var _ = register(&architecture{
	name: "qwen3next",
	keys: func(c *Config) []key { return append(qwenKeys(c), qwenExpertKeys(c)...) },
	check: func(c *Config) error {
		k := qwenCheck(c)
		k.moe(c)
		return k.err
	},
	weights: func(c *Config, l *weightList) {
		qwenWeights(c, l, func() { l.qwen3NextProjections(c) }, func() { l.qwenMoE(c) })
	},
	logits: func(n *net) graph.Value { return qwenLogits(n, layer.qwen3NextDeltaNet, layer.qwenMoE) },
	sizes:  []Config{qwen3NextTiny(), qwen3NextMini(), qwen3Next80B()},
})

func qwen3Next80B() Config {
	return Config{
		Name: "qwen3-next-80b-a3b", Vocab: 151936, Context: 262144, Layers: 48, Width: 2048, Eps: 1e-6,
		Recurrent: everyNth(48, 4),
		Attention: Attention{Heads: 16, KVHeads: 2, HeadDim: 256},
		Rope:      Rope{Dims: 64, Base: 1e7},
		DeltaNet:  DeltaNet{Conv: 4, KeyHeads: 16, ValueHeads: 32, StateSize: 128},
		MoE:       MoE{Experts: 512, Used: 10, Hidden: 512, Shared: 512, Normalise: true},
	}
}

// qwen3NextMini has the proportions of the real size, rows that all block formats
// fit, and weights that take some hundred megabytes: for measurements.
func qwen3NextMini() Config {
	return Config{
		Name: "qwen3-next-mini", Vocab: 32000, Context: 32768, Layers: 12, Width: 1024, Eps: 1e-6,
		Recurrent: everyNth(12, 4),
		Attention: Attention{Heads: 8, KVHeads: 2, HeadDim: 128},
		Rope:      Rope{Dims: 32, Base: 1e7},
		DeltaNet:  DeltaNet{Conv: 4, KeyHeads: 8, ValueHeads: 16, StateSize: 128},
		MoE:       MoE{Experts: 64, Used: 8, Hidden: 256, Shared: 256, Normalise: true},
	}
}

// qwen3NextTiny has three value heads to a key head.
func qwen3NextTiny() Config {
	return Config{
		Name: "qwen3-next-tiny", Vocab: 128, Context: 1024, Layers: 4, Width: 48, Eps: 1e-6,
		Recurrent: everyNth(4, 4),
		Attention: Attention{Heads: 4, KVHeads: 2, HeadDim: 20},
		Rope:      Rope{Dims: 12, Base: 1e7},
		DeltaNet:  DeltaNet{Conv: 4, KeyHeads: 2, ValueHeads: 6, StateSize: 16},
		MoE:       MoE{Experts: 6, Used: 2, Hidden: 32, Shared: 40, Normalise: true},
	}
}

// joinedQKVZ holds, for each key head, the rows of its q and k, then of v and z
// of its value heads: how files held attn_qkv and attn_gate at first.
const joinedQKVZ = "ssm_in.weight"

// qwen3NextProjections lists what makes q, k, v and z, and beta and alpha.
func (l *weightList) qwen3NextProjections(c *Config) {
	d := c.DeltaNet
	if l.has(joinedQKVZ) {
		l.add(Matrix, joinedQKVZ, d.ConvDim()+d.ValueDim(), c.Width)
	} else {
		l.add(Matrix, "attn_qkv.weight", d.ConvDim(), c.Width)
		l.add(Matrix, "attn_gate.weight", d.ValueDim(), c.Width)
	}
	l.add(Matrix, "ssm_ba.weight", 2*d.ValueHeads, c.Width)
}

// qwen3NextDeltaNet is the mixer of a recurrent layer: h [B T width] to
// [B T width].
func (l layer) qwen3NextDeltaNet(h graph.Value) graph.Value {
	d := l.c.DeltaNet
	r := d.ValueHeads / max(d.KeyHeads, 1)
	var in qwenInputs
	if l.has(joinedQKVZ) {
		S := d.StateSize
		parts := split(heads(l.linear(h, joinedQKVZ), 2*S+2*r*S), S, S, r*S, r*S) // [B T Hk ...]
		in.qkv = ops.Concat(-1, flat(parts[0]), flat(parts[1]), flat(parts[2]))
		in.z = heads(flat(parts[3]), S)
	} else {
		in.qkv = l.linear(h, "attn_qkv.weight")
		in.z = heads(l.linear(h, "attn_gate.weight"), d.StateSize)
	}
	// For each key head, beta of its value heads and then alpha.
	ba := split(heads(l.linear(h, "ssm_ba.weight"), 2*r), r, r) // [B T Hk r]
	in.beta, in.alpha = flat(ba[0]), flat(ba[1])
	return l.qwenDeltaNet(in, ops.RepeatInterleaved)
}
