package models

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
)

// Weights of random numbers that behave like trained ones: activations neither
// explode nor vanish over many layers and tokens, and the delta nets forget at
// rates from a few tokens to hundreds.

// SyntheticWeights makes the weights of a model on demand. A tensor depends on
// the seed and its name alone, so the order of calls does not matter; calls may
// be concurrent.
type SyntheticWeights struct {
	seed    uint64
	weights map[string]Weight
}

// Synthetic returns random weights for the model. They are f32 whatever the
// storage types of c are: a writer packs them.
func Synthetic(c *Config, seed uint64) *SyntheticWeights {
	s := &SyntheticWeights{seed, map[string]Weight{}}
	for _, w := range c.Weights() {
		s.weights[w.Name] = w
	}
	return s
}

// Tensor returns the weight of that name.
func (s *SyntheticWeights) Tensor(name string) (graph.Tensor, error) {
	w, ok := s.weights[name]
	if !ok {
		return graph.Tensor{}, fmt.Errorf("models: no weight %q", name)
	}
	t := graph.NewTensor(w.Shape)
	return t, s.Fill(name, 0, t.F)
}

// SyntheticStretch is how many elements of a tensor are drawn one after another;
// stretches are drawn independently, side by side where that saves time.
const SyntheticStretch = 1 << 16

// Fill writes the elements of a weight from that number on, a multiple of
// SyntheticStretch, to dst.
func (s *SyntheticWeights) Fill(name string, from int, dst []float32) error {
	w, ok := s.weights[name]
	switch {
	case !ok:
		return fmt.Errorf("models: no weight %q", name)
	case from < 0 || from%SyntheticStretch != 0 || len(dst) > w.Shape.Len()-from:
		return fmt.Errorf("models: weight %q: no stretch of %d elements from %d on", name, len(dst), from)
	}
	fill, row := fillers[w.Kind], w.Shape.Dim(-1)
	for stretch := range slices.Chunk(dst, SyntheticStretch) {
		r := s.source(name, from/SyntheticStretch)
		for i := range stretch {
			stretch[i] = float32(fill(r, row))
		}
		from += SyntheticStretch
	}
	return nil
}

// source is the generator of one stretch of a tensor.
func (s *SyntheticWeights) source(name string, stretch int) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(s.seed, h.Sum64()+uint64(stretch)))
}

// fillers draw one number of a weight whose rows are n long.
var fillers = map[Kind]func(r *rand.Rand, n int) float64{
	Matrix:    normal(1),
	Embedding: normal(1),
	// A quarter, so that the log decay of a head varies by tens of per cent and
	// stays near its own rate.
	DecayGate: normal(0.25),
	NormScale: func(r *rand.Rand, _ int) float64 { return 1 + 0.1*r.NormFloat64() },
	ConvTaps:  normal(1),
	Router:    normal(1),
	// Small beside the probabilities, and enough to change choices.
	RouterBias: func(r *rand.Rand, _ int) float64 { return 0.1 * r.NormFloat64() },
	// The log decay of a token is about ssm_a · softplus(dt): with these bounds
	// from -0.0025 to -0.6, so that a token keeps 0.55 to 0.9975 of the state.
	DecayRate: func(r *rand.Rand, _ int) float64 { return -math.Exp(uniform(r, -0.5, 0.5)) },
	StepBias: func(r *rand.Rand, _ int) float64 {
		step := math.Exp(uniform(r, math.Log(0.004), math.Log(0.36)))
		return math.Log(math.Expm1(step)) // the inverse of softplus
	},
}

// normal draws from N(0, k/sqrt(n)): a row of n numbers times a vector of
// unit variance has variance k².
func normal(k float64) func(r *rand.Rand, n int) float64 {
	return func(r *rand.Rand, n int) float64 { return k * r.NormFloat64() / math.Sqrt(float64(n)) }
}

func uniform(r *rand.Rand, lo, hi float64) float64 { return lo + (hi-lo)*r.Float64() }
