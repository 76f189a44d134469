package sched

import (
	"errors"
	"slices"
)

// captures holds the recorded partitions of one session. A partition is recorded
// when it runs a second time with the same memory: recording costs more than a
// run, and the first run loads modules.
type captures struct {
	parts map[*Partition]*capture
}

type capture struct {
	with []Span // the memory of the partition's storages at the last run
	exec Executable
	not  bool // the backend cannot record this partition
}

// executable returns what is to run for a step: its recording, made now where it
// is time, or the compiled partition.
func (c *captures) executable(s *Step, b Bindings) (Executable, error) {
	by, ok := s.by.(Capturer)
	if !ok {
		return s.exec, nil
	}
	had := c.parts[s.Run]
	if had == nil {
		had = &capture{}
		if c.parts == nil {
			c.parts = map[*Partition]*capture{}
		}
		c.parts[s.Run] = had
	}
	same := len(had.with) == len(s.Run.Uses)
	for i := 0; same && i < len(had.with); i++ {
		same = had.with[i] == b[s.Run.Uses[i]]
	}
	switch {
	case had.not:
		return s.exec, nil
	case !same:
		err := had.drop()
		had.with = had.with[:0]
		for _, i := range s.Run.Uses {
			had.with = append(had.with, b[i])
		}
		return s.exec, err
	case had.exec != nil:
		return had.exec, nil
	}
	exec, err := by.Capture(s.exec, slices.Clone(b))
	if errors.Is(err, errors.ErrUnsupported) {
		had.not = true
		return s.exec, nil
	}
	if err != nil {
		return nil, err
	}
	had.exec = exec
	return exec, nil
}

func (c *capture) drop() error {
	if c.exec == nil {
		return nil
	}
	err := c.exec.Close()
	c.exec = nil
	return err
}

// drop forgets every recording, before memory goes that they point to.
func (c *captures) drop() error {
	var errs []error
	for _, p := range c.parts {
		errs = append(errs, p.drop())
	}
	clear(c.parts)
	return errors.Join(errs...)
}
