// Package models builds the graphs of published model families, unfused: each
// is written once, in plain ops, as its formulas read, and knows nothing of
// fusion or backends.
//
// An architecture is one file that registers itself. What it consists of is
// shared: the delta rule (deltanet.go), the layer around it (linear.go), full
// attention (attention.go, mla.go) and the feed-forward (ffn.go, moe.go); what
// the Qwen families have in common is in qwen.go.
//
// B counts sequences, T tokens, H heads, K and V key and value channels of a
// head; shapes are outermost axis first.
package models

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/deltaloom/deltaloom/graph"
)

// architecture is all that the package knows of one general.architecture.
type architecture struct {
	name    string
	keys    func(c *Config) []key          // the metadata below the prefix "name."
	check   func(c *Config) error          // what must hold between the values
	weights func(c *Config, l *weightList) // in the order of a file
	logits  func(n *net) graph.Value       // the forward pass: f32 [B T vocab]
	sizes   []Config                       // built-in shape tables; Arch is filled in
}

var architectures = map[string]*architecture{}

// register adds an architecture and its tables; every architecture's file
// calls it once, from a package variable.
func register(a *architecture) *architecture {
	for i := range a.sizes {
		a.sizes[i].Arch = a.name
	}
	architectures[a.name] = a
	return a
}

func lookup(name string) (*architecture, error) {
	if a := architectures[name]; a != nil {
		return a, nil
	}
	known := slices.Sorted(maps.Keys(architectures))
	return nil, fmt.Errorf("architecture %q: %w (known: %s)", name, errors.ErrUnsupported, strings.Join(known, ", "))
}

// Names returns the names of the built-in shape tables, by architecture and
// there in order of size.
func Names() []string {
	var names []string
	for _, arch := range slices.Sorted(maps.Keys(architectures)) {
		for _, c := range architectures[arch].sizes {
			names = append(names, c.Name)
		}
	}
	return names
}

// ByName returns a copy of the built-in shape table of that name.
func ByName(name string) (*Config, error) {
	for _, a := range architectures {
		for _, c := range a.sizes {
			if c.Name == name {
				c.Recurrent = slices.Clone(c.Recurrent)
				return &c, nil
			}
		}
	}
	return nil, fmt.Errorf("no built-in model %q (known: %s)", name, strings.Join(Names(), ", "))
}

// Build returns the unfused graph of one step of the model. It needs no weights.
//
// Output: logits f32 [B T vocab], or [B 1 vocab] of the last tokens, or with Top the tokens
// that are picked. Inputs: see Step. States: see Step.
func Build(c *Config, s Step) (*graph.Graph, error) {
	a, err := c.validate()
	if err != nil {
		return nil, fmt.Errorf("models: %w", err)
	}
	s, err = s.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("models: %w", err)
	}
	n := newNet(c, s)
	logits := a.logits(n)
	if s.Top == 0 {
		n.Output("logits", logits)
		return n.Build()
	}
	n.pick(logits)
	return n.Build()
}
