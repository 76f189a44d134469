package models

import (
	"errors"
	"fmt"
	"slices"

	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/graph"
)

// Kind says what a weight is for, and so how it is stored and filled.
type Kind uint8

const (
	Matrix     Kind = iota // rows of a linear map [out in]; may be stored quantised
	Embedding              // rows by token [vocab width]; may be stored quantised
	NormScale              // the weight of a norm, around 1
	ConvTaps               // taps of the causal convolution [channels taps]
	DecayRate              // ssm_a = -exp(A_log), below 0
	StepBias               // ssm_dt.bias, added before the softplus
	DecayGate              // the matrix of the log decay; may be stored quantised
	Router                 // of the experts, and of the gate of the shared one
	RouterBias             // added to probabilities for the choice of experts
)

// Quantisable reports weights that a file may hold in another type than f32.
func (k Kind) Quantisable() bool { return k == Matrix || k == Embedding || k == DecayGate }

// Weight is one tensor of a model.
type Weight struct {
	Name  string
	Shape graph.Shape // f32, outermost axis first
	Kind  Kind
	Ones  bool // a file may have more or fewer axes of extent 1
}

// Names of the tensors outside the layers.
const (
	embeddingWeight  = "token_embd.weight"
	outputNormWeight = "output_norm.weight"
	outputWeight     = "output.weight"
)

// Weights returns the tensors of the model in the order of a file, as f32.
func (c *Config) Weights() []Weight {
	a, err := c.validate()
	if err != nil {
		return nil
	}
	return a.list(c, func(name string) bool { return c.Variants[name] })
}

// list returns the weights of a model that comes with these variants.
func (a *architecture) list(c *Config, variant func(name string) bool) []Weight {
	l := &weightList{variant: variant}
	a.weights(c, l)
	return l.list
}

// weightList collects weights; names within a layer get its prefix.
type weightList struct {
	list    []Weight
	prefix  string
	variant func(name string) bool
}

func (l *weightList) add(kind Kind, name string, dims ...int) {
	l.list = append(l.list, Weight{Name: l.prefix + name, Shape: graph.ShapeOf(graph.F32, dims...), Kind: kind})
}

// addOnes is add for a weight that files write with any number of axes of
// extent 1; dims is the usual form.
func (l *weightList) addOnes(kind Kind, name string, dims ...int) {
	l.add(kind, name, dims...)
	l.list[len(l.list)-1].Ones = true
}

// has reports that the model comes with this weight, which takes the place of
// others. Where it does not, the others are listed, and missed by name.
func (l *weightList) has(name string) bool { return l.variant(l.prefix + name) }

// part is one of several matrices of one input that a file may hold as one.
type part struct {
	name  string
	width int // of the result
}

// addParts lists the matrices of an input, or the one that has all their rows.
func (l *weightList) addParts(joined string, in int, parts ...part) {
	if l.has(joined) {
		l.add(Matrix, joined, width(parts), in)
		return
	}
	for _, p := range parts {
		l.add(Matrix, p.name, p.width, in)
	}
}

func width(parts []part) int {
	sum := 0
	for _, p := range parts {
		sum += p.width
	}
	return sum
}

func (l *weightList) layer(i int) { l.prefix = layerPrefix(i) }

func layerPrefix(i int) string { return fmt.Sprintf("blk.%d.", i) }

// shape returns the shape of the weight as it is stored.
func (c *Config) shape(w Weight) graph.Shape {
	dt, dims := graph.F32, w.Shape.Dims()
	if t, ok := c.Types[w.Name]; ok {
		dt = t
	}
	if d, ok := c.Dims[w.Name]; ok {
		dims = d.Slice()
	}
	return graph.ShapeOf(dt, dims...)
}

// bind checks the file's tensors against the weights and takes over how they
// are stored.
func (c *Config) bind(a *architecture, f *gguf.File) error {
	c.Types, c.Dims, c.Variants = map[string]graph.DType{}, nil, nil
	weights := a.list(c, func(name string) bool {
		_, ok := f.Tensor(name)
		if ok {
			set(&c.Variants, name, true)
		}
		return ok
	})
	for _, w := range weights {
		t, ok := f.Tensor(w.Name)
		switch {
		case !ok:
			return fmt.Errorf("tensor %q is missing, want %v", w.Name, w.Shape)
		case !w.fits(t.Dims()):
			return fmt.Errorf("tensor %q: %v%v, want %v%v", w.Name, t.Type, t.Dims(), graph.F32, w.Shape.Dims())
		case !t.Shape.Valid():
			return fmt.Errorf("tensor %q: type %v: %w", w.Name, t.Type, errors.ErrUnsupported)
		case !w.Kind.Quantisable() && t.Shape.DType != graph.F32:
			return fmt.Errorf("tensor %q: %v, want %v", w.Name, t.Shape, w.Shape)
		case t.Shape.DType == graph.I32:
			return fmt.Errorf("tensor %q: %v holds no weights", w.Name, t.Shape)
		}
		if t.Shape.DType != graph.F32 {
			c.Types[w.Name] = t.Shape.DType
		}
		if !slices.Equal(t.Dims(), w.Shape.Dims()) {
			set(&c.Dims, w.Name, graph.IntsOf(t.Dims()...))
		}
	}
	return nil
}

// fits reports whether a tensor of these extents can be the weight.
func (w Weight) fits(dims []int) bool {
	want := w.Shape.Dims()
	if w.Ones {
		one := func(d int) bool { return d == 1 }
		dims, want = slices.DeleteFunc(dims, one), slices.DeleteFunc(want, one)
	}
	return slices.Equal(dims, want)
}

// set is m[k] = v where m may be nil yet.
func set[V any](m *map[string]V, k string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[k] = v
}
