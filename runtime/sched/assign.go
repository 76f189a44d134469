package sched

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/deltaloom/deltaloom/graph"
)

// block is memory for one value after another: a place in an arena, or a whole
// storage that is bound at every run.
type block struct {
	storage  int
	off      int64
	bytes    int64
	from, to int     // in an arena: the first and last item that touch it
	writable bool    // an arena's, or that of a state with a next value
	holds    replica // the value in it now
	within   *block  // the block that this one is part of, off bytes from its beginning
}

// used says that an item touches the block.
func (b *block) used(item int) {
	b.to = max(b.to, item)
	if b.within != nil {
		b.within.used(item)
	}
}

// at is where the block begins.
func (b *block) at() int64 {
	if b.within != nil {
		return b.within.at() + b.off
	}
	return b.off
}

// assign gives every value its block. A value goes, in this order of preference,
// where it is wanted at the end, over an operand that dies, or to the arena.
func (p *planner) assign() error {
	p.blocks = map[replica]*block{}
	if err := p.bind(); err != nil {
		return err
	}
	goals := p.goals()
	for i, it := range p.items {
		if it.node == nil {
			p.copied(i)
			continue
		}
		space := p.sp.of[p.at[it.node.ID()]]
		for k := range it.node.NumOut() {
			r := replica{it.node.Out(k), space}
			switch {
			case p.reach(goals[r], i, r):
			case p.takeOver(i, r):
			default:
				p.fresh(i, r)
			}
		}
	}
	return nil
}

// bind makes the blocks of everything that is not computed.
func (p *planner) bind() error {
	written := map[graph.Value]bool{}
	for _, s := range p.g.States() {
		written[s.State] = true
		r := p.source(s.State, host)
		p.last[r] = p.lastRead(r) // a state may be written only
	}
	for _, r := range p.boundReplicas() {
		n := r.v.Node()
		st := Storage{Name: n.Name(), Space: r.space, Shape: r.v.Shape()}
		switch {
		case n.Op() == graph.InputOp:
			st.Kind = InputStorage
		case n.Op() == graph.StateOp:
			st.Kind = StateStorage
		case n.Op() == graph.WeightOp:
			st.Kind = WeightStorage
		case n.Op() == graph.ConstOp:
			st.Kind, st.Name = ConstStorage, strconv.FormatFloat(float64(n.Attrs().(graph.ConstAttrs).Value), 'g', -1, 32)
		default:
			key, err := staticKey(r.v)
			if err != nil {
				return err
			}
			st.Kind, st.Name = StaticStorage, key
		}
		at := p.storage.add(st)
		if st.Kind == StaticStorage {
			p.statics = append(p.statics, static{st.Name, r.v, at})
		}
		p.blocks[r] = &block{storage: at, bytes: st.Bytes, writable: written[r.v], holds: r}
	}
	return nil
}

// boundReplicas lists what is read but not computed, in an order that depends on
// the graph alone.
func (p *planner) boundReplicas() []replica {
	var list []replica
	for r := range p.last {
		if !p.computed(r.v) && r == p.source(r.v, r.space) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b replica) int {
		return cmp.Or(a.v.Node().ID()-b.v.Node().ID(), a.v.Index()-b.v.Index(), a.space-b.space)
	})
	return list
}

// goals maps the values that are wanted in a storage of their own, with all
// their memory, to the blocks of those storages.
func (p *planner) goals() map[replica][]*block {
	goals := map[replica][]*block{}
	want := func(v graph.Value, space int, blk *block) {
		b, l := p.views.base(v)
		if r := p.source(b, space); p.computed(b) && r.space == space && covers(v, b, l) {
			goals[r] = append(goals[r], blk)
		}
	}
	for _, s := range p.g.States() {
		want(s.Next, p.home(s.State), p.blocks[p.source(s.State, host)])
	}
	for _, s := range p.sinks {
		at := p.storage.add(Storage{Kind: OutputStorage, Name: s.name, Space: s.space, Shape: s.value.Shape()})
		blk := &block{storage: at, bytes: s.value.Shape().Bytes()}
		p.ends = append(p.ends, blk)
		want(s.value, s.space, blk)
	}
	return goals
}

// covers reports that v, with layout l in b, is all of b's memory.
func covers(v, b graph.Value, l *layout) bool {
	return l == nil || l.strides == nil && l.off == 0 && v.Shape().Bytes() == b.Shape().Bytes()
}

// reach puts r, which item i computes, into the first goal that is free then.
func (p *planner) reach(goals []*block, i int, r replica) bool {
	for _, blk := range goals {
		free := blk.holds.v.Node() == nil || p.lastRead(blk.holds) < i || p.overwrites(i, r, blk)
		if free {
			p.put(r, blk)
			return true
		}
	}
	return false
}

