package models

import (
	"fmt"
	"strings"
	"testing"
)

func TestCounts(t *testing.T) {
	var text strings.Builder
	text.WriteString("# model tokens: nodes, compute nodes, parameters\n")
	for _, name := range Names() {
		c := builtIn(t, name)
		for _, tokens := range []int{1, 512} {
			g := build(t, c, Step{Tokens: tokens})
			if err := g.Verify(); err != nil {
				t.Errorf("%s, %d tokens: %v", name, tokens, err)
			}
			s := g.Stats()
			fmt.Fprintf(&text, "%s %d: %d %d %d\n", name, tokens, s.Nodes, s.Compute, c.Parameters())
		}
	}
	golden(t, "counts.txt", text.String())
}

func TestTinyGraph(t *testing.T) {
	for name, file := range map[string]string{"qwen3.5-tiny": "tiny-decode.txt", "kimi-linear-tiny": "kimi-decode.txt", "qwen3-next-tiny": "qwen3next-decode.txt"} {
		golden(t, file, build(t, builtIn(t, name), Step{}).String())
	}
}

func TestVerifyManySteps(t *testing.T) {
	for _, name := range tinyModels() {
		c := builtIn(t, name)
		for _, s := range []Step{
			{Tokens: 2}, {Tokens: 63}, {Tokens: 64}, {Tokens: 65}, {Tokens: 128},
			{Seqs: 3, Slots: 5}, {Seqs: 2, Tokens: 70, Slots: 2, Context: 300, KV: 80},
		} {
			if err := build(t, c, s).Verify(); err != nil {
				t.Errorf("%s, %+v: %v", name, s, err)
			}
		}
	}
}

func TestBadSteps(t *testing.T) {
	c := builtIn(t, "qwen3.5-tiny")
	for _, s := range []Step{
		{Tokens: -1}, {Seqs: 2, Slots: 1}, {Tokens: 8, KV: 4}, {Context: 8, KV: 16}, {Tokens: 1 << 40},
	} {
		if g, err := Build(c, s); err == nil {
			t.Errorf("%+v: %d nodes, want an error", s, len(g.Nodes()))
		}
	}
}

func TestBadConfig(t *testing.T) {
	c := builtIn(t, "qwen3.5-tiny")
	c.DeltaNet.KeyHeads = 0
	_, err := Build(c, Step{})
	if want := "qwen3.5-tiny: qwen35.ssm.group_count: 0"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
	if c.Weights() != nil {
		t.Error("weights of a model that cannot be")
	}
}

func TestBadFeeds(t *testing.T) {
	s := Step{Seqs: 2, Tokens: 2, Slots: 4, Context: 8}
	good := Sequence{Slot: 1, Start: 6, Tokens: []int32{1, 2}}
	for _, seqs := range [][]Sequence{
		{good},
		{good, good},
		{good, {Slot: 4, Tokens: good.Tokens}},
		{good, {Slot: 0, Start: 7, Tokens: good.Tokens}},
		{good, {Slot: 0, Tokens: good.Tokens[:1]}},
	} {
		if _, err := s.Feeds(seqs...); err == nil {
			t.Errorf("%v: no error", seqs)
		}
	}
}

// The graph of a model of 397 billion parameters is cheap to build.
func BenchmarkBuild(b *testing.B) {
	for _, name := range []string{"qwen3.5-0.8b", "qwen3.5-27b", "qwen3.5-397b-a17b", "kimi-linear-48b-a3b"} {
		for _, tokens := range []int{1, 512} {
			c := builtIn(b, name)
			b.Run(fmt.Sprintf("%s/%d", name, tokens), func(b *testing.B) {
				for b.Loop() {
					build(b, c, Step{Tokens: tokens})
				}
			})
		}
	}
}
