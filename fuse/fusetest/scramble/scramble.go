// Package scramble writes a graph in another spelling that computes the same
// values: what another author, or another runtime, could have written.
//
// It is the adversary of the canonical passes, so it shares nothing with them: it
// imports graph and ops, never fuse, and a test holds that.
package scramble

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// Kind is one way to spell something differently.
type Kind struct {
	Family string // what is varied, such as "norm spellings"
	Name   string // how, such as "l2_norm as rms_norm and scale"
	// node writes node n of the sweep's graph, whose operands are in by now, in
	// another way. It returns nil to leave the node as it is.
	node func(s *sweep, n *graph.Node, in []graph.Value) []graph.Value
	// visit gives the order in which the nodes are written; nil for theirs.
	visit func(s *sweep) []*graph.Node
	last  bool // comes after the other kinds
}

func (k Kind) String() string { return k.Family + ": " + k.Name }

// The families, in the words of what a fusion rule has to see through.
const (
	Commute    = "commute"
	Permutes   = "inverse permutes"
	Reshapes   = "reshape split and merge"
	Transposed = "transposed state"
	Contract   = "mul+sum against matmul"
	Signs      = "sub against add of neg"
	Repeats    = "repeat against broadcast"
	Norms      = "norm spellings"
	Copies     = "copies"
	Scales     = "scale against mul by constant"
	Order      = "reordered construction"
)

var kinds []Kind

func add(family, name string, node func(s *sweep, n *graph.Node, in []graph.Value) []graph.Value) {
	kinds = append(kinds, Kind{Family: family, Name: name, node: node})
}

// Kinds returns all of them, by family and name.
func Kinds() []Kind {
	all := slices.Clone(kinds)
	slices.SortFunc(all, func(a, b Kind) int {
		switch {
		case a.String() < b.String():
			return -1
		case a.String() > b.String():
			return 1
		}
		return 0
	})
	return all
}

// MinFamilies is the number of families that Graph aims at.
const MinFamilies = 5

// Step is one pass over a graph: a kind at this share of the places where it
// can do something.
type Step struct {
	Kind Kind
	Seed uint64
	Rate float64
}

func (s Step) String() string { return fmt.Sprintf("%v (%g)", s.Kind, s.Rate) }

// Graph respells g by kinds of at least MinFamilies families, where g has so many
// things to spell, and returns the steps that really changed something. Equal
// seeds give equal graphs.
func Graph(g *graph.Graph, seed uint64, use []Kind) (*graph.Graph, []Step, error) {
	r := rand.New(rand.NewPCG(seed, 0x5c7a3b1e))
	todo := slices.Clone(use)
	r.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
	want := MinFamilies + r.IntN(MinFamilies)
	families := map[string]bool{}
	done := map[string]bool{}
	var did []Step
	pass := func(last bool, rates ...float64) error {
		for _, k := range todo {
			if k.last != last || done[k.String()] || !last && len(families) >= want {
				continue
			}
			step := Step{k, r.Uint64(), rates[r.IntN(len(rates))]}
			if len(g.Nodes()) > 150 {
				step.Rate = min(step.Rate, 0.2)
			}
			ng, err := Apply(g, step)
			if err != nil {
				return err
			}
			if ng.Fingerprint() != g.Fingerprint() {
				g, did = ng, append(did, step)
				families[k.Family], done[k.String()] = true, true
			}
		}
		return nil
	}
	err := pass(false, 0.2, 0.5, 1)
	if err == nil && len(families) < MinFamilies {
		err = pass(false, 1)
	}
	if err == nil && r.IntN(2) == 0 {
		err = pass(true, 0.2, 0.5, 1)
	}
	return g, did, err
}