// takeOver puts r over an operand that item i reads as the last one.
func (p *planner) takeOver(i int, r replica) bool {
	n := r.v.Node()
	for _, a := range n.Op().InPlace {
		if a.Result != r.v.Index() || a.Operand >= n.NumIn() {
			continue
		}
		b, _ := p.views.base(n.In(a.Operand))
		if blk := p.blocks[replica{b, r.space}]; blk.writable && p.overwrites(i, r, blk) {
			p.put(r, blk)
			blk.used(p.lastRead(r))
			return true
		}
	}
	return false
}

// overwrites reports that the op of r may write r over the value that blk holds,
// and that item i is the last one to read it.
func (p *planner) overwrites(i int, r replica, blk *block) bool {
	n := r.v.Node()
	if p.lastRead(blk.holds) != i {
		return false
	}
	for _, a := range n.Op().InPlace {
		if a.Result != r.v.Index() || a.Operand >= n.NumIn() {
			continue
		}
		u := n.In(a.Operand)
		b, l := p.views.base(u)
		if (replica{b, r.space}) == blk.holds && covers(u, b, l) && u.Shape() == r.v.Shape() && p.readsOnce(n, b) {
			return true
		}
	}
	return false
}

// readsOnce reports that only one operand of n lies in b: the op may write over
// one operand while it still reads the others.
func (p *planner) readsOnce(n *graph.Node, b graph.Value) bool {
	count := 0
	for k := range n.NumIn() {
		if u, _ := p.views.base(n.In(k)); u == b {
			count++
		}
	}
	return count == 1
}

func (p *planner) put(r replica, blk *block) {
	blk.holds = r
	p.blocks[r] = blk
}

// fresh gives r a block of the arena from item i on.
func (p *planner) fresh(i int, r replica) {
	blk := &block{storage: r.space, bytes: r.v.Shape().Bytes(), from: i, to: max(i, p.lastRead(r)), writable: true}
	p.put(r, blk)
	p.arena = append(p.arena, blk)
}

// copied gives the copy that item i makes a block. Inputs that are brought to a device
// one after another lie side by side there, so that it can fetch them together.
func (p *planner) copied(i int) {
	it := p.items[i]
	r := replica{it.value, it.to}
	p.fresh(i, r)
	if i == 0 || !p.isInput(it) || !p.isInput(p.items[i-1]) || p.items[i-1].to != it.to {
		return
	}
	blk, before := p.blocks[r], p.blocks[replica{p.items[i-1].value, it.to}]
	p.arena = p.arena[:len(p.arena)-1]
	whole := before.within
	if whole == nil {
		whole = &block{storage: before.storage, bytes: aligned(before.bytes), from: before.from, to: before.to}
		before.within = whole
		p.arena[slices.Index(p.arena, before)] = whole
	}
	blk.within, blk.off = whole, whole.bytes
	whole.bytes += aligned(blk.bytes)
	whole.used(blk.to)
}

// isInput reports a copy of an input of the graph.
func (p *planner) isInput(it item) bool {
	return it.node == nil && it.from == host && it.value.Node().Op() == graph.InputOp
}

// move is a copy at the end of a run, from off bytes into src.
type move struct {
	dst, src *block
	off      int64
	shape    graph.Shape
}

// finish lists the copies after the last node: to outputs first, while the
// states still have their old values, then to states. A state that is read by
// such a copy and written by another one goes through the arena.
func (p *planner) finish() []move {
	var moves, states []move
	for i, s := range p.sinks {
		if m, ok := p.moveTo(p.ends[i], s.value, s.space); ok {
			moves = append(moves, m)
		}
	}
	written := map[*block]bool{}
	for _, s := range p.g.States() {
		home := p.home(s.State)
		if m, ok := p.moveTo(p.blocks[replica{s.State, home}], s.Next, home); ok {
			states = append(states, m)
			written[m.dst] = true
		}
	}
	for i, m := range states {
		if !written[m.src] {
			continue
		}
		end := len(p.items)
		temp := &block{storage: p.storage.list[m.dst.storage].Space, bytes: m.shape.Bytes(), from: end, to: end}
		p.arena = append(p.arena, temp)
		moves = append(moves, move{temp, m.src, m.off, m.shape})
		states[i].src, states[i].off = temp, 0
	}
	return append(moves, states...)
}

// moveTo returns the copy that brings v to a block, false where it is there.
func (p *planner) moveTo(dst *block, v graph.Value, space int) (move, bool) {
	b, l := p.views.base(v)
	m := move{dst: dst, src: p.blocks[p.source(b, space)], shape: v.Shape()}
	if l != nil {
		m.off = v.Shape().DType.Bytes(l.off)
	}
	return m, m.src != dst
}
