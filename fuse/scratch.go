package fuse

import "github.com/deltaloom/deltaloom/graph"

// scratch is memory by node ID that the passes over one graph take turns with: a
// builder numbers on, so that the last ones would need much of it for few nodes.
type scratch struct {
	near    []int32
	claimed []bool
	memo    []*graph.Node
	touched nodeSet
	taken   []*graph.Node // what a node stands for in the attempt that is being made
	seen    []int         // the last of the walks of convex that came by
	walks   int
}

// sized returns n zeros, in the memory of s if there is enough.
func sized[S ~[]T, T any](s *S, n int) S {
	if cap(*s) < n {
		*s = make(S, n, n+n/2)
	} else {
		*s = (*s)[:n]
		clear(*s)
	}
	return *s
}
