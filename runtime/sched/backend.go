// Package sched runs graphs on backends. A Plan says, once and for all, which
// backend computes each node, where every tensor lies and what is copied when;
// a Runner holds weights and plans, a Session the states of one caller.
package sched

import (
	"context"

	"github.com/deltaloom/deltaloom/graph"
)

// Backend computes nodes on one device. All methods may be called concurrently.
type Backend interface {
	// Name is short, lower case and the same in every process: cpu, cuda.
	Name() string
	// Supports returns nil where the backend computes nodes of this op, these
	// attributes, shapes and types; otherwise the reason, which wraps
	// errors.ErrUnsupported. It looks at nothing else of the graph.
	Supports(n *graph.Node) error
	// Alloc returns zeroed memory, aligned to Align bytes.
	Alloc(bytes int64) (Buffer, error)
	// Copy moves dst.Len = src.Len bytes. At least one side is memory of the
	// backend; the other one may be Host memory, which the backend does not
	// touch after Copy has returned. Otherwise Copy and Run may return early, as
	// long as they take effect in the order they were called.
	Copy(dst, src Span) error
	// Compile prepares the calls of a partition.
	Compile(p *Partition) (Executable, error)
	Close() error
}

// ArenaCopier is implemented by backends that join uploads to an arena.
type ArenaCopier interface {
	// CopyToArena is Copy from host memory to a place in an arena: up to the next
	// multiple of Align behind it the memory is nobody's, and may be written too.
	CopyToArena(dst, src Span) error
}

// Zeroer is implemented by backends that clear memory of theirs without being sent
// zeros. Zero takes effect in the order of the calls, as Copy does.
type Zeroer interface {
	Zero(dst Span) error
}

// HostBackend marks a backend that computes in the memory of this process: every
// Buffer it gives is a Host, and it takes any Host. Such backends share one
// arena, and inputs, outputs and weights are used where they lie.
type HostBackend interface {
	Backend
	OnHost()
}

// StridedBackend is implemented by backends with kernels that read an operand
// through strides, so that a slice, permutation or broadcast in front of them
// moves no data.
type StridedBackend interface {
	Backend
	// Strided reports whether node n, which the backend supports, reads this
	// operand through strides.
	Strided(n *graph.Node, operand int) bool
}

// Capturer is implemented by backends that record a whole partition and replay
// it faster than it was launched. The recording is used only with the very
// memory that it was made with. Executions have happened before Capture, so
// modules are loaded and sizes known; Capture itself computes nothing.
type Capturer interface {
	Capture(e Executable, b Bindings) (Executable, error)
}

// Executable is a compiled partition. Run may be called concurrently with
// bindings that do not share written memory.
type Executable interface {
	// Run computes the calls in order. It ends early where ctx does.
	Run(ctx context.Context, b Bindings) error
	Close() error
}

// Launcher is implemented by executables that know what a run of theirs costs
// beside the computing: launches on a device, barriers between threads.
type Launcher interface {
	Launches() int
}

// Partition is a maximal run of nodes on one backend.
type Partition struct {
	Backend string
	Calls   []Call
	// Uses lists the storages that the calls touch, ascending.
	Uses []int
}

// Call computes one node. Memory is used again from call to call, so calls take
// effect in order, or as if they did.
type Call struct {
	Node    *graph.Node
	In, Out []Arg
}

// Arg says where a tensor lies: Off bytes into a storage of the plan. Several
// arguments of one call share memory only where the op's InPlace allows it.
type Arg struct {
	Storage int
	Off     int64
	Shape   graph.Shape
	// Strides, one an axis, count elements; nil stands for a dense tensor.
	// Only operands for which Strided said so have them.
	Strides []int
}

// Bindings says where the storages of a plan lie in one run.
type Bindings []Span

// Span returns the memory of a dense argument; of one with strides, all memory
// from its first element on.
func (b Bindings) Span(a Arg) Span {
	s := b[a.Storage]
	n := s.Len - a.Off
	if a.Strides == nil {
		n = a.Shape.Bytes()
	}
	return Span{s.Buf, s.Off + a.Off, n}
}

// Tensor returns the argument as a tensor in host memory, for host backends.
// With strides, the slice of the tensor runs from the first element on.
func (b Bindings) Tensor(a Arg) graph.Tensor { return b.Span(a).Tensor(a.Shape) }
