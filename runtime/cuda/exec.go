package cuda

import (
	"context"
	"errors"
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cuda/driver"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// executable is the launches of a partition.
type executable struct {
	b     *Backend
	calls []prepared
}

// prepared is a launch of which only addresses change.
type prepared struct {
	*driver.Launch
	node *graph.Node
	args []address
}

// address is where the memory of one argument begins: at off in a storage of the
// plan, or at a fixed place.
type address struct {
	storage int // -1 where the place is fixed
	off     int64
}

// Compile loads the device functions that the partition needs and builds their
// launches.
func (b *Backend) Compile(part *sched.Partition) (sched.Executable, error) {
	plans := make([]*plan, len(part.Calls))
	most, tickets := int64(0), int64(0)
	for i := range part.Calls {
		c := &part.Calls[i]
		p, err := b.lay(c.Node, c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", graph.Label(c.Node), err)
		}
		plans[i], most, tickets = p, max(most, p.scratched), max(tickets, p.ticketed)
	}
	leave, err := b.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	var place places
	if place.scratch, err = b.scratch.reserve(most); err != nil {
		return nil, err
	}
	if place.tickets, err = b.tickets.reserve(tickets); err != nil {
		return nil, err
	}
	e := &executable{b: b}
	for _, p := range plans {
		for _, l := range p.launches {
			f, err := b.code.function(l.function, l.shared)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", graph.Label(p.node), err)
			}
			c := prepared{driver.NewLaunch(f, l.grid, l.block, l.shared, make([]driver.Ptr, len(l.buffers)), l.params), p.node, nil}
			for _, buf := range l.buffers {
				c.args = append(c.args, buf.address(p.call, place))
			}
			e.calls = append(e.calls, c)
		}
	}
	return e, nil
}

// places is where memory of the backend begins.
type places struct{ scratch, tickets driver.Ptr }

func (b buffer) address(c *sched.Call, p places) address {
	var a sched.Arg
	switch b.kind {
	case nullBuffer:
		return address{-1, 0}
	case scratchBuffer:
		return address{-1, int64(p.scratch) + b.off}
	case ticketBuffer:
		return address{-1, int64(p.tickets) + b.off}
	case operandBuffer:
		a = c.In[b.arg]
	case resultBuffer:
		a = c.Out[b.arg]
	}
	return address{a.Storage, a.Off + b.off}
}

// Launches counts the kernels of a run.
func (e *executable) Launches() int { return len(e.calls) }

// Run puts the launches into the stream.
func (e *executable) Run(ctx context.Context, bind sched.Bindings) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	leave, err := e.b.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := e.b.staging.flush(); err != nil {
		return err
	}
	return e.launch(bind)
}

func (e *executable) launch(bind sched.Bindings) error {
	for i := range e.calls {
		c := &e.calls[i]
		for k, a := range c.args {
			at := driver.Ptr(a.off)
			if a.storage >= 0 {
				s := bind[a.storage]
				at += s.Buf.(*memory).ptr + driver.Ptr(s.Off)
			}
			c.SetPointer(k, at)
		}
		if err := e.b.api.Launch(e.b.stream, c.Launch); err != nil {
			return fmt.Errorf("%s: cuda: %w", graph.Label(c.node), err)
		}
	}
	return nil
}

func (e *executable) Close() error { return nil }

// Capture records the launches with that memory as one CUDA graph.
func (b *Backend) Capture(e sched.Executable, bind sched.Bindings) (sched.Executable, error) {
	leave, err := b.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := b.staging.flush(); err != nil {
		return nil, err
	}
	if err := b.api.StreamBeginCapture(b.stream, driver.CaptureThreadLocal); err != nil {
		return nil, err
	}
	err = e.(*executable).launch(bind)
	g, endErr := b.api.StreamEndCapture(b.stream)
	if endErr == nil {
		defer b.api.GraphDestroy(g)
	}
	if err := errors.Join(err, endErr); err != nil {
		return nil, err
	}
	exec, err := b.api.GraphInstantiate(g)
	if err != nil {
		return nil, err
	}
	return &recording{b, exec}, nil
}

// recording is a partition as a CUDA graph, bound to its memory.
type recording struct {
	b    *Backend
	exec driver.GraphExec
}

// Run launches the graph; the bindings are those of the recording.
func (r *recording) Run(ctx context.Context, _ sched.Bindings) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	leave, err := r.b.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := r.b.staging.flush(); err != nil {
		return err
	}
	if err := r.b.api.GraphLaunch(r.exec, r.b.stream); err != nil {
		return fmt.Errorf("cuda: %w", err)
	}
	return nil
}

// Launches counts the one launch of the graph.
func (r *recording) Launches() int { return 1 }

func (r *recording) Close() error {
	leave, err := r.b.enter()
	if err != nil {
		return err
	}
	defer leave()
	return r.b.api.GraphExecDestroy(r.exec)
}
