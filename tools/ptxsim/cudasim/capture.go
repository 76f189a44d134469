//go:build !nogpu && !android && (linux || windows) && (amd64 || arm64)

package cudasim

import "slices"

// node is recorded work, and the nodes that come before it.
type node struct {
	run   work
	after []int
}

// graph is recorded work. A node comes after nodes of lower numbers only.
type graph struct{ nodes []node }

// exec is a graph that can be launched; a launch begins when the last one is done.
type exec struct {
	work []work
	last event
}

// capture is a recording, under way or ended.
type capture struct {
	graph
	origin        *stream
	mode          uintptr
	thread        int
	broken, ended bool
}

// Modes of capture.
const (
	captureGlobal uintptr = iota
	captureThreadLocal
	captureRelaxed
)

// outsideCaptures spoils the captures that forbid what this thread is about to do,
// which is nothing that they could record.
func (d *Driver) outsideCaptures() (result code) {
	for _, c := range d.captures {
		if c.mode == captureGlobal || c.mode == captureThreadLocal && c.thread == thread() {
			c.broken, result = true, captureUnsupported
		}
	}
	return result
}

func (d *Driver) beginCapture(s *stream, mode uintptr) code {
	switch {
	case s == d.streams[0]:
		return captureUnsupported
	case s.capture != nil:
		return illegalState
	case mode > captureRelaxed:
		return invalidValue
	}
	s.capture, s.after = &capture{origin: s, mode: mode, thread: thread()}, nil
	d.captures = append(d.captures, s.capture)
	return success
}

func (d *Driver) endCapture(s *stream) (*graph, code) {
	c := s.capture
	switch {
	case c == nil:
		return nil, illegalState
	case c.origin != s:
		return nil, captureUnmatched
	case c.mode != captureRelaxed && c.thread != thread():
		return nil, captureThread
	}
	joined := c.before(s.after)
	for _, other := range d.streams {
		if other.capture == c {
			other.capture, other.after = nil, nil
		}
	}
	c.ended = true
	d.captures = slices.DeleteFunc(d.captures, func(o *capture) bool { return o == c })
	switch {
	case c.broken:
		return nil, captureInvalidated
	case slices.Contains(joined, false):
		return nil, captureUnjoined
	}
	return &c.graph, success
}

// before tells of each node whether it is among ends or comes before them.
func (g *graph) before(ends []int) []bool {
	is := make([]bool, len(g.nodes))
	for _, i := range ends {
		is[i] = true
	}
	for i := len(is) - 1; i >= 0; i-- {
		if is[i] {
			for _, j := range g.nodes[i].after {
				is[j] = true
			}
		}
	}
	return is
}

// instantiate puts the nodes into the order, of those that are allowed, that is
// least like the order of recording, so that a missing wait is seen.
func (g *graph) instantiate() *exec {
	next, waits := make([][]int, len(g.nodes)), make([]int, len(g.nodes))
	var ready []int // ascending
	for i, n := range g.nodes {
		waits[i] = len(n.after)
		for _, j := range n.after {
			next[j] = append(next[j], i)
		}
		if waits[i] == 0 {
			ready = append(ready, i)
		}
	}
	e := new(exec)
	for len(ready) > 0 {
		i := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		e.work = append(e.work, g.nodes[i].run)
		for _, j := range next[i] {
			if waits[j]--; waits[j] == 0 {
				at, _ := slices.BinarySearch(ready, j)
				ready = slices.Insert(ready, at, j)
			}
		}
	}
	return e
}

func (d *Driver) launchGraph(e *exec, s *stream) code {
	if s.capture != nil {
		s.capture.broken = true
		return captureUnsupported
	}
	d.stats.GraphLaunches++
	d.stats.GraphNodes += len(e.work)
	s.wait(&e.last)
	s.queue = append(s.queue, e.work...)
	return s.record(&e.last)
}
