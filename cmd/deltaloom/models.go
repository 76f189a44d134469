package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/deltaloom/deltaloom/models"
)

func modelsCommand(*common) *cobra.Command {
	var out format
	cmd := &cobra.Command{
		Use:   "models",
		Short: "List the built-in shape tables",
		Long: `Lists the shape tables that --model takes, published sizes and tiny ones for tests.
Heads are written as 16/32×128: of keys / of values × channels in delta nets, of
queries / of keys × channels in attention.`,
		Example: "  deltaloom models -o md",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			p, err := modelsPage()
			if err != nil {
				return err
			}
			return out.print(cmd.OutOrStdout(), p)
		},
	}
	out.flag(cmd)
	return cmd
}

type modelJSON struct {
	Name           string `json:"name"`
	Architecture   string `json:"architecture"`
	Parameters     int64  `json:"parameters"`
	Layers         int    `json:"layers"`
	Recurrent      int    `json:"recurrent_layers"`
	Width          int    `json:"width"`
	FFN            int    `json:"ffn"`
	KeyHeads       int    `json:"key_heads"`
	ValueHeads     int    `json:"value_heads"`
	StateSize      int    `json:"state_size"`
	AttentionHeads int    `json:"attention_heads"`
	KVHeads        int    `json:"kv_heads"`  // 0 for attention to a latent
	HeadSize       int    `json:"head_size"` // of such attention, of a value
	Experts        int    `json:"experts"`
	Used           int    `json:"experts_used"`
	Vocab          int    `json:"vocab"`
	Context        int    `json:"context"`
}

func modelsPage() (*page, error) {
	list := []modelJSON{}
	text := &grid{head: []string{"model", "architecture", "parameters", "layers", "delta nets", "width", "k/v heads", "attention", "experts", "vocabulary", "context"}}
	csv := &grid{head: []string{"name", "architecture", "parameters", "layers", "recurrent_layers", "width", "ffn", "key_heads", "value_heads", "state_size",
		"attention_heads", "kv_heads", "head_size", "experts", "experts_used", "vocab", "context"}}
	for _, name := range models.Names() {
		c, err := models.ByName(name)
		if err != nil {
			return nil, err
		}
		d, a := c.DeltaNet, c.Attention
		m := modelJSON{c.Name, c.Arch, c.Parameters(), c.Layers, c.RecurrentLayers(), c.Width, c.FFN, d.KeyHeads, d.ValueHeads, d.StateSize,
			a.Heads, a.KVHeads, a.HeadDim, c.MoE.Experts, c.MoE.Used, c.Vocab, c.Context}
		attention := fmt.Sprintf("%d/%d×%d", a.Heads, a.KVHeads, a.HeadDim)
		if c.MLA.Rank > 0 {
			m.HeadSize = c.MLA.Value
			attention = fmt.Sprintf("%d/latent×%d", a.Heads, c.MLA.Value)
		}
		experts := "·"
		if c.MoE.Experts > 0 {
			experts = fmt.Sprintf("%d of %d", c.MoE.Used, c.MoE.Experts)
		}
		list = append(list, m)
		text.add(m.Name, m.Architecture, right(short(m.Parameters)), m.Layers, m.Recurrent, count(m.Width),
			right(fmt.Sprintf("%d/%d×%d", m.KeyHeads, m.ValueHeads, m.StateSize)),
			right(attention), right(experts), count(m.Vocab), count(m.Context))
		csv.add(m.Name, m.Architecture, m.Parameters, m.Layers, m.Recurrent, m.Width, m.FFN, m.KeyHeads, m.ValueHeads, m.StateSize,
			m.AttentionHeads, m.KVHeads, m.HeadSize, m.Experts, m.Used, m.Vocab, m.Context)
	}
	p := &page{json: list, csv: csv}
	p.show(text)
	return p, nil
}

// short writes a number of parameters as models are named by it.
func short(n int64) string {
	for _, u := range []struct {
		unit string
		n    float64
	}{{"B", 1e9}, {"M", 1e6}, {"k", 1e3}} {
		if float64(n) >= u.n {
			return fmt.Sprintf("%.3g%s", float64(n)/u.n, u.unit)
		}
	}
	return fmt.Sprint(n)
}
