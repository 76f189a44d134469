package cuda

import (
	"errors"
	"fmt"

	"github.com/deltaloom/deltaloom/runtime/cuda/driver"
)

// scratch is memory for kernels, shared by all executables: one stream runs them
// one after another. What was handed out stays valid when more is wanted, as
// captured graphs point there. Tickets are such memory that is 0 whenever a kernel begins.
type scratch struct {
	b      *Backend
	zero   bool
	chunks []driver.Ptr
	size   int64 // of the last one
}

func (s *scratch) reserve(bytes int64) (driver.Ptr, error) {
	if bytes > s.size {
		size := max(2*s.size, rounded(bytes))
		ptr, err := s.b.memory.get(size)
		if err != nil {
			return 0, fmt.Errorf("scratch memory of %d bytes: %w", size, err)
		}
		if s.zero {
			if err := s.b.api.MemsetD8(ptr, 0, size, s.b.stream); err != nil {
				return 0, errors.Join(err, s.b.api.MemFree(ptr))
			}
		}
		s.chunks, s.size = append(s.chunks, ptr), size
	}
	if len(s.chunks) == 0 {
		return 0, nil
	}
	return s.chunks[len(s.chunks)-1], nil
}

func (s *scratch) close() error {
	var errs []error
	for _, c := range s.chunks {
		errs = append(errs, s.b.api.MemFree(c))
	}
	return errors.Join(errs...)
}
