package graphviz

import (
	"fmt"
	"slices"

	"github.com/emicklei/dot"

	"github.com/deltaloom/deltaloom/graph"
)

// picture is one drawing in the making.
type picture struct {
	g      *graph.Graph
	d      *division
	o      Options
	colors map[*graph.Node]string
	root   *dot.Graph
	nodes  map[*graph.Node]dot.Node
	in     map[*graph.Node]string // the cluster that a drawn node is in
	boxes  map[string]*dot.Graph
}

// render draws what the options choose of g; groups are its kinds of layers.
func render(g *graph.Graph, o Options, groups []kind, colors map[*graph.Node]string) (string, error) {
	p := &picture{g: g, d: split(g), o: o, colors: colors, root: dot.NewGraph(dot.Directed),
		nodes: map[*graph.Node]dot.Node{}, in: map[*graph.Node]string{}, boxes: map[string]*dot.Graph{}}
	chosen, err := p.choose(groups)
	if err != nil {
		return "", err
	}
	whole := o.All || len(p.d.layers) == 0
	total := 0
	for _, l := range p.d.layers {
		if chosen[l.key] != "" {
			total += len(l.nodes)
		}
	}
	if whole {
		total += len(p.d.rest)
	}
	if total > MaxNodes && !o.All {
		return "", fmt.Errorf("%d nodes are more than the %d that make a picture: choose layers, or ask for all of them", total, MaxNodes)
	}
	p.root.Attrs("label", title(o.Title, g.Stats(), colors), "labelloc", "t", "fontname", font, "rankdir", "TB", "ranksep", "0.25", "nodesep", "0.15", "tooltip", o.Title)
	if whole {
		for _, n := range p.d.rest {
			p.node(n, p.box("", n), "")
		}
	}
	for _, l := range p.d.layers {
		if chosen[l.key] == "" {
			continue
		}
		compute := 0
		for _, n := range l.nodes {
			if n.IsCompute() {
				compute++
			}
		}
		p.cluster(l.key, p.root, fmt.Sprintf("%s\n%d compute nodes of %d", chosen[l.key], compute, len(l.nodes)), "#fbfbf8")
		for _, n := range l.nodes {
			p.node(n, p.box(l.key, n), l.key)
		}
	}
	for _, n := range g.Nodes() {
		if _, drawn := p.nodes[n]; drawn {
			p.edges(n)
		}
	}
	p.results()
	return p.root.String(), nil
}

// choose returns the titles of the layers to be drawn, by key.
func (p *picture) choose(groups []kind) (map[string]string, error) {
	titles := map[string]string{}
	for _, k := range groups {
		times := ""
		if len(k.keys) > 1 {
			times = fmt.Sprintf(" ×%d (layers %s)", len(k.keys), ranges(k.numbers))
		}
		for i, key := range k.keys {
			switch {
			case p.o.All:
				titles[key] = key
			case len(p.o.Layers) > 0 && slices.Contains(p.o.Layers, k.numbers[i]), len(p.o.Layers) == 0 && i == 0:
				titles[key] = key + times
			}
		}
	}
	for _, want := range p.o.Layers {
		if !slices.ContainsFunc(groups, func(k kind) bool { return slices.Contains(k.numbers, want) }) {
			var have []int
			for _, k := range groups {
				have = append(have, k.numbers...)
			}
			if len(have) == 0 {
				return nil, fmt.Errorf("no layer %d: the graph has none", want)
			}
			return nil, fmt.Errorf("no layer %d: the graph has layers %s", want, ranges(have))
		}
	}
	return titles, nil
}

// box returns the cluster of n's part in its layer.
func (p *picture) box(layer string, n *graph.Node) *dot.Graph {
	part := p.d.part[n]
	outer := p.boxes[layer]
	if outer == nil {
		outer = p.root
	}
	if part == "" {
		return outer
	}
	key := layer + "/" + part
	if p.boxes[key] == nil {
		p.cluster(key, outer, part, "#ffffff")
	}
	return p.boxes[key]
}

func (p *picture) cluster(key string, outer *dot.Graph, title, fill string) {
	c := outer.Subgraph(fmt.Sprintf("%04d", len(p.boxes)), dot.ClusterOption{}) // kept in the order made
	c.Attrs("label", left(title), "fontname", font, "fontsize", "12", "style", "rounded,filled", "fillcolor", fill, "color", colorQuiet,
		"labeljust", "l", "margin", "10", "tooltip", title)
	p.boxes[key] = c
}

