// Package cpu is the backend for processors: every node is cut into steps of
// independent units, units are dealt to threads once and for all, and threads
// wait for each other between steps. A result has the same bits for any number
// of threads.
package cpu

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
	"github.com/deltaloom/deltaloom/runtime/lower"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// Options are the choices of a backend; the zero value takes the best of all.
type Options struct {
	Threads int    // 0 stands for GOMAXPROCS
	ISA     string // the instruction set, as isa.Parse takes it; "" stands for the best one
}

// Backend implements sched.HostBackend.
type Backend struct {
	set  isa.Set
	team *team
	said lower.Supported
}

// New returns a backend with its threads started.
func New(o Options) (*Backend, error) {
	set, err := isa.Parse(o.ISA)
	if err != nil {
		return nil, fmt.Errorf("cpu: %w", err)
	}
	if o.Threads < 0 || o.Threads > 1024 {
		return nil, fmt.Errorf("cpu: %d threads, want 1 to 1024", o.Threads)
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	return &Backend{set: set, team: newTeam(o.Threads)}, nil
}

func (*Backend) Name() string { return "cpu" }
func (*Backend) OnHost()      {}

// Threads returns how many threads compute, ISA with which instructions.
func (b *Backend) Threads() int { return b.team.workers }
func (b *Backend) ISA() isa.Set { return b.set }

// Scratch returns the bytes of memory that kernels use beside a plan's arena.
func (b *Backend) Scratch() int64 { return b.team.scratch.bytes() }

// Close ends the threads. No run may be under way.
func (b *Backend) Close() error {
	b.team.close()
	return nil
}

// Supports returns nil where there is a kernel for the node.
func (b *Backend) Supports(n *graph.Node) error {
	return b.said.Of(n, func(n *graph.Node) error {
		_, err := b.plan(n, nil)
		return err
	})
}

// Strided reports the tables of f32 and f16 that rows are looked up in.
func (b *Backend) Strided(n *graph.Node, operand int) bool {
	t := n.In(0).Shape().DType
	return n.Op() == ops.RowsOp && operand == 0 && (t == graph.F32 || t == graph.F16)
}

// plan cuts a node into steps; call may be nil.
func (b *Backend) plan(n *graph.Node, call *sched.Call) (*plan, error) {
	k, ok := kernels[n.Op()]
	if !ok {
		return nil, fmt.Errorf("%s: %w", n.Op().Name, errors.ErrUnsupported)
	}
	p := &plan{set: b.set, vec: vec.For(b.set), threads: b.team.workers, call: call}
	if err := k(n, p); err != nil {
		return nil, fmt.Errorf("%s: %w", n.Op().Name, err)
	}
	return p, nil
}

// Alloc returns Host memory.
func (*Backend) Alloc(bytes int64) (sched.Buffer, error) { return sched.AllocHost(bytes) }

// Copy moves Host memory.
func (*Backend) Copy(dst, src sched.Span) error { return sched.CopyHost(dst, src) }
