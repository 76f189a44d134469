package sched_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/interp"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// picky is the reference backend with ops that it refuses, and counts of what
// it has compiled and computed.
type picky struct {
	*interp.Backend
	name     string
	refuses  []string
	compiled atomic.Int32
	computed atomic.Int32 // nodes
}

func newPicky(name string, refuses ...string) *picky {
	return &picky{Backend: interp.New(), name: name, refuses: refuses}
}

func (p *picky) Name() string { return p.name }

func (p *picky) Supports(n *graph.Node) error { return refuse(p.refuses, n) }

func refuse(names []string, n *graph.Node) error {
	if slices.Contains(names, n.Op().Name) {
		return fmt.Errorf("no kernel for %v: %w", n.Out(0).Shape(), errors.ErrUnsupported)
	}
	return nil
}

func (p *picky) Compile(part *sched.Partition) (sched.Executable, error) {
	p.compiled.Add(1)
	e, err := p.Backend.Compile(part)
	return counting{e, p, int32(len(part.Calls))}, err
}

type counting struct {
	sched.Executable
	p     *picky
	nodes int32
}

func (c counting) Run(ctx context.Context, b sched.Bindings) error {
	c.p.computed.Add(c.nodes)
	return c.Executable.Run(ctx, b)
}

// device has memory of its own, which nothing else can read, and reads strided
// operands of elementwise ops. It counts the buffers and
// executables that are not freed.
type device struct {
	name    string
	refuses []string
	live    atomic.Int32
	healthy atomic.Int32 // so many calls go well, then one breaks; 0 for never
}

var errBroken = errors.New("the device is broken")

// wear fails once in the life of the device.
func (d *device) wear() error {
	if d.healthy.Load() > 0 && d.healthy.Add(-1) == 0 {
		return errBroken
	}
	return nil
}

func newDevice(name string, refuses ...string) *device { return &device{name: name, refuses: refuses} }

type deviceBuffer struct {
	of    *device
	host  sched.Host
	freed bool
}

func (b *deviceBuffer) Size() int64 { return b.host.Size() }

func (b *deviceBuffer) Free() {
	if b.freed {
		panic("freed twice")
	}
	b.freed = true
	b.of.live.Add(-1)
}

func (d *device) Name() string                 { return d.name }
func (d *device) Close() error                 { return nil }
func (d *device) Supports(n *graph.Node) error { return refuse(d.refuses, n) }

func (d *device) Strided(n *graph.Node, _ int) bool {
	return n.Op().Axes != nil && n.Op().Eval != nil && !n.Op().View
}

func (d *device) Alloc(bytes int64) (sched.Buffer, error) {
	if err := d.wear(); err != nil {
		return nil, err
	}
	h, err := sched.NewHost(bytes)
	d.live.Add(1)
	return &deviceBuffer{of: d, host: h}, err
}

// own returns the memory of a span on the device.
func (d *device) own(s sched.Span) (sched.Span, bool) {
	b, ok := s.Buf.(*deviceBuffer)
	if !ok {
		return s, false
	}
	if b.of != d || b.freed {
		panic("memory that is not the device's")
	}
	return sched.Span{Buf: b.host, Off: s.Off, Len: s.Len}, true
}

func (d *device) Copy(dst, src sched.Span) error {
	to, a := d.own(dst)
	from, b := d.own(src)
	if !a && !b {
		return errors.New("a copy that has nothing to do with the device")
	}
	if err := d.wear(); err != nil {
		return err
	}
	return sched.CopyHost(to, from)
}

func (d *device) Compile(p *sched.Partition) (sched.Executable, error) {
	if err := d.wear(); err != nil {
		return nil, err
	}
	d.live.Add(1) // freed by Close
	return &deviceRun{d, p}, nil
}

type deviceRun struct {
	d *device
	p *sched.Partition
}

func (r *deviceRun) Close() error {
	r.d.live.Add(-1)
	return nil
}

func (r *deviceRun) Run(ctx context.Context, b sched.Bindings) error {
	for _, c := range r.p.Calls {
		if err := errors.Join(ctx.Err(), r.d.wear()); err != nil {
			return err
		}
		var in, out []graph.Tensor
		for _, a := range c.In {
			span, ok := r.d.own(b.Span(a))
			if !ok {
				return fmt.Errorf("%s: an operand is not on the device", graph.Label(c.Node))
			}
			in = append(in, gather(span.Tensor(a.Shape), a))
		}
		for _, a := range c.Out {
			span, ok := r.d.own(b.Span(a))
			if !ok {
				return fmt.Errorf("%s: a result is not on the device", graph.Label(c.Node))
			}
			out = append(out, span.Tensor(a.Shape))
		}
		if err := ops.EvalNode(c.Node, in, out); err != nil {
			return err
		}
	}
	return nil
}

// gather reads a tensor through its strides.
func gather(t graph.Tensor, a sched.Arg) graph.Tensor {
	if a.Strides == nil {
		return t
	}
	dense := graph.NewTensor(a.Shape)
	for i := range dense.F {
		off, rest := 0, i
		for axis := a.Shape.Rank() - 1; axis >= 0; axis-- {
			off += rest % a.Shape.Dim(axis) * a.Strides[axis]
			rest /= a.Shape.Dim(axis)
		}
		dense.F[i] = t.F[off]
	}
	return dense
}
