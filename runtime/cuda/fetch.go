package cuda

import (
	"errors"

	"github.com/deltaloom/deltaloom/runtime/cuda/driver"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// fetches is pinned memory of the host to which the card copies results, each with an
// event, for the next ones that fit.
type fetches struct {
	b    *Backend
	all  []*fetched
	free []*fetched
}

type fetched struct {
	b     *Backend
	data  []byte
	n     int
	event driver.Event
}

// leastFetched is the size of small pieces, so that one serves as well as another.
const leastFetched = 4 << 10

func (s *fetches) get(n int) (*fetched, error) {
	for i, f := range s.free {
		if len(f.data) >= n {
			s.free[i] = s.free[len(s.free)-1]
			s.free = s.free[:len(s.free)-1]
			return f, nil
		}
	}
	data, err := s.b.api.HostAlloc(max(n, leastFetched))
	if err != nil {
		return nil, err
	}
	event, err := s.b.api.EventCreate()
	if err != nil {
		return nil, errors.Join(err, s.b.api.HostFree(data))
	}
	f := &fetched{b: s.b, data: data, event: event}
	s.all = append(s.all, f)
	return f, nil
}

func (s *fetches) close() error {
	var errs []error
	for _, f := range s.all {
		errs = append(errs, s.b.api.EventDestroy(f.event), s.b.api.HostFree(f.data))
	}
	return errors.Join(errs...)
}

// Fetch puts a copy to the host into the stream.
func (b *Backend) Fetch(src sched.Span) (sched.Fetched, error) {
	leave, err := b.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := b.staging.flush(); err != nil {
		return nil, err
	}
	f, err := b.fetches.get(int(src.Len))
	if err != nil {
		return nil, err
	}
	f.n = int(src.Len)
	if f.n > 0 {
		err = b.api.DtoH(f.data[:f.n], src.Buf.(*memory).ptr+driver.Ptr(src.Off), b.stream)
	}
	if err == nil {
		err = b.api.EventRecord(f.event, b.stream)
	}
	if err != nil {
		b.fetches.free = append(b.fetches.free, f)
		return nil, err
	}
	return f, nil
}

// Wait ends a copy.
func (f *fetched) Wait(dst []byte) error {
	leave, err := f.b.enter()
	if err != nil {
		return err
	}
	defer leave()
	defer func() { f.b.fetches.free = append(f.b.fetches.free, f) }()
	if err := f.b.api.EventSynchronize(f.event); err != nil {
		return err
	}
	copy(dst, f.data[:f.n])
	return nil
}
