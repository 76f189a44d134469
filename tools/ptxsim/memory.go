package ptxsim

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
)

// Where the spaces begin. Addresses of shared and local memory are offsets; as
// generic addresses they are behind these bases.
const (
	globalBase = 0x7f00_0000_0000
	tableBase  = 0x7e00_0000_0000
	sharedBase = 0x0001_0000_0000
	localBase  = 0x0002_0000_0000
)

// Memory is the memory of a card. Its methods may be called concurrently; one
// launch runs at a time.
type Memory struct {
	mu      sync.Mutex
	allocs  []*allocation // by address
	next    uint64
	bytes   int64
	launch  sync.Mutex
	counter uint32 // of launches
	atomics sync.Mutex
}

// allocation is one piece of memory. Behind it there is nothing.
type allocation struct {
	base   uint64
	data   []byte
	access atomic.Pointer[[]access] // of each word, since a kernel has written to it
}

// Alloc returns the address of n bytes, a multiple of 256. They are 0xff: a float
// that nobody wrote is NaN.
func (m *Memory) Alloc(n int64) (uint64, error) {
	if n < 0 || n > 1<<40 {
		return 0, fmt.Errorf("ptxsim: cannot allocate %d bytes", n)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next == 0 {
		m.next = globalBase
	}
	a := &allocation{base: m.next, data: make([]byte, n)}
	for i := range a.data {
		a.data[i] = 0xff
	}
	m.allocs = append(m.allocs, a)
	m.next += (uint64(n)+255)/256*256 + 256
	m.bytes += n
	return a.base, nil
}

// Free gives back what Alloc returned.
func (m *Memory) Free(addr uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := m.find(addr)
	if !ok || m.allocs[i].base != addr {
		return fmt.Errorf("ptxsim: %#x was not allocated, or was freed", addr)
	}
	m.bytes -= int64(len(m.allocs[i].data))
	m.allocs = slices.Delete(m.allocs, i, i+1)
	return nil
}

// Allocated returns the bytes in use.
func (m *Memory) Allocated() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bytes
}

var errBounds = errors.New("out of bounds")

// Bytes returns n bytes at an address, for copies from and to the host.
func (m *Memory) Bytes(addr uint64, n int64) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i, ok := m.find(addr); ok && n >= 0 {
		a := m.allocs[i]
		if off := addr - a.base; uint64(n) <= uint64(len(a.data))-off {
			return a.data[off : off+uint64(n) : off+uint64(n)], nil
		}
	}
	return nil, fmt.Errorf("ptxsim: %d bytes at %#x: %w", n, addr, errBounds)
}

// find returns the allocation that an address is in, or the end of.
func (m *Memory) find(addr uint64) (int, bool) {
	i := sort.Search(len(m.allocs), func(i int) bool { return m.allocs[i].base > addr }) - 1
	return i, i >= 0 && addr-m.allocs[i].base <= uint64(len(m.allocs[i].data))
}

// table places memory of the module among its tables.
func (m *Module) table(v *variable) int {
	if v.offset == 0 {
		m.tables = append(m.tables, make([]byte, alignUp(len(m.tables), 256)+256-len(m.tables))...)
		v.offset = len(m.tables)
		m.tables = append(m.tables, v.data...)
	}
	return v.offset
}
