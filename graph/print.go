package graph

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// String returns the text of the graph, one line a node, which Parse reads:
//
//	%0 = input "x" : f32[2 8]
//	%1 = const 0.5 : f32[]
//	%2 = mul(%0, %1) : f32[2 8] @blk.0
//	output "y" = %2
//	next %5 = %9
func (g *Graph) String() string {
	var buf bytes.Buffer
	p := printer{w: &buf}
	p.graph(g)
	return buf.String()
}

type printer struct {
	w      io.Writer
	bare   bool // without scopes
	bodies bodies
}

func (p *printer) graph(g *Graph) {
	p.bodies = bodies{}
	p.collect(g)
	p.nodes(g)
}

func (p *printer) nodes(g *Graph) {
	first := make([]int, g.MaxID()) // number of a node's result 0
	next := 0
	name := func(v Value) string { return "%" + strconv.Itoa(first[v.n.id]+v.i) }
	var line strings.Builder
	for _, n := range g.nodes {
		line.Reset()
		first[n.id] = next
		for i := range n.out {
			if i > 0 {
				line.WriteString(", ")
			}
			line.WriteString(name(Value{n, i}))
		}
		next += len(n.out)
		line.WriteString(" = " + n.op.Name)
		switch a := n.attrs.(type) {
		case LeafAttrs:
			line.WriteString(" " + strconv.Quote(a.Name))
		case ConstAttrs:
			line.WriteString(" " + formatFloat(float64(a.Value), 32))
		default:
			line.WriteByte('(')
			for i, v := range n.in {
				if i > 0 {
					line.WriteString(", ")
				}
				line.WriteString(name(v))
			}
			line.WriteByte(')')
			if s := formatAttrs(n.attrs, p.bodies); s != "" {
				line.WriteString(" {" + s + "}")
			}
		}
		line.WriteString(" : ")
		for i, s := range n.out {
			if i > 0 {
				line.WriteString(", ")
			}
			line.WriteString(s.String())
		}
		if n.scope != "" && !p.bare {
			line.WriteString(" @" + formatScope(n.scope))
		}
		line.WriteByte('\n')
		io.WriteString(p.w, line.String())
	}
	for _, o := range g.outputs {
		fmt.Fprintf(p.w, "output %q = %s\n", o.Name, name(o.Value))
	}
	for _, s := range g.states {
		fmt.Fprintf(p.w, "next %s = %s\n", name(s.State), name(s.Next))
	}
}

// formatScope quotes a scope that would not be read back as it is.
func formatScope(s string) string {
	for _, r := range s {
		if r == '"' || r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}
