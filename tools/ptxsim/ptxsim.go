// Package ptxsim runs PTX, the assembly language of NVIDIA's drivers, on a
// processor: the very text that a program ships, with no card and no toolkit.
//
// Blocks run side by side, the warps of a block one after another up to the next
// barrier, the lanes of a warp together: those at the lowest instruction go first,
// and instructions that exchange values between lanes wait until all their members
// are there. Memory is checked: accesses out of bounds or misaligned, races between
// the threads of a block that no barrier keeps apart, and between blocks of one
// launch. What goes wrong is a *Fault with the line of the PTX, the block and the
// thread. Shared memory that nobody wrote reads as NaN.
//
// Approximate instructions (ex2, lg2, rsqrt, …) give the exact result, rounded.
// Neither time nor a weak order of memory accesses is modelled: between two
// barriers a block sees what its own warps wrote in the order of their numbers.
package ptxsim

// Module is PTX text, ready to run.
type Module struct {
	Version, Target string
	kernels         map[string]*Kernel
	names           []string
	globals         map[string]*variable // .global, .const and .extern .shared of the module
	tables          []byte               // of those that kernels name
}

// Kernel returns the entry of that name, nil for none.
func (m *Module) Kernel(name string) *Kernel { return m.kernels[name] }

// Kernels lists the entries in the order of the text.
func (m *Module) Kernels() []string { return m.names }

// Kernel is an entry of a module.
type Kernel struct {
	Name       string
	module     *Module
	MaxThreads int // of a block; 0: not said
	Shared     int // bytes of shared memory beside the dynamic one

	params   []Param
	paramLen int
	code     []instr
	slots    int // of the register file: registers, then constants
	consts   []constant
	specials []special
	local    int // bytes of each thread's local memory
	dynamic  bool
}

// Param is where a parameter lies in the block of parameters, in bytes.
type Param struct{ Offset, Size int }

// Params lists the parameters in order.
func (k *Kernel) Params() []Param { return k.params }

// constant is a slot that holds one value.
type constant struct {
	slot  int
	value uint64
}

// special is a slot that holds what a thread or block is told of itself.
type special struct {
	slot int
	name string
}

// instr is one instruction, compiled.
type instr struct {
	line   int
	text   string
	pred   int  // slot of the predicate, -1 for none
	negate bool // run where it is false
	kind   instrKind
	target int // of a branch; the table of an indexed one
	exec   func(w *warp, in *instr, mask uint32)
}

type instrKind uint8

const (
	plain      instrKind = iota
	converging           // waits for the members of a warp
	branch
	leave
	barrier
)
