package cpu

import (
	"sync"

	"github.com/deltaloom/deltaloom/runtime/cpu/gemm"
)

// scratch is the memory in which the steps of a node leave something for each
// other, and that of each worker. Programs take turns, so all share it: it is as
// large as the one that needs most.
type scratch struct {
	mu     sync.Mutex
	shared []byte
	local  [][]byte // by worker
	gemm   []gemm.Scratch
}

// reserve makes the memory at least that large, in bytes, from the next program on.
func (s *scratch) reserve(workers, shared, local int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.local == nil {
		s.local, s.gemm = make([][]byte, workers), make([]gemm.Scratch, workers)
	}
	s.shared = atLeast(s.shared, shared)
	for i, had := range s.local {
		s.local[i] = atLeast(had, local)
	}
}

// lend gives a program the bytes that it has reserved, and what products work in.
func (s *scratch) lend(frames []*frame, shared, local int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range frames {
		f.shared, f.local, f.gemm = s.shared[:shared:shared], s.local[i][:local:local], &s.gemm[i]
	}
}

func (s *scratch) bytes() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = int64(len(s.shared))
	for _, b := range s.local {
		n += int64(len(b))
	}
	return n
}

// atLeast returns b where it has n bytes, otherwise new memory.
func atLeast(b []byte, n int) []byte {
	if len(b) >= n {
		return b
	}
	return alignedBytes(n)
}
