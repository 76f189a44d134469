package graphviz

import (
	"fmt"
	"html"
	"strings"
	"unicode"

	"github.com/emicklei/dot"

	"github.com/deltaloom/deltaloom/graph"
)

// Fill colours, readable in print and for most colour-blind eyes.
const (
	colorFused  = "#f6a623" // a fused node
	colorMarked = "#fde7a9" // highlighted by the caller
	colorNew    = "#cfe8d5" // not in the graph before
	colorGone   = "#f7cfd2" // not in the graph after
	colorMatMul = "#dbe7f6"
	colorPlain  = "#ffffff"
	colorLeaf   = "#f1f1ee"
	colorState  = "#e6ddf3"
	colorQuiet  = "#6b7280" // text and edges of what moves no data
	colorLine   = "#4a5160"
	font        = "Helvetica"
)

// title is the head of a picture, with what the colours in it mean.
func title(text string, s graph.Stats, pair map[*graph.Node]string) dot.HTML {
	type entry struct{ color, text string }
	colors := []entry{{colorFused, "fused"}, {colorMatMul, "matrix product"}, {colorState, "state"}, {colorLeaf, "weight"}}
	for _, c := range pair {
		if c == colorGone {
			colors = append(colors, entry{c, "not there after"})
		} else {
			colors = append(colors, entry{c, "not there before"})
		}
		break
	}
	var b strings.Builder
	b.WriteString(`<table border="0" cellborder="0" cellspacing="4">`)
	row := func(size int, text string) {
		fmt.Fprintf(&b, `<tr><td colspan="%d"><font point-size="%d">%s</font></td></tr>`, len(colors)+1, size, html.EscapeString(plain(text)))
	}
	if text != "" {
		row(18, text)
	}
	row(12, fmt.Sprintf("%d compute nodes, %d nodes in all", s.Compute, s.Nodes))
	b.WriteString("<tr>")
	for _, c := range colors {
		fmt.Fprintf(&b, `<td bgcolor="%s"><font point-size="10"> %s </font></td>`, c.color, c.text)
	}
	fmt.Fprintf(&b, `<td><font point-size="10" color="%s"> view </font></td></tr></table>`, colorQuiet)
	return dot.HTML(b.String())
}

// plain drops what has no place in a line of text.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\n' {
			return r
		}
		return ' '
	}, s)
}

// left is a label of lines that begin at the left.
func left(text string) dot.Literal {
	text = strings.NewReplacer("\\", "\\\\", `"`, `\"`, "\n", `\l`).Replace(plain(text))
	return dot.Literal(`"` + text + `\l"`)
}

// fused reports an op that stands for plainer ones.
func fused(n *graph.Node) bool { return n.Op().Decompose != nil }

// shape writes extents, with the type where it is not f32.
func shape(s graph.Shape) string {
	return strings.TrimPrefix(s.String(), graph.F32.String())
}

func shapes(n *graph.Node) string {
	var all []string
	for i := range n.NumOut() {
		all = append(all, shape(n.Out(i).Shape()))
	}
	return strings.Join(all, "  ")
}

// attributes of a view that its shapes do not tell, and of any other op.
func attributes(n *graph.Node) string {
	if n.Op().Name == "reshape" || n.Op().Name == "broadcast" {
		return ""
	}
	return n.AttrText()
}

func lines(parts ...string) string {
	text := ""
	for _, p := range parts {
		if p != "" {
			text += "\n" + p
		}
	}
	return strings.TrimPrefix(text, "\n")
}

// style gives a node its look; within is the layer it stands in.
func style(d dot.Node, n *graph.Node, within string, color string) {
	d.Attrs("fontname", font, "fontsize", "10", "color", colorLine, "margin", "0.08,0.04", "height", "0.1", "width", "0.1",
		"shape", "box", "style", "rounded,filled", "fillcolor", colorPlain)
	d.Attr("tooltip", graph.Label(n))
	small := func() { d.Attrs("fontsize", "8", "margin", "0.05,0.02") }
	switch op := n.Op(); {
	case op == graph.ConstOp:
		small()
		d.Attrs("label", strings.TrimPrefix(n.AttrText(), "value="), "shape", "plaintext", "style", "", "fontcolor", colorQuiet)
		if n.AttrText() == "" {
			d.Attr("label", "0")
		}
	case op == graph.StateOp:
		small()
		d.Attrs("label", lines(n.Name(), shape(n.Out(0).Shape())), "shape", "cylinder", "style", "filled", "fillcolor", colorState)
	case n.IsLeaf():
		small()
		name := strings.TrimPrefix(n.Name(), within+".")
		d.Attrs("label", lines(name, shape(n.Out(0).Shape())), "style", "filled", "fillcolor", colorLeaf, "color", colorQuiet)
		if op == graph.InputOp {
			d.Attrs("shape", "ellipse", "color", colorLine)
		}
	case op.View:
		small()
		d.Attrs("label", lines(op.Name+" "+shapes(n), attributes(n)), "shape", "plaintext", "style", "", "fontcolor", colorQuiet)
	case fused(n):
		d.Attrs("label", lines(op.Name, shapes(n), attributes(n)), "fontsize", "13", "margin", "0.2,0.12",
			"fillcolor", colorFused, "penwidth", "2")
	default:
		d.Attrs("label", lines(op.Name, shapes(n), attributes(n)))
		switch {
		case color != "":
			d.Attr("fillcolor", color)
		case op.Contract:
			d.Attr("fillcolor", colorMatMul)
		}
		if n.Static() {
			d.Attr("style", "rounded,filled,dashed")
		}
	}
	if color == colorMarked {
		d.Attrs("style", "rounded,filled", "fillcolor", colorMarked, "penwidth", "2", "shape", "box")
	}
}

// stub is the look of a value from or for somewhere else.
func stub(d dot.Node, label string) {
	d.Attrs("label", label, "fontname", font, "fontsize", "8", "fontcolor", colorQuiet, "color", colorQuiet, "shape", "box",
		"style", "dashed", "margin", "0.05,0.02", "height", "0.1", "width", "0.1")
}
