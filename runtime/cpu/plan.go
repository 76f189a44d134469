package cpu

import (
	"errors"
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
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
}

// alone reports a step that is over sooner than threads can agree on it.
func (s step) alone() bool { return s.units == 1 || s.work < 2000 }

// step appends a step of units that each take about work nanoseconds.
func (p *plan) step(units int, work float64, run func(f *frame, lo, hi int)) {
	p.steps = append(p.steps, step{units, float64(units) * work, run})
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
