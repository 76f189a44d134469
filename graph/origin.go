package graph

import (
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
)

// origin is where a node was made: a call in a Go program, or a line of a text.
// The zero origin is unknown.
type origin struct {
	pc   uintptr
	line int
}

// Origin says where the node was made: the file:line of the call outside the
// packages of the vocabulary, or "line 7" of a text that was parsed; "" where it
// is not known, as for leaves and views. A copy comes from where its model was made.
func (n *Node) Origin() string {
	switch {
	case n == nil:
		return ""
	case n.from.line > 0:
		return "line " + strconv.Itoa(n.from.line)
	case n.from.pc == 0:
		return ""
	}
	f, _ := runtime.CallersFrames([]uintptr{n.from.pc}).Next()
	return filepath.Base(f.File) + ":" + strconv.Itoa(f.Line)
}

// From makes the nodes until the returned function is called come from where n
// does, in its scope: they are copies of it, or what takes its place. For nil they
// come from nowhere, which is cheapest.
func (b *Builder) From(n *Node) (end func()) {
	scope := ""
	was, given := b.origin, b.given
	b.origin, b.given = origin{}, true
	if n != nil {
		scope, b.origin = n.scope, n.from
	}
	leave := b.Within(scope)
	return func() {
		leave()
		b.origin, b.given = was, given
	}
}

// Line makes the nodes from here on come from that line of a text.
func (b *Builder) Line(number int) { b.origin, b.given = origin{line: number}, true }

// locate gives a node its origin if Apply has just made it, as its first node
// from number first on. Only a program counter is kept: what it stands for is
// looked up when somebody asks. Leaves have none, they have names; nor have views,
// which are half of a graph and seldom what is wrong.
func (b *Builder) locate(n *Node, first int) {
	if b.given || len(b.nodes) == first || n.op.View {
		return
	}
	var pcs [4]uintptr
	for skip := 3; ; skip += len(pcs) { // Callers, locate and Apply
		made := runtime.Callers(skip, pcs[:])
		if pc := outside(pcs[:made]); pc != 0 || made < len(pcs) {
			n.from = origin{pc: pc}
			return
		}
	}
}

// known remembers which calls stand in the vocabulary: there are few of them.
var known = struct {
	sync.RWMutex
	inside map[uintptr]bool
}{inside: map[uintptr]bool{}}

// outside returns the first call that does not stand in the vocabulary, or 0.
func outside(pcs []uintptr) uintptr {
	known.RLock()
	defer known.RUnlock()
	for _, pc := range pcs {
		in, ok := known.inside[pc]
		if !ok {
			f, _ := runtime.CallersFrames([]uintptr{pc}).Next()
			in = f.File == "" || vocabulary(f.Function)
			known.RUnlock()
			known.Lock()
			known.inside[pc] = in
			known.Unlock()
			known.RLock()
		}
		if !in {
			return pc
		}
	}
	return 0
}
