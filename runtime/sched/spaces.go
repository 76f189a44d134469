package sched

import (
	"errors"
	"fmt"
)

// spaces numbers the memories of a list of backends: 0 is the host's, shared by
// all host backends; every other backend has one of its own.
type spaces struct {
	backends []Backend
	of       []int     // backend -> space
	device   []Backend // space -> the backend that allocates and copies there; nil for a host without one
}

// host is the space of inputs, outputs and of the memory weights come from.
const host = 0

func newSpaces(backends []Backend) (*spaces, error) {
	if len(backends) == 0 {
		return nil, errors.New("sched: no backend")
	}
	s := &spaces{backends: backends, of: make([]int, len(backends)), device: []Backend{nil}}
	names := map[string]bool{}
	for i, b := range backends {
		if names[b.Name()] {
			return nil, fmt.Errorf("sched: two backends are called %s", b.Name())
		}
		names[b.Name()] = true
		if _, ok := b.(HostBackend); !ok {
			s.of[i] = len(s.device)
			s.device = append(s.device, b)
		} else if s.device[host] == nil {
			s.device[host] = b
		}
	}
	return s, nil
}

func (s *spaces) name(space int) string {
	if space == host {
		return "host"
	}
	return s.device[space].Name()
}

// home returns the space where a state lives: one place for all plans, whatever
// the placement of the nodes that read it. It is that of the first backend, unless
// it leaves the state to the next one.
func (s *spaces) home(state string) int {
	for i, b := range s.backends {
		if p, ok := b.(*Part); !ok || p.Keeps(state) {
			return s.of[i]
		}
	}
	return s.of[0]
}

// alloc returns zeroed memory in a space.
func (s *spaces) alloc(space int, bytes int64) (Span, error) {
	if s.device[space] == nil {
		h, err := NewHost(bytes)
		return whole(h), err
	}
	b, err := s.device[space].Alloc(bytes)
	if err != nil {
		return Span{}, fmt.Errorf("%s: allocate %d bytes: %w", s.device[space].Name(), bytes, err)
	}
	return Span{b, 0, bytes}, nil
}

// zero clears memory in a space; a device that cannot do so itself is sent zeros, some
// at a time.
func (s *spaces) zero(dst Span, space int) error {
	if space == host {
		clear(dst.Bytes())
		return nil
	}
	if by, ok := s.device[space].(Zeroer); ok {
		if err := by.Zero(dst); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	zeros, err := NewHost(min(dst.Len, 1<<20))
	if err != nil {
		return err
	}
	for off := int64(0); off < dst.Len; off += zeros.n {
		n := min(zeros.n, dst.Len-off)
		if err := s.copy(dst.part(off, n), space, whole(zeros).part(0, n), host); err != nil {
			return err
		}
	}
	return nil
}

// copy moves bytes from one space to another; two devices exchange them through
// the host.
func (s *spaces) copy(dst Span, dstSpace int, src Span, srcSpace int) error {
	var by Backend
	switch {
	case dstSpace == host && srcSpace == host:
		return CopyHost(dst, src)
	case dstSpace == srcSpace, srcSpace == host:
		by = s.device[dstSpace]
	case dstSpace == host:
		by = s.device[srcSpace]
	default:
		h, err := NewHost(src.Len)
		if err != nil {
			return err
		}
		if err := s.copy(whole(h), host, src, srcSpace); err != nil {
			return err
		}
		return s.copy(dst, dstSpace, whole(h), host)
	}
	if err := by.Copy(dst, src); err != nil {
		return fmt.Errorf("%s: copy %d bytes: %w", by.Name(), src.Len, err)
	}
	return nil
}
