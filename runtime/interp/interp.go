// Package interp is the reference backend: every op by its Eval, slow, float32
// between ops and float64 inside. What it computes is what an op means.
package interp

import (
	"context"
	"errors"
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// Backend implements sched.HostBackend.
type Backend struct{ opts []ops.Option }

// New returns the backend; ops.RoundActivations makes its products with
// quantised weights those of llama.cpp on a CPU, or of our own CPU backend.
func New(opts ...ops.Option) *Backend { return &Backend{opts} }

func (*Backend) Name() string { return "interp" }
func (*Backend) OnHost()      {}
func (*Backend) Close() error { return nil }

// Supports takes every op that has a meaning.
func (*Backend) Supports(n *graph.Node) error {
	if op := n.Op(); op.Eval == nil && op.Decompose == nil {
		return fmt.Errorf("%s has neither Eval nor Decompose: %w", op.Name, errors.ErrUnsupported)
	}
	return nil
}

// Alloc returns Host memory.
func (*Backend) Alloc(bytes int64) (sched.Buffer, error) { return sched.AllocHost(bytes) }

// Copy moves Host memory.
func (*Backend) Copy(dst, src sched.Span) error { return sched.CopyHost(dst, src) }

// Compile has nothing to prepare.
func (b *Backend) Compile(p *sched.Partition) (sched.Executable, error) {
	return &executable{b.opts, p}, nil
}

type executable struct {
	opts []ops.Option
	part *sched.Partition
}

func (e *executable) Close() error { return nil }

// Run evaluates node after node, and looks at ctx in between.
func (e *executable) Run(ctx context.Context, b sched.Bindings) error {
	opts := append(e.opts[:len(e.opts):len(e.opts)], ops.WithContext(ctx))
	for _, c := range e.part.Calls {
		err := ctx.Err()
		if err == nil {
			err = e.eval(c, b, opts)
		}
		if err != nil {
			return fmt.Errorf("%s: interp: %w", graph.Label(c.Node), err)
		}
	}
	return nil
}

func (e *executable) eval(c sched.Call, b sched.Bindings, opts []ops.Option) error {
	in, out := make([]graph.Tensor, len(c.In)), make([]graph.Tensor, len(c.Out))
	for i, a := range c.In {
		in[i] = b.Tensor(a)
	}
	for i, a := range c.Out {
		out[i] = b.Tensor(a)
	}
	err := ops.EvalNode(c.Node, in, out, opts...)
	if cause := errors.Unwrap(err); cause != nil {
		return cause // without the name of the node, which Run puts in front
	}
	return err
}
