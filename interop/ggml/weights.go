package ggml

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
)

// Source gives tensors of a file by name, as models.FileWeights does.
type Source interface {
	Tensor(name string) (graph.Tensor, error)
}

// Weights returns the weights of the graph from a file.
func (g *Graph) Weights(file Source) (map[string]graph.Tensor, error) {
	feeds := map[string]graph.Tensor{}
	from := g.Source(file)
	for _, w := range g.weights {
		t, err := from.Tensor(w.name)
		if err != nil {
			return nil, err
		}
		feeds[g.names[w]] = t
	}
	return feeds, nil
}

// Source returns the tensors of a file in the shapes that the graph has: the
// text does not know of a file's outer extents of 1.
func (g *Graph) Source(file Source) Source { return source{g, file} }

type source struct {
	g    *Graph
	file Source
}

func (s source) Tensor(name string) (graph.Tensor, error) {
	t, err := s.file.Tensor(name)
	if err != nil {
		return t, fmt.Errorf("ggml: %w", err)
	}
	for _, w := range s.g.weights {
		if w.name != name {
			continue
		}
		want := graph.ShapeOf(w.typ.ours, w.shape()...)
		if t.Shape.DType != want.DType || !sameExtents(t.Shape.Dims(), want.Dims()) {
			return t, fmt.Errorf("ggml: line %d: tensor %d %q: the file has %v, the text %v", w.line, w.id, w.name, t.Shape, want)
		}
		t.Shape = want
		break
	}
	return t, nil
}
