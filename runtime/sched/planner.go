package sched

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
)

// planner turns a placed graph into storages and steps. Its fields are filled
// from top to bottom, each from those above.
type planner struct {
	*placed
	sp      *spaces
	sinks   []sink
	loading bool // compute the values of weights alone too, instead of binding them
	views   views
	items   []item
	last    map[replica]int // the last item that reads a replica
	blocks  map[replica]*block
	storage storages
	statics []static
	arena   []*block
	ends    []*block // of the sinks
	moves   []move
}

// sink is a value that is wanted in a storage of its own at the end of a run.
type sink struct {
	name  string
	value graph.Value
	space int
}

// replica is a value in one memory.
type replica struct {
	v     graph.Value
	space int
}

// item is one thing to do: compute a node, or copy a value between memories.
type item struct {
	node     *graph.Node
	value    graph.Value // of a copy
	from, to int         // spaces of a copy
}

// static is a storage whose content depends on weights alone.
type static struct {
	key     string // the fingerprint of its computation
	value   graph.Value
	storage int
}

// computed reports whether a run computes v, as against binding it.
func (p *planner) computed(v graph.Value) bool {
	return !v.Node().IsLeaf() && (p.loading || !v.Node().Static())
}

// resident reports whether v is loaded once, into every memory that reads it.
func (p *planner) resident(v graph.Value) bool {
	op := v.Node().Op()
	return op == graph.WeightOp || op == graph.ConstOp || op != graph.InputOp && op != graph.StateOp && !p.computed(v)
}

// source returns the replica from which a reader in this space gets v, with no
// copy made for it.
func (p *planner) source(v graph.Value, space int) replica {
	switch {
	case p.resident(v):
		return replica{v, space}
	case v.Node().Op() == graph.InputOp:
		return replica{v, host}
	case v.Node().Op() == graph.StateOp:
		return replica{v, p.home(v)}
	}
	return replica{v, p.sp.of[p.at[v.Node().ID()]]}
}

// home is the space of a state.
func (p *planner) home(state graph.Value) int { return p.sp.home(state.Node().Name()) }

func (p *planner) plan() error {
	p.views = freeViews(p.g, p.strided)
	needed := p.needed()
	for _, n := range p.g.Nodes() {
		if needed[n.ID()] && p.at[n.ID()] < 0 {
			return fmt.Errorf("%s: %w", graph.Label(n), p.why[n.ID()])
		}
	}
	p.itemise(p.schedule(needed))
	p.storage = newStorages(p.sp)
	if err := p.assign(); err != nil {
		return err
	}
	p.moves = p.finish()
	for space := range p.sp.device {
		p.storage.list[space].Bytes = pack(p.arena, space)
	}
	return nil
}

func (p *planner) strided(n *graph.Node, operand int) bool {
	if n.IsLeaf() || p.at[n.ID()] < 0 {
		return false
	}
	s, ok := p.sp.backends[p.at[n.ID()]].(StridedBackend)
	return ok && s.Strided(n, operand)
}

// itemise puts copies in front of the runs of nodes that need them and notes
// who reads what last.
func (p *planner) itemise(order []*graph.Node) {
	p.last = map[replica]int{}
	copied := map[replica]bool{}
	for i := 0; i < len(order); {
		j := i
		for ; j < len(order) && p.at[order[j].ID()] == p.at[order[i].ID()]; j++ {
		}
		space := p.sp.of[p.at[order[i].ID()]]
		for _, n := range order[i:j] {
			for k := range n.NumIn() {
				b, _ := p.views.base(n.In(k))
				from, to := p.source(b, space), replica{b, space}
				if from == to || copied[to] {
					continue
				}
				copied[to] = true
				p.last[from] = len(p.items)
				p.items = append(p.items, item{value: b, from: from.space, to: space})
			}
		}
		for _, n := range order[i:j] {
			for k := range n.NumIn() {
				b, _ := p.views.base(n.In(k))
				p.last[replica{b, space}] = len(p.items)
			}
			p.items = append(p.items, item{node: n})
		}
		i = j
	}
	end := len(p.items)
	for _, s := range p.sinks {
		b, _ := p.views.base(s.value)
		p.last[p.source(b, s.space)] = end
	}
	for _, s := range p.g.States() {
		b, _ := p.views.base(s.Next)
		p.last[p.source(b, p.home(s.State))] = end
	}
}

// lastRead returns the last item that reads r, -1 for none.
func (p *planner) lastRead(r replica) int {
	if i, ok := p.last[r]; ok {
		return i
	}
	return -1
}

// arg returns where v is for a reader in this space.
func (p *planner) arg(v graph.Value, space int) Arg {
	b, l := p.views.base(v)
	blk := p.blocks[replica{b, space}]
	a := Arg{Storage: blk.storage, Off: blk.at(), Shape: v.Shape()}
	if l != nil {
		a.Off += v.Shape().DType.Bytes(l.off)
		a.Strides = l.strides
	}
	return a
}
