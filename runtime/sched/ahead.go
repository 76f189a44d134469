package sched

import (
	"context"
	"errors"
	"fmt"
)

// Fetcher is implemented by backends that copy to host memory while the caller goes on.
type Fetcher interface {
	// Fetch begins a copy of src, memory of the backend, as it is after all calls before.
	Fetch(src Span) (Fetched, error)
}

// Fetched is a copy under way. Wait must be called once, after whatever else has failed
// too: it ends the copy and writes it to dst, unless that is nil.
type Fetched interface {
	Wait(dst []byte) error
}

// fetch is a copy to an output.
type fetch struct {
	from Fetched
	to   []byte
}

// fetches counts the outputs that a run can fetch; ahead tells whether that, and what
// its devices do in the order of the calls, is all there is to a run.
func (p *Plan) fetches() (n int, ahead bool) {
	ahead = true
	for i := range p.Steps {
		s := &p.Steps[i]
		switch {
		case s.Run != nil:
			_, fetches := s.by.(Fetcher)
			ahead = ahead && fetches
		case p.fetcher(s) != nil:
			n++
		default:
			ahead = ahead && p.Storages[s.Dst.Storage].Space != host
		}
	}
	return n, ahead
}

// fetcher returns who can fetch what a step copies, nil where it is no output or
// cannot be fetched.
func (p *Plan) fetcher(s *Step) Fetcher {
	src, dst := &p.Storages[s.Src.Storage], &p.Storages[s.Dst.Storage]
	if dst.Kind != OutputStorage || src.Space == host {
		return nil
	}
	f, _ := p.spaces.device[src.Space].(Fetcher)
	return f
}

// Ahead tells whether a run may be started while earlier ones are under way.
func (b *Bound) Ahead() bool { return b.ahead }

// Start is Run that may return before the outputs are there: they are after a Wait, one
// for each Start and in their order. Inputs have been read when it returns. Without
// Ahead each Start needs its Wait before the next one.
func (b *Bound) Start(ctx context.Context) error {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	n := len(b.pending)
	err := b.run(ctx, &b.pending)
	if err != nil {
		err = errors.Join(err, b.drop(n))
	}
	return err
}

// Wait waits for the run that was started first of those that nobody has waited for, and
// writes its outputs. After an error the outputs hold no meaningful value, and there are
// none once the Bound or the session has been closed.
func (b *Bound) Wait() error {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	if b.p == nil {
		return errUnbound
	}
	var errs []error
	n := min(b.fetched, len(b.pending))
	for _, f := range b.pending[:n] {
		errs = append(errs, f.from.Wait(f.to))
	}
	b.pending = b.pending[:copy(b.pending, b.pending[n:])]
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("outputs: %w", err)
	}
	return nil
}

// drop ends the copies from the nth on.
func (b *Bound) drop(n int) error {
	var errs []error
	for _, f := range b.pending[n:] {
		errs = append(errs, f.from.Wait(nil))
	}
	b.pending = b.pending[:n]
	return errors.Join(errs...)
}
