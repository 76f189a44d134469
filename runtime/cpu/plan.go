package cpu

import (
	"errors"
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
	"github.com/deltaloom/deltaloom/runtime/lower"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// kernel cuts a node into steps. It looks at the op, the attributes and the
// shapes alone. An error says why there is no kernel for such a node and wraps
// errors.ErrUnsupported.
type kernel func(n *graph.Node, p *plan) error

var kernels = map[*graph.Op]kernel{}

// register makes k the kernel of these ops.
func register(k kernel, ops ...*graph.Op) {
	for _, op := range ops {
		kernels[op] = k
	}
}

// plan collects the steps of a node.
type plan struct {
	set     isa.Set
	vec     *vec.Funcs
	threads int
	call    *sched.Call // where operands and results lie; nil where that is not known yet
	steps   []step
	shared  int // bytes that the steps of the node share
	local   int // bytes of each worker, for one step
}

// step is units that do not depend on each other. A worker is given some of
// them, lo to hi-1 and at least one; which ones must not change what is computed.
type step struct {
	units int
	work  float64 // nanoseconds that one thread needs for all
	run   func(f *frame, lo, hi int)
	elementwise
}

// elementwise is a step that computes elements from to to-1 of its node's only
// result, any that it is asked for.
type elementwise struct {
	size    int  // of the result, 0 in other steps
	inOrder bool // operands of that size are read where the result is written
	each    func(f *frame, from, to int)
}

// alone reports a step that is over sooner than threads can agree on it.
func (s step) alone() bool { return s.units == 1 || s.work < 2000 }

// step appends a step of units that each take about work nanoseconds.
func (p *plan) step(units int, work float64, run func(f *frame, lo, hi int)) {
	p.steps = append(p.steps, step{units: units, work: float64(units) * work, run: run})
}

// block is how many elements one unit of an elementwise step has.
const block = 4096

// elements appends an elementwise step; work is the nanoseconds an element takes.
func (p *plan) elements(size int, inOrder bool, work float64, each func(f *frame, from, to int)) {
	p.steps = append(p.steps, step{lower.Ceil(size, block), work * float64(size), func(f *frame, lo, hi int) {
		each(f, lo*block, min(size, hi*block))
	}, elementwise{size, inOrder, each}})
}

// strides are how operand i lies, in elements; others than a dense tensor's only
// where Strided allows it.
func (p *plan) strides(i int, n *graph.Node) []int {
	if p.call != nil && p.call.In[i].Strides != nil {
		return p.call.In[i].Strides
	}
	return lower.DenseSteps(n.In(i).Shape().Dims())
}

// inPlace reports that a result lies where the operand does.
func (p *plan) inPlace(result, operand int) bool {
	if p.call == nil {
		return false
	}
	y, x := p.call.Out[result], p.call.In[operand]
	return y.Storage == x.Storage && y.Off == x.Off
}

// share reserves n bytes that hold what one step leaves for a later one of the
// same node.
func (p *plan) share(n int) region {
	r := region{p.shared, n}
	p.shared += (n + 63) &^ 63
	return r
}

// own reserves n bytes for each worker, to be used within one step.
func (p *plan) own(n int) region {
	r := region{p.local, n}
	p.local += (n + 63) &^ 63
	return r
}

// region is a piece of scratch memory.
type region struct{ off, n int }

func unsupported(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, errors.ErrUnsupported)...)
}
