package ggml

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/deltaloom/deltaloom/graph"
)

// Graph is the graph of a text, with what is needed to run it.
type Graph struct {
	g       *graph.Graph
	inputs  []*tensor
	states  []*tensor
	weights []*tensor
	names   map[*tensor]string // of leaves in the graph
	rows    map[*tensor]int    // input of row numbers -> rows it chooses from, -1 for several
}

// Graph returns the graph. Its inputs, states and weights are named as the leaves
// of the text, its outputs as the tensors that nothing in the text reads; a
// second tensor of one name is name#id.
func (g *Graph) Graph() *graph.Graph { return g.g }

// Option changes how a text is read.
type Option func(*reader)

// Continued leaves out the ops that clear the states of a sequence that begins
// (SCALE by 0 in place of a cache), so that the graph goes on from the states it
// is given.
func Continued() Option { return func(r *reader) { r.continued = true } }

// Parse reads a text. Errors name the line and the tensor; an op or a type that
// has no counterpart gives one that wraps errors.ErrUnsupported.
func Parse(in io.Reader, opts ...Option) (*Graph, error) {
	r := &reader{b: graph.NewBuilder(), taken: map[string]*tensor{}, read: map[*tensor]int{}, touched: map[*tensor]int{},
		Graph: &Graph{names: map[*tensor]string{}, rows: map[*tensor]int{}}}
	for _, o := range opts {
		o(r)
	}
	if err := readText(in, r.add); err != nil {
		return nil, err
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	g, err := r.b.Build()
	if err != nil {
		return nil, fmt.Errorf("ggml: %w", err)
	}
	r.g = g
	return r.Graph, nil
}

// reader translates tensors in the order of the text.
type reader struct {
	*Graph
	b         *graph.Builder
	continued bool
	layer     string             // scope of the line, such as blk.3
	taken     map[string]*tensor // names of leaves
	nodes     []*tensor
	read      map[*tensor]int // last line that reads the tensor
	touched   map[*tensor]int // last line that reads some of a base's memory
}

func (r *reader) add(t *tensor) error {
	r.layer = layerOf(t, r.layer)
	defer r.b.Within(r.layer)()
	for _, s := range t.src {
		if s != t {
			r.read[s], r.touched[s.base] = t.line, t.line
		}
	}
	switch {
	case t.empty():
		return nil
	case t.leaf:
		return r.addLeaf(t)
	}
	r.nodes = append(r.nodes, t)
	c := &call{reader: r, t: t}
	c.translate()
	return c.result()
}

// result is the first error, of the call or of the builder.
func (c *call) result() error {
	if c.err == nil && c.b.Err() != nil {
		c.err = cause(c.b.Err())
	}
	return c.err
}

// cause takes the file and line off an error of the builder: they are this
// package's.
func cause(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

func (r *reader) addLeaf(t *tensor) error {
	dt := t.typ.ours
	name := t.name
	if had := r.taken[name]; had == nil {
		r.taken[name] = t
	} else if !isWeight(t) || had.ne != t.ne || had.typ != t.typ {
		name = fmt.Sprintf("%s#%d", name, t.id)
	}
	r.names[t] = name
	var v graph.Value
	switch {
	case dt == graph.Invalid:
		return fmt.Errorf("type %s: %w", t.typ.name, errors.ErrUnsupported)
	case name == "":
		return errors.New("a leaf without a name")
	case isCache(t.name):
		v = r.b.State(name, graph.ShapeOf(dt, t.shape()...))
		r.states = append(r.states, t)
	case isWeight(t):
		v = r.b.Weight(name, graph.ShapeOf(dt, t.shape()...))
		r.weights = append(r.weights, t)
	default:
		v = r.b.Input(name, t.inputShape())
		r.inputs = append(r.inputs, t)
	}
	if err := r.b.Err(); err != nil {
		return cause(err)
	}
	t.mem = newMemory(v, t.shape())
	return nil
}

// finish declares states and outputs.
func (r *reader) finish() error {
	for _, s := range r.states {
		if s.mem.written {
			end := r.b.Within(layerOf(s, ""))
			leaf := r.b.State(r.names[s], graph.ShapeOf(s.typ.ours, s.shape()...))
			r.b.SetState(leaf, reshape(s.mem.value(), s.shape()))
			end()
		}
	}
	names := map[string]bool{}
	for _, t := range r.nodes {
		if !r.isOutput(t) {
			continue
		}
		name := t.name
		if name == "" || names[name] {
			name = fmt.Sprintf("%s#%d", name, t.id)
		}
		names[name] = true
		c := &call{reader: r, t: t}
		v := c.get(t, t.rank())
		if c.result() == nil {
			r.b.Output(name, v)
		}
		if err := c.result(); err != nil {
			return at(t.line, t, err)
		}
	}
	return nil
}

// isOutput reports a tensor that nothing reads. What writes into memory that is
// read afterwards, or that is a state, has done its work there.
func (r *reader) isOutput(t *tensor) bool {
	if r.read[t] > 0 {
		return false
	}
	return viewOps[t.op] || !t.isView() || !t.base.leaf && r.touched[t.base] <= t.line
}

func isCache(name string) bool { return cacheName.MatchString(name) }

var cacheName = regexp.MustCompile(`^cache_[a-z]+_l\d+$`)

// inputNames are the leaves that are no tensors of the file; those of integers
// are inputs whatever their name.
var inputNames = []string{"inp_", "attn_inp_", "out_ids", "rs_"}

func isWeight(t *tensor) bool {
	if t.typ.ours == graph.I32 || isCache(t.name) {
		return false
	}
	for _, p := range inputNames {
		if strings.HasPrefix(t.name, p) {
			return false
		}
	}
	return true
}

var (
	ofBlock = regexp.MustCompile(`^blk\.(\d{1,9})\.`)
	ofCache = regexp.MustCompile(`^cache_[a-z]+_l(\d{1,9})\b`)
	ofNode  = regexp.MustCompile(`^[^ ]+-(\d{1,9})(?: |$)`)
)

// layerOf returns the scope of a tensor: that of the layer in its name, or, for
// names that the text made up, that of the line before.
func layerOf(t *tensor, before string) string {
	for _, re := range []*regexp.Regexp{ofBlock, ofCache, ofNode} {
		if m := re.FindStringSubmatch(t.name); m != nil {
			return "blk." + m[1]
		}
	}
	if t.name == "" || t.name[0] == ' ' || strings.HasPrefix(t.name, "node_") || t.leaf && !isWeight(t) {
		return before
	}
	return ""
}
