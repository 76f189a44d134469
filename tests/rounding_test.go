package tests

import (
	"fmt"
	"testing"

	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/internal/reference"
	"github.com/deltaloom/deltaloom/models"
	"github.com/deltaloom/deltaloom/quant"
)

// roundedConfig is a model of both kinds of layers whose rows are a whole number of
// blocks of any type. It has no experts: which of them are chosen would hang on the
// last bit.
func roundedConfig(t testing.TB, dt graph.DType) *models.Config {
	t.Helper()
	c, err := models.ByName("qwen3.5-0.8b")
	if err != nil {
		t.Fatal(err)
	}
	c.Layers, c.Recurrent = 2, []bool{true, false}
	c.Width, c.FFN, c.Vocab = 256, 256, 256
	c.Attention.Heads, c.Attention.KVHeads = 1, 1
	c.DeltaNet.KeyHeads, c.DeltaNet.ValueHeads = 1, 2
	c.Types = map[string]graph.DType{}
	for _, w := range c.Weights() {
		if w.Kind.Quantisable() {
			c.Types[w.Name] = dt
		}
	}
	return c
}

// packed are the weights of a model in the types of its configuration.
type packed struct {
	c       *models.Config
	weights *models.SyntheticWeights
}

func (p packed) Tensor(name string) (graph.Tensor, error) {
	x, err := p.weights.Tensor(name)
	dt, ok := p.c.Types[name]
	if err != nil || !ok || dt == graph.F32 {
		return x, err
	}
	y := graph.Tensor{Shape: graph.ShapeOf(dt, x.Shape.Dims()...), Raw: make([]byte, dt.Bytes(x.Shape.Len()))}
	return y, quant.Pack(dt, y.Raw, x.F)
}

// TestRounding holds the backend for processors, which rounds activations in its
// kernels, to the reference backend, for every type of weights: to what it computes
// with the same rounding, and to what it computes with that of llama.cpp.
func TestRounding(t *testing.T) {
	for _, dt := range quant.Types() {
		t.Run(dt.String(), func(t *testing.T) {
			c := roundedConfig(t, dt)
			tokens := randomTokens(24, c.Vocab, 5)
			run := func(backend string, a deltaloom.Activations, each int) []float32 {
				m, err := deltaloom.New(c, packed{c, models.Synthetic(c, 7)}, deltaloom.Options{Backend: backend, Activations: a})
				m = opened(t, m, err)
				return feed(t, m, tokens, each, 0)
			}
			ours := map[string][]float32{
				"prompt":     run("cpu", deltaloom.FloatActivations, 0),
				"one by one": run("cpu", deltaloom.FloatActivations, 1),
			}
			for _, ref := range []struct {
				a    deltaloom.Activations
				nmse float64
			}{{deltaloom.CPUActivations, 1e-3}, {deltaloom.GGMLActivations, 2e-2}} {
				want := run("interp", ref.a, 0)
				for mode, got := range ours {
					d := reference.Compare(want, got)
					what := fmt.Sprintf("%s, against activations %s", mode, ref.a)
					t.Logf("%s: NMSE %.3g", what, d.NMSE)
					if !(d.NMSE <= ref.nmse) {
						t.Errorf("%s: NMSE %.3g, want at most %g", what, d.NMSE, ref.nmse)
					}
				}
			}
		})
	}
}
