package tokenizer

import "slices"

// merges says which neighbours become one token, and which go first.
type merges struct {
	bytes  [256]int32       // the token of each byte
	ranks  map[uint64]int32 // by pair
	joined []int32          // the token that a pair of that rank becomes
}

func pair(left, right int32) uint64 { return uint64(left)<<32 | uint64(right) }

const noRank = -1

// rank returns how early a pair merges, or noRank.
func (m *merges) rank(left, right int32) int32 {
	if r, ok := m.ranks[pair(left, right)]; ok {
		return r
	}
	return noRank
}

// longest is how many bytes of a piece are merged at once: positions are 32 bits
// wide. Longer pieces, which no text has that fits a model, are cut.
const longest = 1 << 30

// merger merges pieces one after another. The zero value of its other fields is
// ready.
//
// A piece is a linked list of tokens. A heap holds the pairs that merge, by rank
// and then by place; entries are not removed when their pair vanishes, but known
// by the rank, which then is no longer that of the place. Each merge adds two
// entries at most, so a piece of n bytes takes O(n log n) steps.
type merger struct {
	*merges
	list  []part
	queue []uint64 // rank<<32 | place: a heap
	steps int      // entries that went through the heap, for tests
}

// part is a token of the piece that is being merged.
type part struct {
	id         int32
	prev, next int32 // places; -1 and the length of the list at the ends
	rank       int32 // of the pair with the next part
}

// merge appends the tokens of a piece of 1 to longest bytes.
func (m *merger) merge(dst []int32, piece string) []int32 {
	m.list = slices.Grow(m.list[:0], len(piece))
	m.queue = slices.Grow(m.queue[:0], len(piece))
	for i := range len(piece) {
		at := int32(i)
		m.list = append(m.list, part{id: m.bytes[piece[i]], prev: at - 1, next: at + 1, rank: noRank})
	}
	for i := range int32(len(m.list)) {
		m.look(i)
	}
	for len(m.queue) > 0 {
		top := m.pop()
		rank, i := int32(top>>32), int32(uint32(top))
		left := &m.list[i]
		if left.rank != rank {
			continue
		}
		right := &m.list[left.next]
		right.rank = noRank
		left.id, left.next = m.joined[rank], right.next
		if int(left.next) < len(m.list) {
			m.list[left.next].prev = i
		}
		m.look(i)
		if left.prev >= 0 {
			m.look(left.prev)
		}
	}
	for i := 0; i < len(m.list); i = int(m.list[i].next) {
		dst = append(dst, m.list[i].id)
	}
	return dst
}

// look notes whether the part at i merges with the next one.
func (m *merger) look(i int32) {
	p := &m.list[i]
	p.rank = noRank
	if int(p.next) == len(m.list) {
		return
	}
	if p.rank = m.rank(p.id, m.list[p.next].id); p.rank != noRank {
		m.push(uint64(p.rank)<<32 | uint64(i))
	}
}

// The heap has four children a node: half as deep as one of two, and the four lie
// together.

func (m *merger) push(key uint64) {
	m.steps++
	m.queue = append(m.queue, key)
	q, i := m.queue, len(m.queue)-1
	for i > 0 {
		parent := (i - 1) / 4
		if q[parent] <= key {
			break
		}
		q[i] = q[parent]
		i = parent
	}
	q[i] = key
}

func (m *merger) pop() uint64 {
	m.steps++
	top, last := m.queue[0], len(m.queue)-1
	key := m.queue[last]
	m.queue = m.queue[:last]
	q, i := m.queue, 0
	for {
		first := 4*i + 1
		if first >= len(q) {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, len(q)); c++ {
			if q[c] < q[least] {
				least = c
			}
		}
		if q[least] >= key {
			break
		}
		q[i] = q[least]
		i = least
	}
	if last > 0 {
		q[i] = key
	}
	return top
}
