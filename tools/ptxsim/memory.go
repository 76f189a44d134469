package ptxsim

import (
	"bytes"
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
)

// Where the spaces begin in generic addresses. Shared and local addresses of their own spaces
// count from spaceBase, so that a null pointer is none of them.
const (
	spaceBase    = 1 << 10
	sharedWindow = 1 << 40
	localWindow  = 1 << 41
	globalBase   = 0x7f0000000000
	gap          = 4 << 10 // between allocations
)

// Memory is device memory. Between allocations lie gaps, and addresses are never used again, so
// that overruns and uses of freed memory are seen. The zero value is ready.
//
// One launch runs at a time, another one waits; the other methods may be called from any goroutine
// between launches.
type Memory struct {
	// Unchecked leaves out the search for races, in shared and in global memory.
	Unchecked bool

	mu      sync.Mutex
	segs    []*segment // by address
	next    uint64
	statics map[*variable]uint64
	epoch   uint64 // of the running launch

	launching sync.Mutex
	slots     []lanes // of the running launch

	atomics sync.Mutex // held by atomic and volatile accesses to global memory

	released map[uint64][]uint64 // with atomics: blocks that changed a place behind a fence, see order
}

// A segment is one allocation.
type segment struct {
	base   uint64
	data   []byte
	shadow []atomic.Uint64 // a word for every 4 bytes, see races.go
	fixed  bool            // constants
}

// Alloc returns the address of n fresh bytes, 256-byte aligned. They hold 0xff.
func (m *Memory) Alloc(n int64) (uint64, error) {
	if n <= 0 || n > 1<<36 {
		return 0, fmt.Errorf("ptxsim: cannot allocate %d bytes", n)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.alloc(bytes.Repeat([]byte{0xff}, int(n)), false), nil
}

func (m *Memory) alloc(data []byte, fixed bool) uint64 {
	if m.next == 0 {
		m.next = globalBase
	}
	s := &segment{base: m.next, data: data, fixed: fixed, shadow: make([]atomic.Uint64, (len(data)+3)/4)}
	m.segs = append(m.segs, s)
	m.next += uint64(alignUp(len(data)+gap, 256))
	return s.base
}

// Free gives back what Alloc returned as addr.
func (m *Memory) Free(addr uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := sort.Search(len(m.segs), func(i int) bool { return m.segs[i].base >= addr })
	if i == len(m.segs) || m.segs[i].base != addr {
		return fmt.Errorf("ptxsim: free of %#x, where no allocation begins", addr)
	}
	m.segs = append(m.segs[:i:i], m.segs[i+1:]...)
	return nil
}

// Bytes is the memory itself, n bytes at addr within one allocation.
func (m *Memory) Bytes(addr uint64, n int64) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.find(addr)
	if s == nil || n < 0 || uint64(n) > s.base+uint64(len(s.data))-addr {
		return nil, fmt.Errorf("ptxsim: %d bytes at %#x are not within an allocation", n, addr)
	}
	off := addr - s.base
	return s.data[off : off+uint64(n) : off+uint64(n)], nil
}

// find returns the segment that holds the byte at addr, or nil.
func (m *Memory) find(addr uint64) *segment {
	i := sort.Search(len(m.segs), func(i int) bool { return m.segs[i].base > addr }) - 1
	if i < 0 || addr-m.segs[i].base >= uint64(len(m.segs[i].data)) {
		return nil
	}
	return m.segs[i]
}

// static returns the address of a module's variable, which lives from its first use on.
func (m *Memory) static(v *variable) uint64 {
	addr, ok := m.statics[v]
	if !ok {
		data := make([]byte, max(v.size, 1))
		copy(data, v.init)
		addr = m.alloc(data, v.space == "const")
		if m.statics == nil {
			m.statics = map[*variable]uint64{}
		}
		m.statics[v] = addr
	}
	return addr
}
