package sched

import (
	"errors"
	"slices"
)

// captures holds the recorded partitions of a Bound, by step. A partition is
// recorded when it runs a second time with the same memory: recording costs more
// than a run, and the first run loads modules.
type captures []capture

type capture struct {
	ran  bool // with the memory that is bound now
	exec Executable
	not  bool // the backend cannot record this partition
}

// executable returns what is to run for a step: its recording, made now where it
// is time, or the compiled partition.
func (c *capture) executable(s *Step, b Bindings) (Executable, error) {
	by, ok := s.by.(Capturer)
	switch {
	case !ok || c.not:
		return s.exec, nil
	case c.exec != nil:
		return c.exec, nil
	case !c.ran:
		c.ran = true
		return s.exec, nil
	}
	exec, err := by.Capture(s.exec, slices.Clone(b))
	if errors.Is(err, errors.ErrUnsupported) {
		c.not = true
		return s.exec, nil
	}
	if err != nil {
		return nil, err
	}
	c.exec = exec
	return exec, nil
}

// drop forgets every recording, before memory goes that they point to.
func (cs captures) drop() error {
	var errs []error
	for i := range cs {
		c := &cs[i]
		if c.exec != nil {
			errs = append(errs, c.exec.Close())
		}
		c.exec, c.ran = nil, false
	}
	return errors.Join(errs...)
}
