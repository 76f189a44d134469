// Package graphviz draws graphs as DOT, the language of the Graphviz tools.
//
// A model has thousands of nodes and a few kinds of layers, so the picture is of
// one layer of each kind, titled with how many there are of it; the values that
// come from other layers and go there are stubs at its border. Nodes that a
// fusion has made are coloured, weights are small and views are grey.
package graphviz

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/deltaloom/deltaloom/graph"
)

// MaxNodes is the largest picture made without being told to: the tools take
// minutes for more, and nobody reads it.
const MaxNodes = 1500

// Options chooses what is drawn. The zero value is one layer of each kind.
type Options struct {
	Title  string
	Layers []int // these layers, by number; nil: the first one of each kind
	All    bool  // the whole graph, however large it is
	// Highlight marks nodes beside the fused ones; it may be nil.
	Highlight func(*graph.Node) bool
}

// Write draws g as DOT. The text depends on nothing but g and o.
func Write(w io.Writer, g *graph.Graph, o Options) error {
	text, err := render(g, o, kinds(g), nil)
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err != nil {
		return fmt.Errorf("graphviz: %w", err)
	}
	return nil
}

// WritePair draws a rewrite into before.dot and after.dot of a directory, which
// it makes if need be: the same layers of both graphs. In the first picture the
// nodes that have no like in the second one are marked, and the other way round.
func WritePair(dir string, before, after *graph.Graph, o Options) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("graphviz: %w", err)
	}
	groups := kinds(before, after)
	title := strings.TrimPrefix(o.Title+": ", ": ")
	for _, p := range []struct {
		name  string
		g     *graph.Graph
		other *graph.Graph
		color string
	}{
		{"before", before, after, colorGone},
		{"after", after, before, colorNew},
	} {
		o.Title = title + p.name + " the rewrite"
		text, err := render(p.g, o, groups, unlike(p.g, p.other, p.color))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, p.name+".dot"), []byte(text), 0o666)
		}
		if err != nil {
			return fmt.Errorf("graphviz: %w", err)
		}
	}
	return nil
}

// unlike colours the compute nodes of g for which the other graph has none of
// the same op, attributes and shapes in the same layer.
func unlike(g, other *graph.Graph, color string) map[*graph.Node]string {
	there := map[string]bool{}
	for _, l := range split(other).layers {
		for _, n := range l.nodes {
			there[l.key+" "+signature(n)] = true
		}
	}
	colors := map[*graph.Node]string{}
	for _, l := range split(g).layers {
		for _, n := range l.nodes {
			if n.IsCompute() && !there[l.key+" "+signature(n)] {
				colors[n] = color
			}
		}
	}
	return colors
}
