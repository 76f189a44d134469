package models

import "github.com/deltaloom/deltaloom/graph"

// Qwen3.5 with experts: the layers of qwen35, each followed by a mixture of
// experts and one shared expert behind a gate.
var _ = register(&architecture{
	name: "qwen35moe",
	keys: func(c *Config) []key {
		return append(append(qwenKeys(c), sections("rope.dimension_sections", &c.Rope.Sections)), qwenExpertKeys(c)...)
	},
	check: func(c *Config) error {
		k := qwenCheck(c)
		k.sections(c.Rope.Sections)
		k.moe(c)
		return k.err
	},
	weights: func(c *Config, l *weightList) {
		qwenWeights(c, l, func() { l.qwen35Projections(c) }, func() { l.qwenMoE(c) })
	},
	logits: func(n *net) graph.Value { return qwenLogits(n, layer.qwen35DeltaNet, layer.qwenMoE) },
	sizes: []Config{
		qwen35MoETiny(),
		qwen35MoESize("qwen3.5-35b-a3b", 40, 2048, 16, 32, 256, 8, 512),
		qwen35MoESize("qwen3.5-122b-a10b", 48, 3072, 32, 64, 256, 8, 1024),
		qwen35MoESize("qwen3.5-397b-a17b", 60, 4096, 32, 64, 512, 10, 1024),
	},
})

func qwen35MoESize(name string, layers, width, heads, valueHeads, experts, used, hidden int) Config {
	c := qwen35Size(name, layers, width, 0, heads, 2, valueHeads, false)
	c.MoE = MoE{Experts: experts, Used: used, Hidden: hidden, Shared: hidden, Normalise: true}
	return c
}

// qwen35MoETiny differs from the dense tiny model in its head, too.
func qwen35MoETiny() Config {
	c := qwen35Tiny()
	c.Name, c.FFN, c.Tied = "qwen3.5-moe-tiny", 0, false
	c.MoE = MoE{Experts: 6, Used: 2, Hidden: 32, Shared: 40, Normalise: true}
	return c
}
