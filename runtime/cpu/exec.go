package cpu

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// executable is the steps of a partition. Runs take turns: each has all threads.
type executable struct {
	team     *team
	calls    []sched.Call
	steps    []boundStep
	barriers int
	shared   int // bytes of scratch memory that steps share, and of each worker
	local    int

	mu     sync.Mutex
	frames []*frame // by worker
	work   func(worker int)
	ctx    context.Context
	failed atomic.Pointer[failure]
}

type boundStep struct {
	step
	call *sched.Call
	meet bool // all workers wait for each other after it
}

// failure is the first error of a run, and the step it came from.
type failure struct {
	step int
	node *graph.Node
	err  error
}

// Compile plans every call.
func (b *Backend) Compile(part *sched.Partition) (sched.Executable, error) {
	e := &executable{team: b.team, calls: part.Calls}
	for i := range e.calls {
		c := &e.calls[i]
		p, err := b.plan(c.Node)
		if err != nil {
			return nil, fmt.Errorf("%s: cpu: %w", graph.Label(c.Node), err)
		}
		for _, s := range p.steps {
			e.steps = append(e.steps, boundStep{step: s, call: c})
		}
		e.shared, e.local = max(e.shared, p.shared), max(e.local, p.local)
	}
	// Two steps of one worker follow each other without anybody waiting.
	for i := range e.steps {
		e.steps[i].meet = !e.steps[i].alone() || i+1 == len(e.steps) || !e.steps[i+1].alone()
		if e.steps[i].meet {
			e.barriers++
		}
	}
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
	for _, f := range e.frames {
		f.bind = b
	}
	e.team.run(e.work)
	e.ctx = nil
	for _, f := range e.frames { // a plan that is kept must not keep a session's memory
		f.bind, f.shared, f.local = nil, nil, nil
	}
	if f := e.failed.Load(); f != nil {
		return fmt.Errorf("%s: cpu: %w", graph.Label(f.node), f.err)
	}
	return nil
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
			f.call, f.step = s.call, i
			s.run(f, lo, hi)
		}
		if worker == 0 {
			if err := e.ctx.Err(); err != nil {
				f.call, f.step = s.call, i
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
	call   *sched.Call
	step   int
	shared []byte
	local  []byte
}

// in returns an operand of f32, out a result.
func (f *frame) in(i int) []float32  { return f.bind.Tensor(f.call.In[i]).F }
func (f *frame) out(i int) []float32 { return f.bind.Tensor(f.call.Out[i]).F }

// ints returns an operand of i32, outInts a result.
func (f *frame) ints(i int) []int32    { return f.bind.Tensor(f.call.In[i]).I }
func (f *frame) outInts(i int) []int32 { return f.bind.Tensor(f.call.Out[i]).I }

// bytes returns an operand of any type as it lies in memory, outBytes a result.
func (f *frame) bytes(i int) []byte    { return f.bind.Span(f.call.In[i]).Bytes() }
func (f *frame) outBytes(i int) []byte { return f.bind.Span(f.call.Out[i]).Bytes() }

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