func (p *picture) node(n *graph.Node, in *dot.Graph, layer string) {
	d := in.Node(fmt.Sprintf("n%08d", n.ID()))
	color := p.colors[n]
	if p.o.Highlight != nil && p.o.Highlight(n) {
		color = colorMarked
	}
	style(d, n, layer, color)
	p.nodes[n] = d
	p.in[n] = layer
}

// edges draws the operands of n, from stubs where they are not in the picture,
// and the users that are not.
func (p *picture) edges(n *graph.Node) {
	layer := p.in[n]
	for i := range n.NumIn() {
		v := n.In(i)
		from, drawn := p.nodes[v.Node()]
		if !drawn || p.in[v.Node()] != layer && !p.o.All {
			from = p.source(v, layer)
		}
		e := p.root.Edge(from, p.nodes[n])
		quiet := n.Op().View || v.Node().Op().View || v.Node().IsLeaf()
		line(e, quiet)
		if v.Node().NumOut() > 1 {
			e.Attrs("taillabel", fmt.Sprint(v.Index()), "fontname", font, "fontsize", "8", "fontcolor", colorQuiet)
		}
	}
	if p.o.All || n.Op() == graph.InputOp {
		return
	}
	var away []string
	for _, u := range p.d.used[n] {
		l := p.d.of[u.Node]
		switch {
		case l == nil:
			away = append(away, scopeOr(u.Node.Scope(), u.Node.Op().Name))
		case l.key != layer:
			away = append(away, l.key)
		}
	}
	slices.Sort(away)
	away = slices.Compact(away)
	if len(away) > 0 && !n.IsLeaf() {
		text := "to " + away[0]
		if len(away) > 1 {
			text = fmt.Sprintf("to %d other layers", len(away))
		}
		d := p.boxOf(n).Node(fmt.Sprintf("t%08d", n.ID()))
		stub(d, text)
		line(p.root.Edge(p.nodes[n], d), true)
	}
}

func scopeOr(scope, otherwise string) string {
	if scope != "" {
		return scope
	}
	return otherwise
}

func (p *picture) boxOf(n *graph.Node) *dot.Graph {
	if b := p.boxes[p.in[n]]; b != nil {
		return b
	}
	return p.root
}

// source is the stub of a value from outside of a layer, one in each layer.
func (p *picture) source(v graph.Value, layer string) dot.Node {
	box := p.boxes[layer]
	if box == nil {
		box = p.root
	}
	n := v.Node()
	d := box.Node(fmt.Sprintf("f%08d.%d", n.ID(), v.Index()))
	switch {
	case n.Op() == graph.ConstOp:
		style(d, n, layer, "")
	case n.IsLeaf():
		stub(d, lines(n.Op().Name+" "+n.Name(), shape(v.Shape())))
	default:
		key, _, _ := layerOf(n.Scope())
		stub(d, lines("from "+scopeOr(scopeOr(key, n.Scope()), n.Op().Name), shape(v.Shape())))
	}
	return d
}

// results draws the graph's outputs and the way from a next value to its state.
func (p *picture) results() {
	for i, r := range p.g.Outputs() {
		if from, ok := p.nodes[r.Value.Node()]; ok {
			d := p.root.Node(fmt.Sprintf("y%08d", i))
			stub(d, lines("output "+r.Name, shape(r.Value.Shape())))
			d.Attrs("style", "bold", "fontcolor", colorLine, "color", colorLine)
			line(p.root.Edge(from, d), false)
		}
	}
	for _, s := range p.g.States() {
		from, ok := p.nodes[s.Next.Node()]
		to, ok2 := p.nodes[s.State.Node()]
		if ok && ok2 {
			e := p.root.Edge(from, to)
			line(e, false)
			e.Attrs("style", "dashed", "constraint", "false", "label", "next", "fontname", font, "fontsize", "8", "fontcolor", colorQuiet)
		}
	}
}

func line(e dot.Edge, quiet bool) {
	e.Attrs("color", colorLine, "arrowsize", "0.6")
	if quiet {
		e.Attrs("color", colorQuiet, "penwidth", "0.5", "arrowsize", "0.4")
	}
}
