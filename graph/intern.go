package graph

import (
	"hash/maphash"
	"math/bits"
	"slices"
)

// table finds the node of a builder with a given op, attributes and operands. It
// hashes by open addressing and holds the nodes alone: what a node is made of is
// its key.
type table struct {
	slots []*Node // a power of two of them, no more than half in use
	n     int
}

// seed makes hashes unforeseeable; no order depends on them.
var seed = maphash.MakeSeed()

// kind hashes what does not change when a node is cloned.
func kind(op *Op, a Attrs) uint64 {
	return maphash.Comparable(seed, struct {
		op *Op
		a  Attrs
	}{op, a})
}

// hashOf hashes a key.
func hashOf(kind uint64, in []Value) uint64 {
	h := kind
	for _, v := range in {
		hi, lo := bits.Mul64(h^uint64(v.n.id)<<8^uint64(v.i), 0x9e3779b97f4a7c15)
		h = hi ^ lo
	}
	return h
}

// find returns the node of that key, or nil.
func (t *table) find(hash uint64, op *Op, a Attrs, in []Value) *Node {
	if t.n == 0 {
		return nil
	}
	for i := t.start(hash); t.slots[i] != nil; i = t.after(i) {
		if n := t.slots[i]; n.hash == hash && n.op == op && n.attrs == a && slices.Equal(n.in, in) {
			return n
		}
	}
	return nil
}

// add puts a node in that find has not found.
func (t *table) add(n *Node) {
	if 2*(t.n+1) > len(t.slots) {
		old := t.slots
		t.slots = make([]*Node, max(32, 2*len(old)))
		for _, had := range old {
			if had != nil {
				t.put(had)
			}
		}
	}
	t.put(n)
	t.n++
}

func (t *table) put(n *Node) {
	i := t.start(n.hash)
	for t.slots[i] != nil {
		i = t.after(i)
	}
	t.slots[i] = n
}

func (t *table) start(hash uint64) int { return int(hash & uint64(len(t.slots)-1)) }
func (t *table) after(i int) int       { return (i + 1) & (len(t.slots) - 1) }
