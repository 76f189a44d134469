package sched

import (
	"container/heap"

	"github.com/deltaloom/deltaloom/graph"
)

// schedule orders the nodes that compute in a run. It stays on one backend as
// long as it can, then takes the earliest node of the graph; and it puts every
// reader of a state before the node that may overwrite it, where that is
// possible, so that the state is updated in place.
func (p *planner) schedule(needed []bool) []*graph.Node {
	hard := make([]int, p.g.MaxID()) // operands still to be computed
	soft := make([]int, p.g.MaxID()) // readers of a state still to come
	after := make([][]int, p.g.MaxID())
	frees := make([][]int, p.g.MaxID())
	byID := make([]*graph.Node, p.g.MaxID())
	total := 0
	for _, n := range p.g.Nodes() {
		if !needed[n.ID()] {
			continue
		}
		byID[n.ID()] = n
		total++
		for i := range n.NumIn() {
			if b, _ := p.views.base(n.In(i)); p.computed(b) {
				after[b.Node().ID()] = append(after[b.Node().ID()], n.ID())
				hard[n.ID()]++
			}
		}
	}
	for reader, writers := range p.stateReaders(needed) {
		for _, w := range writers {
			frees[reader] = append(frees[reader], w)
			soft[w]++
		}
	}

	ready := make([]ids, len(p.sp.backends))
	held := ids{} // ready but for readers of their state
	release := func(id int) {
		switch {
		case hard[id] > 0:
		case soft[id] > 0:
			heap.Push(&held, id)
		default:
			heap.Push(&ready[p.at[id]], id)
		}
	}
	for id, n := range byID {
		if n != nil {
			release(id)
		}
	}
	order := make([]*graph.Node, 0, total)
	done := make([]bool, p.g.MaxID())
	for current := 0; len(order) < total; {
		if ready[current].Len() == 0 {
			current = earliest(ready)
		}
		var id int
		if current >= 0 {
			id = heap.Pop(&ready[current]).(int)
		} else {
			id = heap.Pop(&held).(int) // a reader needs what the writer gives
			current = p.at[id]
		}
		if done[id] {
			continue // was held, and released since
		}
		done[id] = true
		order = append(order, byID[id])
		for _, next := range after[id] {
			if hard[next]--; hard[next] == 0 {
				release(next)
			}
		}
		for _, w := range frees[id] {
			if soft[w]--; soft[w] == 0 {
				release(w)
			}
		}
	}
	return order
}

// earliest returns the backend with the first ready node, -1 for none.
func earliest(ready []ids) int {
	best := -1
	for i, r := range ready {
		if len(r) > 0 && (best < 0 || r[0] < ready[best][0]) {
			best = i
		}
	}
	return best
}

// needed marks the nodes that compute in a run, by ID.
func (p *planner) needed() []bool {
	needed := make([]bool, p.g.MaxID())
	mark := func(v graph.Value) {
		if b, _ := p.views.base(v); p.computed(b) {
			needed[b.Node().ID()] = true
		}
	}
	for _, s := range p.sinks {
		mark(s.value)
	}
	for _, s := range p.g.States() {
		mark(s.Next)
	}
	nodes := p.g.Nodes()
	for i := len(nodes) - 1; i >= 0; i-- {
		if n := nodes[i]; needed[n.ID()] {
			for j := range n.NumIn() {
				mark(n.In(j))
			}
		}
	}
	return needed
}

// stateReaders maps the nodes that read the old value of a state to those that
// may overwrite it.
func (p *planner) stateReaders(needed []bool) map[int][]int {
	writer := map[graph.Value]int{}
	for _, s := range p.g.States() {
		if w := p.writer(s); w != nil {
			writer[s.State] = w.ID()
		}
	}
	readers := map[int][]int{}
	for _, n := range p.g.Nodes() {
		if !needed[n.ID()] {
			continue
		}
		for i := range n.NumIn() {
			b, _ := p.views.base(n.In(i))
			if w, ok := writer[b]; ok && w != n.ID() {
				readers[n.ID()] = append(readers[n.ID()], w)
			}
		}
	}
	return readers
}

// writer returns the first node that could write over the state on the way to
// its next value: where a chain of in-place ops leads from the one to the other,
// the first of them, otherwise the node that gives the next value; nil where
// that is no node of the run.
func (p *planner) writer(s graph.StateNext) *graph.Node {
	v, _ := p.views.base(s.Next)
	if !p.computed(v) {
		return nil
	}
	if w := p.chain(s.State, v, map[graph.Value]bool{}); w != nil {
		return w
	}
	return v.Node()
}

func (p *planner) chain(state, v graph.Value, seen map[graph.Value]bool) *graph.Node {
	if seen[v] || !p.computed(v) || v.Shape().Bytes() != state.Shape().Bytes() {
		return nil
	}
	seen[v] = true
	for _, a := range v.Node().Op().InPlace {
		if a.Result != v.Index() || a.Operand >= v.Node().NumIn() {
			continue
		}
		u, _ := p.views.base(v.Node().In(a.Operand))
		if u == state {
			return v.Node()
		}
		if w := p.chain(state, u, seen); w != nil {
			return w
		}
	}
	return nil
}

// ids is a heap of node IDs.
type ids []int

func (h ids) Len() int           { return len(h) }
func (h ids) Less(i, j int) bool { return h[i] < h[j] }
func (h ids) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *ids) Push(x any)        { *h = append(*h, x.(int)) }
func (h *ids) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
