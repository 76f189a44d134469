package ggml

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
)

// maxFeeds bounds the bytes of inputs and states: a text can claim any extents.
const maxFeeds = 64 << 30

// Tokens returns the number of tokens that the graph evaluates, those of
// inp_tokens: 0 where the text has no such input.
func (g *Graph) Tokens() int {
	for _, t := range g.inputs {
		if t.name == "inp_tokens" {
			return t.len()
		}
	}
	return 0
}

// Feeds returns the inputs for the tokens of one sequence that begins, and its
// states, which are empty.
func (g *Graph) Feeds(tokens []int32) (map[string]graph.Tensor, error) {
	feeds, err := g.FeedsAt(tokens, 0)
	if err != nil {
		return nil, err
	}
	for _, s := range g.states {
		feeds[g.names[s]] = graph.NewTensor(graph.ShapeOf(s.typ.ours, s.shape()...))
	}
	return feeds, nil
}

// FeedsAt returns the inputs alone, for tokens from position start on: what a
// graph that was read with Continued needs beside the states of the step before.
func (g *Graph) FeedsAt(tokens []int32, start int) (map[string]graph.Tensor, error) {
	if n := g.Tokens(); len(tokens) == 0 || n != 0 && n != len(tokens) {
		return nil, fmt.Errorf("ggml: %d tokens for a graph of %d", len(tokens), n)
	}
	if start < 0 || start > math.MaxInt32-len(tokens) {
		return nil, fmt.Errorf("ggml: position %d is out of range", start)
	}
	var bytes int64
	for _, t := range slices.Concat(g.inputs, g.states) {
		if bytes += 4 * int64(t.len()); bytes > maxFeeds {
			return nil, fmt.Errorf("ggml: inputs and states take more than %d bytes", int64(maxFeeds))
		}
	}
	feeds := map[string]graph.Tensor{}
	for _, in := range g.inputs {
		s := sequence{tokens: tokens, start: start, rows: g.rows[in]}
		t := graph.NewTensor(in.inputShape())
		if err := s.fill(in.name, t); err != nil {
			return nil, fmt.Errorf("ggml: line %d: tensor %d %q: input %v for %d tokens from %d: %w", in.line, in.id, in.name, t.Shape, len(tokens), start, err)
		}
		feeds[g.names[in]] = t
	}
	return feeds, nil
}

// inputShape is the shape of an input: masks are f32, whatever the text says,
// since they hold nothing but 0 and -Inf.
func (t *tensor) inputShape() graph.Shape {
	dt := t.typ.ours
	if dt == graph.F16 {
		dt = graph.F32
	}
	return graph.ShapeOf(dt, t.shape()...)
}

// sequence is what inputs are made of: tokens at positions from start. rows is
// how many rows the memory has that an input of row numbers writes to.
type sequence struct {
	tokens      []int32
	start, rows int
}

var errSize = errors.New("has the wrong extents")

func (s sequence) fill(name string, t graph.Tensor) error {
	T, n := len(s.tokens), t.Shape.Len()
	if name == "attn_inp_kq_mask" {
		return s.mask(t)
	}
	if t.I == nil {
		return errors.New("is unknown")
	}
	switch name {
	case "inp_tokens":
		copy(t.I, s.tokens)
	case "inp_pos": // one stream, or t, h, w and e, which is 0
		if n != T && n != 4*T {
			return errSize
		}
		for i := range min(n, 3*T) {
			t.I[i] = int32(s.start + i%T)
		}
	case "rs_s_copy": // all from the one slot
	case "attn_inp_k_idxs":
		if n != T {
			return errSize
		}
		for i := range t.I {
			t.I[i] = int32(s.start + i)
		}
	case "attn_inp_v_idxs":
		return s.transposed(t)
	case "out_ids", "inp_out_ids": // the last ones, where not all are wanted
		if n > T {
			return errSize
		}
		for i := range t.I {
			t.I[i] = int32(T - n + i)
		}
	default:
		return errors.New("is unknown")
	}
	return nil
}

// mask hides the positions after each token: [T kv], with more rows than tokens
// where the text pads them.
func (s sequence) mask(t graph.Tensor) error {
	kv := t.Shape.Dim(-1)
	if t.F == nil || t.Shape.Len()/kv < len(s.tokens) || kv < s.start+len(s.tokens) {
		return errSize
	}
	hidden := float32(math.Inf(-1))
	for i := range t.F {
		if row, at := i/kv, i%kv; row >= len(s.tokens) || at > s.start+row {
			t.F[i] = hidden
		}
	}
	return nil
}

// transposed gives the elements of a cache in which the positions of a channel
// lie one after another: channel c of a token is row c·positions + position.
func (s sequence) transposed(t graph.Tensor) error {
	T, n := len(s.tokens), t.Shape.Len()
	if n%T != 0 {
		return errSize
	}
	channels := n / T
	positions := s.rows / channels
	switch {
	case s.rows < 1:
		return errors.New("writes to no cache, or to caches of several sizes")
	case s.rows%channels != 0 || positions < s.start+T || s.rows > math.MaxInt32:
		return fmt.Errorf("writes to %d rows, which do not hold %d channels", s.rows, channels)
	}
	for i := range t.I {
		t.I[i] = int32(i%channels*positions + s.start + i/channels)
	}
	return nil
}
