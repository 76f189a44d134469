package cpu

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cpu/gemm"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// executable is the steps of a partition. Runs take turns: each has all threads.
type executable struct {
	team     *team
	steps    []boundStep
	barriers int
	shared   int // bytes of scratch memory that steps share, and of each worker
	local    int

	mu     sync.Mutex
	memory [][]byte // by storage
	frames []*frame // by worker
	work   func(worker int)
	ctx    context.Context
	failed atomic.Pointer[failure]
}

type boundStep struct {
	step
	calls  []*call // one, or those of a chain
	shares bool    // memory of its node with other steps
	meet   bool    // all workers wait for each other after it
}

// call is a call and where its operands and results lie.
type call struct {
	*sched.Call
	in, out []place
}

// place is some bytes of a storage.
type place struct {
	storage  int
	from, to int64
}

func placesOf(args []sched.Arg) []place {
	list := make([]place, len(args))
	for i, a := range args {
		n := a.Shape.Bytes()
		if a.Strides != nil { // to the last element
			last := 0
			for axis, stride := range a.Strides {
				last += (a.Shape.Dim(axis) - 1) * stride
			}
			n = a.Shape.DType.Bytes(last + 1)
		}
		list[i] = place{a.Storage, a.Off, a.Off + n}
	}
	return list
}

// meets reports that two places have memory in common.
func (p place) meets(q place) bool {
	return p.storage == q.storage && p.from < q.to && q.from < p.to
}

// failure is the first error of a run, and the step it came from.
type failure struct {
	step int
	node *graph.Node
	err  error
}

// Compile plans every call.
func (b *Backend) Compile(part *sched.Partition) (sched.Executable, error) {
	e := &executable{team: b.team}
	for i := range part.Calls {
		c := &call{Call: &part.Calls[i]}
		c.in, c.out = placesOf(c.In), placesOf(c.Out)
		p, err := b.plan(c.Node, c.Call)
		if err != nil {
			return nil, fmt.Errorf("%s: cpu: %w", graph.Label(c.Node), err)
		}
		for _, s := range p.steps {
			e.steps = append(e.steps, boundStep{step: s, calls: []*call{c}, shares: p.shared > 0})
		}
		e.shared, e.local = max(e.shared, p.shared), max(e.local, p.local)
	}
	e.steps = joined(e.steps)
	e.barriers = setBarriers(e.steps)
	b.team.scratch.reserve(b.team.workers, e.shared, e.local)
	for w := range b.team.workers {
		e.frames = append(e.frames, &frame{Worker: w, vec: vec.For(b.set), exec: e})
	}
	e.work = e.runWorker
	return e, nil
}

// Launches returns how often the threads wait for each other in one run.
func (e *executable) Launches() int { return e.barriers }

func (e *executable) Close() error { return nil }

// Run looks at ctx between steps.
func (e *executable) Run(ctx context.Context, b sched.Bindings) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ctx = ctx
	e.failed.Store(nil)
	e.team.scratch.lend(e.frames, e.shared, e.local)
	e.memory = memoryOf(b, e.memory)
	for _, f := range e.frames {
		f.bind, f.memory = b, e.memory
	}
	e.team.run(e.work)
	e.ctx = nil
	clear(e.memory) // a plan that is kept must not keep a session's memory
	for _, f := range e.frames {
		f.bind, f.memory, f.shared, f.local, f.gemm = nil, nil, nil, nil, nil
	}
	if f := e.failed.Load(); f != nil {
		return fmt.Errorf("%s: cpu: %w", graph.Label(f.node), f.err)
	}
	return nil
}

// memoryOf returns the memory of each storage, in list if that is long enough.
func memoryOf(b sched.Bindings, list [][]byte) [][]byte {
	list = list[:0]
	for _, s := range b {
		list = append(list, s.Bytes())
	}
	return list
}

// runWorker runs one worker's part of all steps. After a failure all workers stop
// where they meet next: one that is late may see an error of the step after that
// already, and must still take part in it.
func (e *executable) runWorker(worker int) {
	f, n := e.frames[worker], e.team.workers
	for i := range e.steps {
		s := &e.steps[i]
		lo, hi := s.units*worker/n, s.units*(worker+1)/n
		if s.alone() { // and worker 0 is the one
			lo, hi = 0, s.units
			if worker > 0 {
				hi = 0
			}
		}
		if bad := e.failed.Load(); lo < hi && (bad == nil || bad.step >= i) {
			f.call, f.step = s.calls[0], i
			s.run(f, lo, hi)
		}
		if worker == 0 {
			if err := e.ctx.Err(); err != nil {
				f.call, f.step = s.calls[0], i
				f.fail(err)
			}
		}
		if !s.meet {
			continue
		}
		e.team.barrier()
		if bad := e.failed.Load(); bad != nil && bad.step <= i {
			return
		}
	}
}

// frame is what a worker's steps see of a run.
type frame struct {
	Worker int
	vec    *vec.Funcs

	exec   *executable
	bind   sched.Bindings
	memory [][]byte // by storage
	call   *call
	step   int
	shared []byte
	local  []byte
	gemm   *gemm.Scratch
}

// in returns an operand of f32, out a result.
func (f *frame) in(i int) []float32  { return floats(f.bytes(i)) }
func (f *frame) out(i int) []float32 { return floats(f.outBytes(i)) }

// ints returns an operand of i32, outInts a result.
func (f *frame) ints(i int) []int32    { return ints(f.bytes(i)) }
func (f *frame) outInts(i int) []int32 { return ints(f.outBytes(i)) }

// bytes returns an operand of any type as it lies in memory, outBytes a result.
func (f *frame) bytes(i int) []byte    { return f.at(f.call.in[i]) }
func (f *frame) outBytes(i int) []byte { return f.at(f.call.out[i]) }

func (f *frame) at(p place) []byte { return f.memory[p.storage][p.from:p.to:p.to] }

// sharedBytes returns memory of the node, ownBytes of the worker.
func (f *frame) sharedBytes(r region) []byte { return f.shared[r.off : r.off+r.n : r.off+r.n] }
func (f *frame) ownBytes(r region) []byte    { return f.local[r.off : r.off+r.n : r.off+r.n] }

// sharedFloats and ownFloats are the same memory as floats.
func (f *frame) sharedFloats(r region) []float32 { return floats(f.sharedBytes(r)) }
func (f *frame) ownFloats(r region) []float32    { return floats(f.ownBytes(r)) }

// fail ends the run after this step; the first error is the one returned.
func (f *frame) fail(err error) {
	f.exec.failed.CompareAndSwap(nil, &failure{f.step, f.call.Node, err})
}

func ints(b []byte) []int32 {
	if len(b) == 0 {
		return nil
	}
	return unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

func floats(b []byte) []float32 {
	if len(b) == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

// alignedBytes returns n bytes at an address that vectors like.
func alignedBytes(n int) []byte {
	h, err := sched.NewHost(int64(n))
	if err != nil {
		panic(err) // the sizes of a graph's values have been checked
	}
	return h.Bytes()
}
