package models

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
)

// Config is the hyper-parameters of a model. Fields that an architecture does
// not use are zero.
type Config struct {
	Name    string  // of the built-in table, or general.name
	Arch    string  // general.architecture
	Vocab   int     // tokens
	Context int     // tokens that the model was trained for
	Layers  int     // without multi-token-prediction blocks
	Width   int     // of the residual stream
	FFN     int     // hidden width of the dense feed-forward
	Tied    bool    // the head is the embedding table
	Eps     float32 // of every norm, L2 included

	Recurrent []bool // by layer: a delta net, else full attention
	Attention Attention
	MLA       MLA
	Rope      Rope
	DeltaNet  DeltaNet
	MoE       MoE

	// Types holds the storage type of each weight by name; a weight that is not
	// in it is f32.
	Types map[string]graph.DType

	// Variants holds the names of weights that take the place of others: older
	// layouts, and matrices that are several in one. See weightList.has.
	Variants map[string]bool

	// Dims holds the extents of each weight that a file stores with more or fewer
	// axes of extent 1 than Weights lists.
	Dims map[string]graph.Ints
}

// Attention describes the full-attention layers.
type Attention struct {
	Heads   int
	KVHeads int     // divides Heads
	HeadDim int     // of queries, keys and values
	Scale   float32 // of the scores; 0 stands for 1/sqrt(HeadDim)
}

// MLA describes attention to a latent of few channels that all heads share, from
// which each makes its own keys and values. It has no rotary embedding.
type MLA struct {
	Rank  int // channels of the latent
	QRank int // channels of the queries' own latent; used by files that have one
	Nope  int // channels of a query that meet the latent
	Rope  int // channels of a query that meet the key beside the latent
	Value int // channels of a head's value
}

// Rope describes the rotary embedding of queries and keys.
type Rope struct {
	Dims     int // rotated channels of a head, the first ones
	Base     float32
	Sections [4]int // of the position streams t, h, w, e; without them t turns all
}

// Stream returns the position stream that turns a pair of channels in the
// interleaved scheme: 0 to 3 for t, h, w, e.
func (r Rope) Stream(pair int) int {
	sum := 0
	for _, n := range r.Sections {
		sum += n
	}
	if sum == 0 {
		return 0
	}
	i := pair % sum
	if s := i % 3; i < 3*r.Sections[s] {
		return s
	}
	return 3
}

// StillPairs returns the pairs that fall to stream e, which is 0 in text, so
// that text does not turn them. Published models have none; a file may.
func (r Rope) StillPairs() []int {
	var still []int
	for pair := range r.Dims / 2 {
		if r.Stream(pair) == 3 {
			still = append(still, pair)
		}
	}
	return still
}

// DeltaNet describes the recurrent layers.
type DeltaNet struct {
	Conv       int // taps of the causal convolution
	KeyHeads   int // of q and k
	ValueHeads int // of v, a multiple of KeyHeads
	StateSize  int // channels of a head: K = V
}

// KeyDim is the width of q, and of k.
func (d DeltaNet) KeyDim() int { return d.KeyHeads * d.StateSize }

// ValueDim is the width of v.
func (d DeltaNet) ValueDim() int { return d.ValueHeads * d.StateSize }

// ConvDim is the width of q, k and v side by side, which the convolution sees.
func (d DeltaNet) ConvDim() int { return 2*d.KeyDim() + d.ValueDim() }

// MoE describes the layers with a mixture of experts.
type MoE struct {
	Experts   int
	Used      int     // experts of a token
	Hidden    int     // hidden width of an expert
	Shared    int     // hidden width of the expert that every token uses
	Dense     int     // leading layers that have a dense feed-forward instead
	Normalise bool    // the weights of a token's experts are made to add up to 1
	Scale     float32 // of those weights; 0 stands for 1
}

// RecurrentLayers counts the delta-net layers.
func (c *Config) RecurrentLayers() int {
	n := 0
	for _, r := range c.Recurrent {
		if r {
			n++
		}
	}
	return n
}

// Parameters counts the elements of all weights.
func (c *Config) Parameters() int64 {
	var n int64
	for _, w := range c.Weights() {
		n += int64(w.Shape.Len())
	}
	return n
}

// everyNth is the usual layer pattern: of n layers each interval-th is full
// attention, the others are recurrent.
func everyNth(n, interval int) []bool {
	recurrent := make([]bool, n)
	for i := range recurrent {
		recurrent[i] = (i+1)%interval != 0
	}
	return recurrent
}

// validate checks a Config from whatever source.
func (c *Config) validate() (*architecture, error) {
	a, err := lookup(c.Arch)
	if err != nil {
		return nil, err
	}
	if err := a.check(c); err != nil {
		return nil, fmt.Errorf("%s: %w", c.label(), err)
	}
	return a, nil
}

func (c *Config) label() string {
	if c.Name == "" {
		return c.Arch
	}
	return c.Name
}
