package ptxsim

import "fmt"

// Fault is what a kernel did wrong, and where.
type Fault struct {
	Kernel      string
	Line        int       // of the PTX text, from 1; 0 if the launch itself is wrong
	Instruction string    // as it stands in the text
	Block       [3]uint32 // index of the block in the grid: x, y, z
	Thread      [3]uint32 // index of the thread in the block: x, y, z
	Reason      string
}

func (f *Fault) Error() string {
	if f.Line == 0 {
		return fmt.Sprintf("ptxsim: %s: %s", f.Kernel, f.Reason)
	}
	return fmt.Sprintf("ptxsim: %s: line %d: %s: block %v thread %v: %s", f.Kernel, f.Line, f.Instruction, f.Block, f.Thread, f.Reason)
}

// fault ends the launch: the worker that runs the block recovers it.
func (w *warp) fault(lane int, format string, args ...any) {
	in := &w.k.code[w.at]
	panic(&Fault{
		Kernel: w.k.Name, Line: in.line, Instruction: in.text,
		Block: w.b.index, Thread: w.thread(lane), Reason: fmt.Sprintf(format, args...),
	})
}
