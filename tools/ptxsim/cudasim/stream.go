//go:build !nogpu && !android && (linux || windows) && (amd64 || arm64)

package cudasim

import (
	"maps"
	"slices"
)

// work is one thing to do in a stream.
type work func() code

// stream is work that waits, in order.
type stream struct {
	queue   []work
	done    int // how much of the work was taken out, all in all
	capture *capture
	after   []int // nodes of the capture that come before what this stream records next
}

// event is a place in a stream, or in a capture.
type event struct {
	at      *stream
	count   int // work before it
	capture *capture
	after   []int // nodes of the capture before it
}

// put adds work to the stream, or to what it records.
func (s *stream) put(f work) code {
	if c := s.capture; c != nil {
		if c.broken {
			return captureInvalidated
		}
		c.nodes = append(c.nodes, node{f, s.after})
		s.after = []int{len(c.nodes) - 1}
		return success
	}
	s.queue = append(s.queue, f)
	return success
}

// end is the count that stands for all that the stream has been given.
func (s *stream) end() int { return s.done + len(s.queue) }

// finish does the work of a stream up to a count.
func (s *stream) finish(count int) code {
	for len(s.queue) > 0 && s.done < count {
		f := s.queue[0]
		s.queue, s.done = s.queue[1:], s.done+1
		if c := f(); c != success {
			return c
		}
	}
	return success
}

// finishAll does everything that waits.
func (d *Driver) finishAll() code {
	for _, h := range slices.Sorted(maps.Keys(d.streams)) {
		s := d.streams[h]
		if c := s.finish(s.end()); c != success {
			return c
		}
	}
	return success
}

func (d *Driver) synchronize(s *stream) code {
	if s.capture != nil {
		s.capture.broken = true
		return captureUnsupported
	}
	if c := d.outsideCaptures(); c != success {
		return c
	}
	return s.finish(s.end())
}

func (d *Driver) synchronizeEvent(e *event) code {
	if e.capture != nil {
		e.capture.broken = true
		return capturedEvent
	}
	if c := d.outsideCaptures(); c != success || e.at == nil {
		return c
	}
	return e.at.finish(e.count)
}

func (s *stream) record(e *event) code {
	if s.capture != nil && s.capture.broken {
		return captureInvalidated
	}
	*e = event{at: s, count: s.end(), capture: s.capture, after: s.after}
	return success
}

// wait lets the stream go on after an event; in a capture it joins the two streams.
func (s *stream) wait(e *event) code {
	switch c := e.capture; {
	case s.capture != nil && s.capture.broken:
		return captureInvalidated
	case e.at == nil:
		return success
	case c == nil && s.capture != nil:
		s.capture.broken = true
		return captureIsolation
	case c == nil:
		at, count := e.at, e.count
		return s.put(func() code { return at.finish(count) })
	case c.ended:
		return capturedEvent
	case s.capture != nil && s.capture != c:
		s.capture.broken, c.broken = true, true
		return captureMerge
	case s.capture == nil:
		s.capture, s.after = c, nil
	}
	s.after = slices.Concat(s.after, e.after)
	return success
}
