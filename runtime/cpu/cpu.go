// Package cpu is the backend for processors: every node is cut into steps of
// independent units, units are dealt to threads once and for all, and threads
// wait for each other between steps. A result has the same bits for any number
// of threads.
package cpu

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
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

	mu     sync.Mutex
	coarse map[coarseKind]error // what Supports said
}

// mostKinds bounds what is remembered: a step of another size has other kinds.
const mostKinds = 1024

// coarseKind is all that a kernel looks at in a coarse node: the body has the
// shapes of its operands.
type coarseKind struct {
	op    *graph.Op
	attrs ops.CoarseAttrs
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
	return &Backend{set: set, team: newTeam(o.Threads), coarse: map[coarseKind]error{}}, nil
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
	attrs, ok := n.Attrs().(ops.CoarseAttrs)
	if !ok {
		_, err := b.plan(n, nil)
		return err
	}
	// Comparing bodies takes long, and most layers have the same ones.
	kind := coarseKind{n.Op(), attrs}
	b.mu.Lock()
	said, ok := b.coarse[kind]
	b.mu.Unlock()
	if ok {
		return said
	}
	_, err := b.plan(n, nil)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.coarse) == mostKinds {
		clear(b.coarse)
	}
	b.coarse[kind] = err
	return err
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
