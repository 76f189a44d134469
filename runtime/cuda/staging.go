package cuda

import (
	"github.com/deltaloom/deltaloom/runtime/cuda/driver"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// staging is pinned memory of the host, from which the card fetches the inputs of
// a step while the host goes on. It is gone through from front to back, and begun
// anew after everything has been fetched. Uploads to an arena that lie side by side
// there are one transfer, when whatever comes after them is put into the stream.
type staging struct {
	b    *Backend
	data []byte
	used int

	to       *memory // of the uploads that wait; nil for none
	off      int64   // where in to
	from, at int     // of data
}

const stagingSize = 1 << 20

// upload copies src to the card, and nothing else.
func (s *staging) upload(to *memory, off int64, src []byte) error {
	if err := s.flush(); err != nil {
		return err
	}
	if err := s.join(to, off, src); err != nil {
		return err
	}
	return s.flush()
}

// join copies src to the card together with other uploads. What lies between them and
// the next multiple of sched.Align is written too.
func (s *staging) join(to *memory, off int64, src []byte) error {
	if len(src) > stagingSize/4 {
		if err := s.flush(); err != nil {
			return err
		}
		return s.b.api.HtoD(to.ptr+driver.Ptr(off), src, s.b.stream)
	}
	if s.data == nil {
		var err error
		if s.data, err = s.b.api.HostAlloc(stagingSize); err != nil {
			return err
		}
	}
	if s.used+len(src) > len(s.data) {
		if err := s.flush(); err != nil {
			return err
		}
		if err := s.b.api.StreamSynchronize(s.b.stream); err != nil {
			return err
		}
		s.used = 0
	}
	if s.to != to || off != s.off+int64(s.used-s.from) {
		if err := s.flush(); err != nil {
			return err
		}
		s.to, s.off, s.from = to, off, s.used
	}
	copy(s.data[s.used:], src)
	s.at = s.used + len(src)
	s.used = (s.at + sched.Align - 1) / sched.Align * sched.Align
	return nil
}

// flush sends what waits. It comes before all other work.
func (s *staging) flush() error {
	if s.to == nil {
		return nil
	}
	dst := s.to.ptr + driver.Ptr(s.off)
	s.to = nil
	return s.b.api.HtoD(dst, s.data[s.from:s.at], s.b.stream)
}

func (s *staging) close() error {
	if s.data == nil {
		return nil
	}
	return s.b.api.HostFree(s.data)
}