// Families returns the families of steps, sorted.
func Families(steps []Step) []string {
	var all []string
	for _, s := range steps {
		all = append(all, s.Kind.Family)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Apply respells g step by step.
func Apply(g *graph.Graph, steps ...Step) (*graph.Graph, error) {
	for _, st := range steps {
		s := newSweep(g, st.Seed)
		s.rate = st.Rate
		nodes := g.Nodes()
		if st.Kind.visit != nil {
			nodes = st.Kind.visit(s)
		}
		for _, n := range nodes {
			s.write(n, st.Kind)
		}
		ng, err := s.build(nil)
		if err != nil {
			return nil, fmt.Errorf("scramble: %v: %w", st, err)
		}
		g = ng
	}
	return g, nil
}

// sweep writes one graph by one kind.
type sweep struct {
	from *graph.Graph
	b    *graph.Builder
	r    *rand.Rand
	rate float64
	memo map[graph.Value]graph.Value
	leaf map[graph.Value]graph.Value // leaves as they are, whatever stands for them
	// For layouts: views that undo each other are left out, so that whole chains
	// of ops are computed in the other layout.
	cancel bool
	whole  bool          // nothing is reshaped yet
	perm   map[int][]int // the sweep's favourite order of axes, by rank
}

func newSweep(g *graph.Graph, seed uint64) *sweep {
	s := &sweep{from: g, b: graph.NewBuilder(), r: rand.New(rand.NewPCG(seed, 1)),
		memo: map[graph.Value]graph.Value{}, leaf: map[graph.Value]graph.Value{}, perm: map[int][]int{}}
	s.cancel = s.r.IntN(2) == 0
	s.whole = !slices.ContainsFunc(g.Nodes(), func(n *graph.Node) bool { return n.Op() == ops.ReshapeOp })
	return s
}

// build returns the graph of what has been written; last, if any, computes on
// from an output.
func (s *sweep) build(last func(v graph.Value, name string) graph.Value) (*graph.Graph, error) {
	for _, st := range s.from.States() {
		s.b.SetState(s.leaf[st.State], s.value(st.Next))
	}
	for _, o := range s.from.Outputs() {
		v := s.value(o.Value)
		if last != nil && isF32(v) && v.Shape().Rank() > 0 {
			v = last(v, o.Name)
		}
		s.b.Output(o.Name, v)
	}
	return s.b.Build()
}

// value returns what stands for v of the old graph.
func (s *sweep) value(v graph.Value) graph.Value { return s.memo[v] }

// hit decides whether to change one place.
func (s *sweep) hit() bool { return s.r.Float64() < s.rate }

func (s *sweep) write(n *graph.Node, k Kind) {
	defer s.b.Within(n.Scope())()
	in := make([]graph.Value, n.NumIn())
	for i := range in {
		in[i] = s.value(n.In(i))
	}
	var out []graph.Value
	if k.node != nil {
		if n.IsLeaf() {
			s.leaf[n.Out(0)] = s.b.Clone(n).Out(0)
		}
		out = k.node(s, n, in)
	}
	if out == nil {
		same := s.b.Clone(n, in...)
		for i := range n.NumOut() {
			out = append(out, same.Out(i))
		}
	}
	for i, v := range out {
		if n.IsLeaf() && s.leaf[n.Out(i)] == (graph.Value{}) {
			s.leaf[n.Out(i)] = v
		}
		s.memo[n.Out(i)] = v
	}
}

// clone writes the node as it is and returns its results.
func (s *sweep) clone(n *graph.Node, in []graph.Value) []graph.Value {
	same := s.b.Clone(n, in...)
	out := make([]graph.Value, n.NumOut())
	for i := range out {
		out[i] = same.Out(i)
	}
	return out
}

// apply writes op with attributes a on operands and returns its one result.
func (s *sweep) apply(op *graph.Op, a graph.Attrs, in ...graph.Value) []graph.Value {
	return []graph.Value{s.b.Apply(op, a, in...).Out(0)}
}

// isF32 reports that every value is f32.
func isF32(vs ...graph.Value) bool {
	for _, v := range vs {
		if v.Shape().DType != graph.F32 {
			return false
		}
	}
	return true
}
