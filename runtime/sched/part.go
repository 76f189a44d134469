package sched

import (
	"errors"
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
)

// Part is a backend, not of a host, that gets only some of the nodes and states of
// a graph, since its memory would not hold the weights of all. The rest goes to
// the backends behind it.
type Part struct {
	Backend
	Takes func(n *graph.Node) bool // of the nodes that the backend supports
	Keeps func(state string) bool
}

// Supports refuses what the part does not take.
func (p *Part) Supports(n *graph.Node) error {
	if !p.Takes(n) {
		return fmt.Errorf("not in this part of the graph: %w", errors.ErrUnsupported)
	}
	return p.Backend.Supports(n)
}

// Strided is that of the backend.
func (p *Part) Strided(n *graph.Node, operand int) bool {
	s, ok := p.Backend.(StridedBackend)
	return ok && s.Strided(n, operand)
}

// Zero is that of the backend.
func (p *Part) Zero(dst Span) error {
	if by, ok := p.Backend.(Zeroer); ok {
		return by.Zero(dst)
	}
	return errors.ErrUnsupported
}

// CopyToArena is that of the backend.
func (p *Part) CopyToArena(dst, src Span) error {
	if by, ok := p.Backend.(ArenaCopier); ok {
		return by.CopyToArena(dst, src)
	}
	return p.Backend.Copy(dst, src)
}

// Capture is that of the backend.
func (p *Part) Capture(e Executable, b Bindings) (Executable, error) {
	c, ok := p.Backend.(Capturer)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return c.Capture(e, b)
}
