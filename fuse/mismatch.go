package fuse

import (
	"fmt"
	"strings"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// reason is what a match broke off for. The matcher passes a number, so that
// nothing is written where nobody asks.
type reason int

const (
	otherOp reason = iota
	turned         // the operands stand the other way round
	missingOp
	extraOp
	otherAttrs
	otherNode       // the pattern's node stands for another one already
	takenNode       // the graph's node stands for another one already
	otherOperand    // the operand is another value elsewhere
	operandElements // the operand is read at other elements than elsewhere
	otherElements
	moreElements
	otherAxes
	otherExtents
	otherType
	notKnown // the operand depends on more than weights
	noOutput // a further result is not there
	gaveUp
)

// edge is an operand of a node; no reader stands for where a match begins.
type edge struct {
	reader  *graph.Node
	operand int
}

// mismatch is the first thing in a graph that is not as the pattern has it.
type mismatch struct {
	edge
	why         reason
	want, found graph.Value // pattern, graph
	elsewhere   graph.Value // what want stands for already
	inner       graph.Value // operand of want that found is, where want is missing
	pat         *pattern
}

var ordinals = [...]string{"its", "its second", "its third"}

// place names the edge.
func (m mismatch) place() string {
	if m.reader == nil {
		return ""
	}
	operand := fmt.Sprintf("its operand %d", m.operand+1)
	switch {
	case m.reader.NumIn() == 1:
		operand = "its operand"
	case m.operand == 0:
		operand = "its first operand"
	case m.operand < len(ordinals):
		operand = ordinals[m.operand] + " operand"
	}
	return fmt.Sprintf("%s: %s is ", describe(m.reader, ""), operand)
}

// String says what is there and what the rule wants.
func (m mismatch) String() string {
	scope := ""
	if m.reader != nil {
		scope = m.reader.Scope()
	}
	found := describe(m.found.Node(), scope)
	if m.found.Node() == nil {
		return m.resultless()
	}
	want := m.pat.words(m.want)
	text := ""
	switch m.why {
	case otherOp, missingOp, extraOp:
		text = "the rule wants " + want
	case turned:
		text = "with its operands the other way round than in the rule's " + want
	case otherAttrs:
		found += " {" + m.found.Node().AttrText() + "}"
		text = fmt.Sprintf("the rule wants {%s}", m.want.Node().AttrText())
	case otherNode, otherOperand:
		text = fmt.Sprintf("the rule wants %s, which is %s elsewhere", want, describe(m.elsewhere.Node(), scope))
	case takenNode:
		text = fmt.Sprintf("the rule wants %s, and that node is something else already", want)
	case operandElements:
		text = fmt.Sprintf("the rule's %s, read along other axes than elsewhere", want)
	case otherElements:
		text = fmt.Sprintf("the rule's %s, read along other axes than elsewhere", want)
	case moreElements:
		text = fmt.Sprintf("read along more axes than %s %v of the rule has", want, m.want.Shape().Dims())
	case otherAxes:
		text = fmt.Sprintf("not along the axes of the rule's %s %v", want, m.want.Shape().Dims())
	case otherExtents:
		text = fmt.Sprintf("the rule wants %s %v", want, m.want.Shape().Dims())
	case otherType:
		text = fmt.Sprintf("the rule wants %s of type %v", want, m.want.Shape().DType)
	case notKnown:
		text = fmt.Sprintf("the rule wants %s, a value that is known when a model is loaded", want)
	case noOutput:
		return fmt.Sprintf("%s is there, but not %s of it, which the rule has as a result", found, want)
	case gaveUp:
		return fmt.Sprintf("the search was given up after %d steps", maxSteps)
	}
	return m.place() + found + ", " + text
}

func (m mismatch) resultless() string {
	return fmt.Sprintf("the rule's result %s is not there", m.pat.words(m.want))
}

// hint says what would make it match.
func (m mismatch) hint() string {
	found, want := m.found.Node(), m.want.Node()
	switch m.why {
	case otherOp:
		return fmt.Sprintf("replace %s by %s", word(found), want.Op().Name)
	case missingOp:
		with := ""
		for i := range want.NumIn() {
			if x := m.pat.bare(want.In(i)); x != m.inner {
				with = m.pat.words(x)
			}
		}
		switch {
		case want.Op().Contract && found.Op() == ops.SumLastOp:
			return fmt.Sprintf("multiply by %s before the sum", with)
		case with != "":
			with = " with " + with
		}
		return fmt.Sprintf("put %s%s around it", want.Op().Name, with)
	case turned:
		return "turn them round"
	case extraOp:
		return fmt.Sprintf("leave %s out", word(found))
	case otherAttrs:
		return fmt.Sprintf("give it {%s}", want.AttrText())
	case otherNode, otherOperand:
		return fmt.Sprintf("read %s here too", word(m.elsewhere.Node()))
	case operandElements, otherElements, moreElements, otherAxes, otherExtents:
		return "look for a transpose, repeat, slice or broadcast too many or too few"
	case notKnown:
		return "declare it as a weight"
	case noOutput:
		return "compute " + m.pat.words(m.want)
	}
	return ""
}

// describe names a node of a graph with its extents and the line that made it;
// a scope that is known already is left out.
func describe(n *graph.Node, scope string) string {
	if n == nil {
		return "nothing"
	}
	s := graph.Label(n)
	if scope != "" && n.Scope() == scope {
		s = strings.TrimPrefix(s, scope+": ")
	}
	s += fmt.Sprintf(" %v", n.Out(0).Shape().Dims())
	if at := n.Origin(); at != "" {
		s += " (" + at + ")"
	}
	return s
}

// word names a node in short.
func word(n *graph.Node) string {
	if n.Name() != "" {
		return fmt.Sprintf("%s %q", n.Op().Name, n.Name())
	}
	return n.Op().Name
}

// words writes a value of the pattern with its operands: mul(s, exp).
func (c *pattern) words(v graph.Value) string {
	v = c.bare(v)
	n := v.Node()
	if n.Name() != "" {
		return n.Name()
	}
	var in []string
	for i := range n.NumIn() {
		x := c.bare(n.In(i)).Node()
		if name := x.Name(); name != "" {
			in = append(in, name)
		} else {
			in = append(in, x.Op().Name)
		}
	}
	if len(in) == 0 {
		return n.Op().Name
	}
	return fmt.Sprintf("%s(%s)", n.Op().Name, strings.Join(in, ", "))
}

// bare is a value of the pattern without the views and copies around it.
func (c *pattern) bare(v graph.Value) graph.Value {
	for !c.isVar(v) && looksThrough(v) {
		v = v.Node().In(0)
	}
	return v
}

// escape says that a value which the rule would remove is read from outside, or,
// without a reader, is a result of the graph.
type escape struct {
	value  graph.Value
	reader *graph.Node
}

func (e *escape) Error() string {
	if e.reader == nil {
		return graph.Label(through(e.value).Node()) + " is a result of the graph"
	}
	return fmt.Sprintf("%s is also read by %s", graph.Label(through(e.value).Node()), graph.Label(e.reader))
}

// explain is Error with extents and lines.
func (e *escape) explain() (miss, hint string) {
	inside := through(e.value).Node()
	if e.reader == nil {
		return describe(inside, "") + " is a result of the graph, and the rule would remove it", "let the graph not give it"
	}
	return fmt.Sprintf("%s is also read by %s, and the rule would remove it", describe(inside, ""), describe(e.reader, inside.Scope())),
		fmt.Sprintf("let %s read something else", word(e.reader))
}
