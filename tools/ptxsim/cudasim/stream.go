//go:build !nogpu && (linux || windows) && (amd64 || arm64)

package cudasim

// work is one thing to do in a stream.
type work func() code

// stream is work that waits, in order.
type stream struct {
	d       *Driver
	queue   []work
	done    int // how much of the work was taken out, all in all
	capture *capture
	loose   bool // has captured work that no other stream has waited for
}

// event is a place in a stream, or in a capture.
type event struct {
	at      *stream
	count   int // work before it
	capture *capture
}

// graph is recorded work. Its order is that of the recording, which respects what
// streams waited for.
type graph struct {
	nodes   []work
	kernels int
}

// capture is a recording under way.
type capture struct {
	graph
	origin *stream
	broken bool
}

// put adds work to the stream, or to what it records.
func (s *stream) put(isKernel bool, f work) code {
	if c := s.capture; c != nil {
		if c.broken {
			return captureInvalidated
		}
		c.nodes = append(c.nodes, f)
		if isKernel {
			c.kernels++
		}
		s.loose = s != c.origin
		return success
	}
	s.queue = append(s.queue, f)
	return success
}

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

func (s *stream) synchronize() code {
	if s.capture != nil {
		s.capture.broken = true
		return captureUnsupported
	}
	return s.finish(s.done + len(s.queue))
}

// finishAll does everything that waits.
func (d *Driver) finishAll() code {
	for _, s := range d.streams {
		if s.capture != nil {
			s.capture.broken = true
			return captureUnsupported
		}
	}
	for _, s := range d.streams {
		if c := s.finish(s.done + len(s.queue)); c != success {
			return c
		}
	}
	return success
}

func (s *stream) begin() code {
	if s.capture != nil {
		return invalidValue
	}
	s.capture = &capture{origin: s}
	return success
}

func (s *stream) end() (*graph, code) {
	c := s.capture
	if c == nil || c.origin != s {
		return nil, captureUnmatched
	}
	result := success
	for _, other := range s.d.streams {
		if other.capture == c {
			if other.loose {
				result = captureUnjoined
			}
			other.capture, other.loose = nil, false
		}
	}
	if c.broken {
		return nil, captureInvalidated
	}
	return &c.graph, result
}

func (s *stream) record(e *event) code {
	*e = event{at: s, count: s.done + len(s.queue), capture: s.capture}
	return success
}

// wait lets the stream go on after an event; in a capture it joins the two streams.
func (s *stream) wait(e *event) code {
	switch {
	case e.at == nil:
		return success
	case e.capture != nil:
		if s.capture != nil && s.capture != e.capture {
			return captureUnsupported
		}
		s.capture, e.at.loose = e.capture, false
		return success
	case s.capture != nil:
		s.capture.broken = true
		return captureUnsupported
	}
	at, count := e.at, e.count
	return s.put(false, func() code { return at.finish(count) })
}
