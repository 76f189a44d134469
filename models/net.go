package models

import (
	"fmt"
	"strings"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// net is a forward pass under construction.
type net struct {
	*graph.Builder
	c       *Config
	s       Step
	in      map[string]graph.Value
	weights map[string]graph.Shape // as stored
	picked  graph.Value            // the state, with Top
}

func newNet(c *Config, s Step) *net {
	weights := c.Weights()
	n := &net{Builder: graph.NewBuilder(), c: c, s: s, in: map[string]graph.Value{}, weights: make(map[string]graph.Shape, len(weights))}
	for _, in := range s.inputs() {
		n.in[in.name] = n.Input(in.name, in.shape)
	}
	if s.Top > 0 {
		n.picked = n.State(pickedState, graph.ShapeOf(graph.I32, s.Slots))
	}
	for _, w := range weights {
		n.weights[w.Name] = c.shape(w)
	}
	return n
}

// weight returns the leaf of a weight; its shape stands in the weight list only.
func (n *net) weight(name string) graph.Value {
	s, ok := n.weights[name]
	if !ok {
		n.Fail(fmt.Errorf("weight %q is not in the list of %s", name, n.c.Arch))
		return graph.Value{}
	}
	return n.Weight(name, s)
}

// norm is the RMS norm over the last axis with a weight: x·w/sqrt(mean x² + eps).
func (n *net) norm(x graph.Value, weight string) graph.Value {
	return ops.Mul(ops.RMSNorm(x, n.c.Eps), n.weight(weight))
}

// embed looks up the rows of the tokens: [B T width].
func (n *net) embed() graph.Value {
	defer n.Scope("embed")()
	tokens := n.in["tokens"]
	if n.s.Top > 0 && n.s.Tokens == 1 {
		tokens = ops.Reshape(ops.Recall(ops.Reshape(tokens, n.s.Seqs), n.picked, n.in["slots"]), n.s.Seqs, 1)
	}
	return ops.Rows(n.weight(embeddingWeight), tokens)
}

// head is the last norm and the product with the vocabulary: [B T vocab].
func (n *net) head(x graph.Value) graph.Value {
	if n.s.Last {
		x = ops.Slice(x, 1, n.s.Tokens-1, 1)
	}
	defer n.Scope("output")()
	weight := outputWeight
	if n.c.Tied {
		weight = embeddingWeight
	}
	return ops.Linear(n.norm(x, outputNormWeight), n.weight(weight))
}

// pick picks a token of the likeliest ones, gives it out and keeps it for the next step.
func (n *net) pick(logits graph.Value) {
	defer n.Scope("output")()
	logits = ops.Reshape(logits, n.s.Seqs, n.c.Vocab)
	top := ops.TopK(logits, n.s.Top)
	token := ops.Pick(ops.GatherLast(logits, top), top, n.in["draw"])
	n.Output("picked", token)
	n.SetState(n.picked, ops.ScatterRows(n.picked, n.in["slots"], token))
}

// split cuts the last axis into parts of these widths.
func split(x graph.Value, widths ...int) []graph.Value {
	parts := make([]graph.Value, len(widths))
	start := 0
	for i, w := range widths {
		parts[i] = ops.Slice(x, -1, start, w)
		start += w
	}
	return parts
}

// layer is one layer of a net; its weights are named without the prefix.
type layer struct {
	*net
	i int
}

func (l layer) weight(name string) graph.Value { return l.net.weight(layerPrefix(l.i) + name) }

func (l layer) norm(x graph.Value, weight string) graph.Value {
	return l.net.norm(x, layerPrefix(l.i)+weight)
}

// linear is x [... in] times the rows of the weight [out in]: [... out].
func (l layer) linear(x graph.Value, weight string) graph.Value {
	return ops.Linear(x, l.weight(weight))
}

// has reports that the layer has this weight.
func (l layer) has(weight string) bool {
	_, ok := l.weights[layerPrefix(l.i)+weight]
	return ok
}

// project is x times each of the matrices, which the file may hold as one.
func (l layer) project(x graph.Value, joined string, parts ...part) []graph.Value {
	if l.has(joined) {
		widths := make([]int, len(parts))
		for i, p := range parts {
			widths[i] = p.width
		}
		return split(l.linear(x, joined), widths...)
	}
	out := make([]graph.Value, len(parts))
	for i, p := range parts {
		out[i] = l.linear(x, p.name)
	}
	return out
}

// heads splits the last axis into heads of D channels: [B T H·D] to [B T H D].
func heads(x graph.Value, D int) graph.Value {
	s := x.Shape()
	return ops.Reshape(x, s.Dim(0), s.Dim(1), s.Dim(2)/max(D, 1), D)
}

// flat joins the last two axes: [B T H D] to [B T H·D].
func flat(x graph.Value) graph.Value {
	s := x.Shape()
	return ops.Reshape(x, s.Dim(0), s.Dim(1), s.Dim(2)*s.Dim(3))
}

// cache declares the state kind_lN of a slot's dims.
func (l layer) cache(kind string, t graph.DType, dims ...int) graph.Value {
	return l.State(fmt.Sprintf("cache_%s_l%d", kind, l.i), graph.ShapeOf(t, append([]int{l.s.Slots}, dims...)...))
}

const pickedState = "picked"

// Passing tells whether a state of that name means nothing but to the step that comes
// next: it is no part of what a sequence is.
func Passing(state string) bool { return state == pickedState }

// Positional tells whether the second axis of a state of that name counts the positions
// of a sequence: a cache of attention. The other ones are stepped on as a whole.
func Positional(state string) bool {
	return strings.HasPrefix(state, "cache_k_") || strings.HasPrefix(state, "cache_v_")
}

// load gathers the states of the step's sequences: [B ...].
func (l layer) load(state graph.Value) graph.Value { return ops.Rows(state, l.in["slots"]) }

// store makes next [B ...] the states of the step's sequences.
func (l layer) store(state, next graph.Value) {
	l.SetState(state, ops.ScatterRows(state, l.in["slots"], next))
}

// residual is x + f(norm(x)) for one half of a layer.
func (l layer) residual(part, norm string, x graph.Value, f func(graph.Value) graph.Value) graph.Value {
	defer l.Scope(fmt.Sprintf("blk.%d.%s", l.i, part))()
	return ops.Add(f(l.norm(x, norm)), x)
}
