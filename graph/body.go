package graph

import (
	"fmt"
	"reflect"
	"strconv"
)

// GraphAttr is an attribute that is itself a graph, such as what a fused node
// stands for. Equal graphs must be equal attributes. The text form writes it
// once, ahead of the nodes that refer to it by number:
//
//	body 1
//	%0 = input "0" : f32[2]
//	output "0" = %0
//	end
//	%3 = op(%2) {body=1} : f32[2]
type GraphAttr interface {
	AttrGraph() *Graph // nil for the zero value
}

// graphAttrSetter is the other half of a GraphAttr, on its pointer.
type graphAttrSetter interface {
	SetAttrGraph(*Graph) error
}

var (
	graphAttr = reflect.TypeFor[GraphAttr]()
	setter    = reflect.TypeFor[graphAttrSetter]()
)

// bodies numbers the graphs that attributes of the printed graph hold.
type bodies map[*Graph]int

// collect prints the bodies that g's nodes refer to, inner ones first.
func (p *printer) collect(g *Graph) {
	for _, n := range g.nodes {
		for _, b := range attrGraphs(n.attrs) {
			if _, done := p.bodies[b]; done {
				continue
			}
			p.collect(b)
			p.bodies[b] = len(p.bodies) + 1
			fmt.Fprintf(p.w, "body %d\n", p.bodies[b])
			p.nodes(b)
			fmt.Fprintln(p.w, "end")
		}
	}
}

// attrGraphs returns the graphs among the fields of a.
func attrGraphs(a Attrs) []*Graph {
	if a == nil || isLeafAttrs(a) {
		return nil
	}
	var all []*Graph
	v := reflect.ValueOf(a)
	for i := range v.NumField() {
		if x, ok := v.Field(i).Interface().(GraphAttr); ok && x.AttrGraph() != nil {
			all = append(all, x.AttrGraph())
		}
	}
	return all
}

func isLeafAttrs(a Attrs) bool {
	switch a.(type) {
	case LeafAttrs, ConstAttrs:
		return true
	}
	return false
}

// body reads the line "body N" and what follows up to "end".
func (p *parser) body(s string) (done bool, err error) {
	if p.inner == nil {
		number, ok := cutBody(s)
		if !ok {
			return false, nil
		}
		n, err := strconv.Atoi(number)
		if err != nil || p.bodies[n] != nil || n < 1 {
			return true, fmt.Errorf("body %q has no number of its own", number)
		}
		p.inner, p.number = &parser{b: NewBuilder(), vals: map[string]Value{}, bodies: p.bodies}, n
		return true, nil
	}
	if _, nested := cutBody(s); nested {
		return true, fmt.Errorf("a body inside body %d: inner ones come first", p.number)
	}
	if s != "end" {
		return true, p.inner.line(s)
	}
	g, err := p.inner.b.Build()
	if err != nil {
		return true, fmt.Errorf("body %d: %w", p.number, err)
	}
	p.bodies[p.number], p.inner = g, nil
	return true, nil
}

func cutBody(s string) (number string, ok bool) {
	if len(s) < 5 || s[:5] != "body " {
		return "", false
	}
	return s[5:], true
}
