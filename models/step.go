package models

import (
	"fmt"
	"math"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/sample"
)

// Step is the size of one run of a model: B sequences of T tokens each. The
// positions of the tokens, and the slots that hold a sequence's states, are
// inputs, so that one graph serves every step of its size:
//
//	tokens     i32 [B T]    ids
//	positions  i32 [B T 4]  streams t, h, w, e; for text t = h = w = position, e = 0
//	slots      i32 [B]      no slot twice
//	cache_rows i32 [B T]    slot·Context + position
//
// States of layer N, of f32 but for the keys and values, zero for a sequence that
// begins:
//
//	cache_r_lN [Slots taps-1 channels]      convolution of q, k, v: its latest inputs, oldest first
//	cache_s_lN [Slots H V K]                delta net
//	cache_k_lN [Slots Context Hkv channels] attention keys, and cache_v_lN values
//	cache_k_lN [Slots Context 1 channels]   attention to a latent: it, and the key beside it
//
// A step with Top has one input more, draw i32 [B 9] (see ops.PutDraw), the output picked
// i32 [B], and a state of the same name, i32 [Slots]: the token picked last, which the
// next step takes where it is given Picked.
type Step struct {
	Seqs    int  // B; 0 stands for 1
	Tokens  int  // T; 0 stands for 1
	Slots   int  // sequences that the states have room for; 0 stands for Seqs
	Context int  // cached positions a slot; 0 stands for Tokens rounded up to 256
	KV      int  // positions that attention reads, the first ones; 0 stands for Context
	Last    bool // logits of the last token of each sequence alone
	Top     int  // with Last, and instead of logits: a token is picked of the so many likeliest ones, see Picked

	Cache graph.DType // of cached keys and values: F32, for which 0 stands, or F16
}

// Picked stands for the token that the step before has picked for a sequence, in steps
// of one token with Top.
const Picked = -1

func (s Step) withDefaults() (Step, error) {
	given := s
	if s.Seqs == 0 {
		s.Seqs = 1
	}
	if s.Tokens == 0 {
		s.Tokens = 1
	}
	if s.Slots == 0 {
		s.Slots = s.Seqs
	}
	if s.Context == 0 {
		s.Context = (s.Tokens + 255) / 256 * 256
	}
	if s.KV == 0 {
		s.KV = s.Context
	}
	if s.Cache == graph.Invalid {
		s.Cache = graph.F32
	}
	switch {
	case s.Cache != graph.F32 && s.Cache != graph.F16:
		return s, fmt.Errorf("step %+v: a cache of %v, want f32 or f16", given, s.Cache)
	case s.Seqs < 1 || s.Tokens < 1 || s.Slots < 1 || s.Context < 1 || s.KV < 1:
		return s, fmt.Errorf("step %+v: sizes must be positive", given)
	case s.Top < 0 || s.Top > 0 && s.Tokens > 1 && !s.Last:
		return s, fmt.Errorf("step %+v: the %d likeliest tokens are of the last one alone", given, s.Top)
	case s.Slots < s.Seqs:
		return s, fmt.Errorf("step %+v: %d sequences do not fit in %d slots", given, s.Seqs, s.Slots)
	case s.Tokens > s.KV || s.KV > s.Context:
		return s, fmt.Errorf("step %+v: want tokens <= kv <= context, have %d, %d, %d", given, s.Tokens, s.KV, s.Context)
	case max(s.Seqs, s.Tokens, s.Slots, s.Context) > maxExtent:
		return s, fmt.Errorf("step %+v: a size is larger than %d", given, maxExtent)
	case s.Slots > math.MaxInt32/s.Context: // the rows of a cache are numbered in i32
		return s, fmt.Errorf("step %+v: more than %d positions", given, math.MaxInt32)
	}
	return s, nil
}

// Sequence is what one sequence of a batch feeds to a step.
type Sequence struct {
	Slot   int         // where its states are
	Start  int         // position of the first token
	Tokens []int32     // of the step's length
	Draw   sample.Draw // with Top
}

// Feeds returns the inputs of a graph built for this step, for text.
func (s Step) Feeds(seqs ...Sequence) (map[string]graph.Tensor, error) {
	in, err := s.NewInputs()
	if err == nil {
		err = in.Set(seqs...)
	}
	if err != nil {
		return nil, err
	}
	return in.Tensors(), nil
}

// Inputs is memory for the inputs of a step's graph.
type Inputs struct {
	step    Step
	tensors map[string]graph.Tensor

	tokens, positions, slots, rows, draws []int32 // of the tensors
}

// NewInputs returns inputs that are to be set before a run.
func (s Step) NewInputs() (*Inputs, error) {
	s, err := s.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("models: %w", err)
	}
	in := &Inputs{step: s, tensors: map[string]graph.Tensor{}}
	for _, l := range s.inputs() {
		in.tensors[l.name] = graph.NewTensor(l.shape)
	}
	in.tokens, in.positions = in.tensors["tokens"].I, in.tensors["positions"].I
	in.slots, in.rows, in.draws = in.tensors["slots"].I, in.tensors["cache_rows"].I, in.tensors["draw"].I
	return in, nil
}

// Tensors returns the inputs by name; Set changes what is in them.
func (in *Inputs) Tensors() map[string]graph.Tensor { return in.tensors }

// Set makes the inputs those of text. After an error they hold no meaningful
// value.
func (in *Inputs) Set(seqs ...Sequence) error {
	s := in.step
	if len(seqs) != s.Seqs {
		return fmt.Errorf("models: %d sequences for a step of %d", len(seqs), s.Seqs)
	}
	for b, q := range seqs {
		switch {
		case len(q.Tokens) != s.Tokens:
			return fmt.Errorf("models: sequence %d: %d tokens for a step of %d", b, len(q.Tokens), s.Tokens)
		case q.Slot < 0 || q.Slot >= s.Slots || slices.Contains(in.slots[:b], int32(q.Slot)):
			return fmt.Errorf("models: sequence %d: slot %d is taken or not one of %d", b, q.Slot, s.Slots)
		case q.Start < 0 || q.Start+s.Tokens > s.KV:
			return fmt.Errorf("models: sequence %d: positions %d to %d, want 0 to %d", b, q.Start, q.Start+s.Tokens-1, s.KV-1)
		}
		in.slots[b] = int32(q.Slot)
		if s.Top > 0 {
			ops.PutDraw(in.draws[b*ops.DrawWords:], q.Draw)
		}
		for t, id := range q.Tokens {
			i, pos := b*s.Tokens+t, q.Start+t
			in.tokens[i] = id
			in.rows[i] = int32(q.Slot*s.Context + pos)
			for stream := range 3 {
				in.positions[4*i+stream] = int32(pos)
			}
		}
	}
	return nil
}

type input struct {
	name  string
	shape graph.Shape
}

func (s Step) inputs() []input {
	i32 := func(dims ...int) graph.Shape { return graph.ShapeOf(graph.I32, dims...) }
	list := []input{
		{"tokens", i32(s.Seqs, s.Tokens)},
		{"positions", i32(s.Seqs, s.Tokens, 4)},
		{"slots", i32(s.Seqs)},
		{"cache_rows", i32(s.Seqs, s.Tokens)},
	}
	if s.Top > 0 {
		list = append(list, input{"draw", i32(s.Seqs, ops.DrawWords)})
	}
	return list
}
