package ptxsim

// Module is a parsed PTX text. It does not change, so that launches may share it.
type Module struct {
	kernels map[string]*Kernel
	names   []string             // of the kernels, in the order of the text
	vars    map[string]*variable // of the whole module: .global, .const, .shared
}

// Kernel returns the entry of that name, or nil.
func (m *Module) Kernel(name string) *Kernel { return m.kernels[name] }

// Kernels lists the entries in the order of the text.
func (m *Module) Kernels() []string { return append([]string(nil), m.names...) }

// Param says where a parameter lies in a kernel's parameter block, in bytes.
type Param struct{ Offset, Size int }

// Kernel is an entry of a module.
type Kernel struct {
	Name       string
	MaxThreads int // of a block; 0: as many as there may be
	Shared     int // bytes of declared shared memory; dynamic memory follows

	module   *Module
	params   []Param
	local    int // bytes of local memory of a thread
	dynAlign int // of dynamic shared memory

	code     []instr
	template []initial // what the slots of a warp hold at the start of a block
	preds    int       // predicate registers
	specials []special // slots of special registers
}

// Params lists the parameters in their order.
func (k *Kernel) Params() []Param { return append([]Param(nil), k.params...) }

func (k *Kernel) paramBytes() int {
	if len(k.params) == 0 {
		return 0
	}
	p := k.params[len(k.params)-1]
	return p.Offset + p.Size
}

// A variable is a declared piece of memory.
type variable struct {
	space  string // "shared", "local", "global", "const", "param"
	name   string
	align  int
	size   int    // bytes
	init   []byte // of .global and .const: what it holds, zeros after that
	extern bool   // dynamic shared memory
	offset int    // in its space; of statics: in the module's block of its space
}

// An initial is what one slot of a warp's register file starts with.
type initial struct {
	value uint64
	sym   *variable // not nil: the address of sym, plus value
}

type control uint8

const (
	plain   control = iota
	branch          // to target
	indexed         // to targets[index register]
	exit
	together // runs when all members are there
	barrier  // together, then waits for the block
)

// An instr is one decoded instruction.
type instr struct {
	pred    int    // predicate register, or -1
	flip    uint32 // all ones: runs where the predicate is false
	control control
	target  int
	targets []int
	index   int                            // slot of an indexed branch's index
	members func(w *warp, lane int) uint32 // of together: the lanes that must be there
	exec    func(w *warp, mask uint32)     // for the lanes of the mask
	line    int
	text    string
}

func alignUp(n, a int) int { return (n + a - 1) / a * a }
