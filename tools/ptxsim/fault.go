package ptxsim

import "fmt"

// Fault is what a kernel did wrong, and where.
type Fault struct {
	Kernel string
	Line   int    // of the module's text
	Text   string // of the instruction
	Block  [3]uint32
	Thread [3]uint32
	Reason string
}

func (f *Fault) Error() string {
	return fmt.Sprintf("%s, line %d (%s), block %v, thread %v: %s", f.Kernel, f.Line, f.Text, f.Block, f.Thread, f.Reason)
}

// fault ends the launch with what a lane did.
func (w *warp) fault(in *instr, lane int, format string, args ...any) {
	panic(&Fault{w.b.k.Name, in.line, in.text, w.b.id, w.thread(lane), fmt.Sprintf(format, args...)})
}
