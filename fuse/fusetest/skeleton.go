package fusetest

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/deltaloom/deltaloom/graph"
)

// skeleton writes what is left of a graph without its views, its copies and its
// attributes: the compute nodes by op, and a sum over the formulas of the results.
// Graphs that fusion arrives at from two spellings have one skeleton.
func skeleton(g *graph.Graph) string {
	memo := map[graph.Value]uint64{}
	var sum func(v graph.Value) uint64
	sum = func(v graph.Value) uint64 {
		n := v.Node()
		if had, ok := memo[v]; ok {
			return had
		}
		var x uint64
		if n.Op().Back != nil {
			x = sum(n.In(0))
		} else {
			in := make([]uint64, n.NumIn())
			for i := range in {
				in[i] = sum(n.In(i))
			}
			if n.Op().Commutative || n.Op().Contract {
				slices.Sort(in)
			}
			h := fnv.New64a()
			fmt.Fprintln(h, n.Op().Name, n.Name(), v.Index(), in)
			x = h.Sum64()
		}
		memo[v] = x
		return x
	}
	h := fnv.New64a()
	for _, o := range g.Outputs() {
		fmt.Fprintln(h, o.Name, sum(o.Value))
	}
	for _, s := range g.States() {
		fmt.Fprintln(h, s.State.Node().Name(), sum(s.Next))
	}
	count := g.Stats().Ops
	var words []string
	for _, op := range slices.Sorted(maps.Keys(count)) {
		if graph.Lookup(op) == nil || graph.Lookup(op).Back == nil {
			words = append(words, fmt.Sprintf("%d %s", count[op], op))
		}
	}
	return fmt.Sprintf("%s; formulas %x", strings.Join(words, ", "), h.Sum64())
}
