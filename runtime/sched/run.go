package sched

import (
	"context"
	"fmt"
)

// run does the steps in order. replay, where not nil, may run a partition in
// the place of its executable. later, where not nil, gets the copies to outputs that
// can end later.
func (p *Plan) run(ctx context.Context, b Bindings, replay captures, later *[]fetch) error {
	for i := range p.Steps {
		s := &p.Steps[i]
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.Run == nil {
			if err := p.copy(b, s, later); err != nil {
				return fmt.Errorf("copy %s -> %s: %w", p.place(s.Src), p.place(s.Dst), err)
			}
			continue
		}
		exec := s.exec
		if replay != nil {
			var err error
			if exec, err = replay[i].executable(s, b); err != nil {
				return fmt.Errorf("%s: capture: %w", s.Run.Backend, err)
			}
		}
		if err := exec.Run(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plan) copy(b Bindings, s *Step, later *[]fetch) error {
	if by := p.fetcher(s); by != nil && later != nil {
		f, err := by.Fetch(b.Span(s.Src))
		if err == nil {
			*later = append(*later, fetch{f, b.Span(s.Dst).Bytes()})
		}
		return err
	}
	dst, src := &p.Storages[s.Dst.Storage], &p.Storages[s.Src.Storage]
	if dst.Kind == ArenaStorage && dst.Space != host && src.Space == host {
		if by, ok := p.spaces.device[dst.Space].(ArenaCopier); ok {
			return by.CopyToArena(b.Span(s.Dst), b.Span(s.Src))
		}
	}
	return p.spaces.copy(b.Span(s.Dst), p.Storages[s.Dst.Storage].Space, b.Span(s.Src), p.Storages[s.Src.Storage].Space)
}
