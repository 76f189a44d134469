package lower

import (
	"sync"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// Supported remembers what a backend said of coarse nodes: comparing bodies takes
// long, and most layers have the same ones. The zero value is ready.
type Supported struct {
	mu   sync.Mutex
	said map[coarseKind]error
}

// mostKinds bounds what is remembered: a step of another size has other kinds.
const mostKinds = 1024

// coarseKind is all that a kernel looks at in a coarse node: the body has the
// shapes of its operands.
type coarseKind struct {
	op    *graph.Op
	attrs ops.CoarseAttrs
}

// Of returns what ask says of n, asked once for coarse nodes that are alike.
func (s *Supported) Of(n *graph.Node, ask func(n *graph.Node) error) error {
	attrs, ok := n.Attrs().(ops.CoarseAttrs)
	if !ok {
		return ask(n)
	}
	kind := coarseKind{n.Op(), attrs}
	s.mu.Lock()
	said, ok := s.said[kind]
	s.mu.Unlock()
	if ok {
		return said
	}
	err := ask(n)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.said == nil || len(s.said) == mostKinds {
		s.said = map[coarseKind]error{}
	}
	s.said[kind] = err
	return err
}
