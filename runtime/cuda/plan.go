package cuda

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/kernels"
	"github.com/deltaloom/deltaloom/runtime/lower"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// kernel cuts a node into launches. It looks at the op, the attributes and the
// shapes alone. An error says why there is no kernel for such a node and wraps
// errors.ErrUnsupported.
type kernel func(n *graph.Node, p *plan) error

var kernelOf = map[*graph.Op]kernel{}

// register makes k the kernel of these ops.
func register(k kernel, ops ...*graph.Op) {
	for _, op := range ops {
		kernelOf[op] = k
	}
}

// plan collects the launches of a node.
type plan struct {
	node      *graph.Node
	shared    int         // bytes of shared memory that a block may have
	call      *sched.Call // where operands and results lie; nil where that is not known yet
	launches  []launch
	scratched int64 // bytes of the node's scratch memory
	ticketed  int64 // and of its tickets
}

// dim is a number of blocks, or of threads, along x, y and z.
type dim = [3]int

// launch is one call of a device function: its buffers, then its parameters.
type launch struct {
	function    string
	grid, block dim
	shared      int // bytes of dynamic shared memory
	buffers     []buffer
	params      []byte
}

// buffer is memory that a launch is given the address of.
type buffer struct {
	kind bufferKind
	arg  int   // of operands and results
	off  int64 // bytes
}

type bufferKind uint8

const (
	nullBuffer bufferKind = iota
	operandBuffer
	resultBuffer
	scratchBuffer
	ticketBuffer
)

// null is the null pointer.
var null = buffer{}

// at is the memory off bytes further on.
func (b buffer) at(off int64) buffer {
	b.off += off
	return b
}

// in is the memory of operand i, out that of result i.
func (p *plan) in(i int) buffer  { return buffer{kind: operandBuffer, arg: i} }
func (p *plan) out(i int) buffer { return buffer{kind: resultBuffer, arg: i} }

// steps is how many elements apart the indices of an operand's axes are.
func (p *plan) steps(operand int) []int {
	if p.call != nil && p.call.In[operand].Strides != nil {
		return p.call.In[operand].Strides
	}
	return lower.DenseSteps(p.node.In(operand).Shape().Dims())
}

// scratch reserves memory of the node, for what one launch leaves to a later one.
// Its contents are undefined when the node begins.
func (p *plan) scratch(bytes int64) buffer {
	b := buffer{kind: scratchBuffer, off: p.scratched}
	p.scratched += (bytes + 255) &^ 255
	return b
}

// tickets is n numbers that are 0 between any two launches (runtime/kernels/ticket.h).
func (p *plan) tickets(n int) buffer {
	p.ticketed = max(p.ticketed, 4*int64(n))
	return buffer{kind: ticketBuffer}
}

// launch appends the launch of a kernel. params is a struct of numbers with the
// fields of the device's struct.
func (p *plan) launch(function string, grid, block dim, params any, buffers ...buffer) {
	p.launchShared(0, function, grid, block, params, buffers...)
}

// launchShared is launch with bytes of dynamic shared memory.
func (p *plan) launchShared(bytes int, function string, grid, block dim, params any, buffers ...buffer) {
	if kernels.Family(function) == "" {
		panic("cuda: no kernel " + function) // a mistake in this package, found by any test of the op
	}
	p.launches = append(p.launches, launch{function, grid, block, bytes, buffers, packed(params)})
}

// packed returns the bytes of a struct, which Go and C lay out alike as long as
// its fields are numbers or arrays of them.
func packed(params any) []byte {
	v := reflect.ValueOf(params)
	at := reflect.New(v.Type())
	at.Elem().Set(v)
	return append([]byte(nil), unsafe.Slice((*byte)(at.UnsafePointer()), v.Type().Size())...)
}

// inPlace reports that a result lies where the operand does.
func (p *plan) inPlace(result, operand int) bool {
	if p.call == nil {
		return false
	}
	y, x := p.call.Out[result], p.call.In[operand]
	return y.Storage == x.Storage && y.Off == x.Off
}

// copyTo makes result hold what operand holds, for ops that then write to some of
// it; it launches nothing where both lie in one place.
func (p *plan) copyTo(result, operand int) {
	if p.inPlace(result, operand) {
		return
	}
	n := p.node.In(operand).Shape().Bytes()
	p.launch("copy_bytes", along(int((n+15)/16)), line(threads), copyParams{uint64(n)}, p.in(operand), p.out(result))
}

type copyParams struct{ Bytes uint64 }

// threads is the number of threads of a block for kernels of one thread an
// element; along is the grid for n of them.
const threads = 256

// mostAlong is the most blocks along y or z that a card takes; what lay refuses.
const mostAlong = 65535

func along(n int) dim { return dim{(n + threads - 1) / threads, 1, 1} }

// line is a number of blocks or threads along x alone.
func line(n int) dim { return dim{n, 1, 1} }

func unsupported(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, errors.ErrUnsupported)...)
}
