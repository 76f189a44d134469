package models

import (
	"fmt"
	"math"
)

// Checks between values, for files and tables alike. An error names the key,
// its value and what is expected.

// checker collects the first error of an architecture's checks.
type checker struct {
	arch string
	err  error
}

// that records an error about key unless ok.
func (c *checker) that(ok bool, key string, have any, want string, args ...any) {
	if c.err == nil && !ok {
		c.err = wrong(c.arch+"."+key, have, want, args...)
	}
}

// least asks for a value of 1 or more, and not so large that sizes overflow.
func (c *checker) least(key string, v int) {
	c.that(v >= 1 && v <= maxExtent, key, v, "1 to %d", maxExtent)
}

const maxExtent = 1 << 24

func (c *checker) positive(key string, v float32) {
	c.that(v > 0 && !math.IsInf(float64(v), 0), key, v, "a finite number above 0")
}

// multiple asks for v to be a multiple of another key's value.
func (c *checker) multiple(key string, v int, of string, n int) {
	c.that(n > 0 && v%max(n, 1) == 0, key, v, "a multiple of %s.%s = %d", c.arch, of, n)
}

func (c *checker) sizes(cfg *Config) {
	c.least("vocab_size", cfg.Vocab)
	c.least("context_length", cfg.Context)
	c.least("embedding_length", cfg.Width)
	c.positive("attention.layer_norm_rms_epsilon", cfg.Eps)
}

func (c *checker) layers(cfg *Config) {
	c.that(cfg.Layers >= 1 && cfg.Layers <= maxLayers, "block_count", cfg.Layers, "1 to %d layers", maxLayers)
	c.that(len(cfg.Recurrent) == cfg.Layers, "attention.recurrent_layers",
		fmt.Sprintf("%d entries", len(cfg.Recurrent)), "one for each of %d layers", cfg.Layers)
}

func (c *checker) attention(a Attention) {
	c.least("attention.head_count", a.Heads)
	c.least("attention.head_count_kv", a.KVHeads)
	c.least("attention.key_length", a.HeadDim)
	c.multiple("attention.head_count", a.Heads, "attention.head_count_kv", a.KVHeads)
	c.that(a.Scale >= 0 && !math.IsInf(float64(a.Scale), 0), "attention.scale", a.Scale, "a finite number above 0")
}

func (c *checker) rope(r Rope, headDim int) {
	const key = "rope.dimension_count"
	c.that(r.Dims >= 2 && r.Dims%2 == 0, key, r.Dims, "an even number, at least 2")
	c.that(r.Dims <= headDim, key, r.Dims, "at most %s.attention.key_length = %d", c.arch, headDim)
	c.positive("rope.freq_base", r.Base)
}

// sections checks the split of the rotated pairs. The sum is what a pair's
// number is reduced by, so it must not be 0.
func (c *checker) sections(s [4]int) {
	const key = "rope.dimension_sections"
	sum := 0
	for _, n := range s {
		c.that(n >= 0 && n <= maxExtent, key, s, "numbers from 0 to %d", maxExtent)
		sum += n
	}
	c.that(sum > 0, key, s, "at least one number above 0")
}

func (c *checker) deltaNet(d DeltaNet) {
	c.that(d.Conv >= 2 && d.Conv <= 64, "ssm.conv_kernel", d.Conv, "2 to 64 taps")
	c.least("ssm.state_size", d.StateSize)
	c.least("ssm.group_count", d.KeyHeads)
	c.least("ssm.time_step_rank", d.ValueHeads)
	c.multiple("ssm.time_step_rank", d.ValueHeads, "ssm.group_count", d.KeyHeads)
}

func (c *checker) mla(m MLA) {
	c.least("attention.kv_lora_rank", m.Rank)
	c.least("rope.dimension_count", m.Rope)
	c.least("attention.key_length_mla", m.Nope)
	c.least("attention.value_length_mla", m.Value)
	c.that(m.QRank >= 0 && m.QRank <= maxExtent, "attention.q_lora_rank", m.QRank, "0 to %d", maxExtent)
}

func (c *checker) moe(cfg *Config) {
	m := cfg.MoE
	c.least("expert_count", m.Experts)
	c.least("expert_used_count", m.Used)
	c.that(m.Used <= m.Experts, "expert_used_count", m.Used, "at most %s.expert_count = %d", c.arch, m.Experts)
	c.least("expert_feed_forward_length", m.Hidden)
	c.least("expert_shared_feed_forward_length", m.Shared)
	c.that(m.Dense >= 0 && m.Dense <= cfg.Layers, "leading_dense_block_count", m.Dense, "0 to %d layers", cfg.Layers)
	c.that(m.Scale >= 0 && !math.IsInf(float64(m.Scale), 0), "expert_weights_scale", m.Scale, "a finite number above 0")
}
