package graphviz

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/deltaloom/deltaloom/graph"
)

// layer is the nodes of one numbered scope, such as blk.3 and all within.
type layer struct {
	key    string
	number int
	nodes  []*graph.Node
}

// division is a graph by layers.
type division struct {
	layers []*layer
	rest   []*graph.Node          // outside of every layer
	of     map[*graph.Node]*layer // nil for the rest
	part   map[*graph.Node]string // the scope below the layer, one step of it
	used   map[*graph.Node][]graph.Use
}

var numbered = regexp.MustCompile(`^((?:[^.]*\.)*?(\d{1,9}))(?:\.([^.]*).*)?$`)

// layerOf takes a scope apart: blk.3.gdn.conv is part gdn of layer blk.3.
func layerOf(scope string) (key string, number int, part string) {
	m := numbered.FindStringSubmatch(scope)
	if m == nil {
		return "", 0, scope
	}
	number, _ = strconv.Atoi(m[2])
	return m[1], number, m[3]
}

func split(g *graph.Graph) *division {
	d := &division{of: map[*graph.Node]*layer{}, part: map[*graph.Node]string{}, used: map[*graph.Node][]graph.Use{}}
	uses := g.Uses()
	byKey := map[string]*layer{}
	for _, n := range g.Nodes() {
		d.used[n] = uses.Of(n)
		key, number, part := layerOf(n.Scope())
		d.part[n] = part
		if key == "" {
			continue
		}
		l := byKey[key]
		if l == nil {
			l = &layer{key: key, number: number}
			byKey[key] = l
			d.layers = append(d.layers, l)
		}
		d.of[n] = l
	}
	for _, n := range g.Nodes() {
		if l := d.owner(n); l != nil {
			d.of[n] = l
		}
		if l := d.of[n]; l != nil {
			l.nodes = append(l.nodes, n)
		} else {
			d.rest = append(d.rest, n)
		}
	}
	slices.SortStableFunc(d.layers, func(a, b *layer) int { return cmp.Compare(a.number, b.number) })
	return d
}

// owner gives a weight or state without a layer to the only one that reads it:
// text from elsewhere may have no scopes on leaves.
func (d *division) owner(n *graph.Node) *layer {
	if d.of[n] != nil || n.Op() != graph.WeightOp && n.Op() != graph.StateOp {
		return nil
	}
	var one *layer
	for i, u := range d.used[n] {
		l := d.of[u.Node]
		if i > 0 && l != one {
			return nil
		}
		one = l
		d.part[n] = d.part[u.Node]
	}
	return one
}

// kind is a set of layers of one structure.
type kind struct {
	keys    []string
	numbers []int
}

// kinds groups the layers that have the same nodes in each of the graphs.
func kinds(graphs ...*graph.Graph) []kind {
	type found struct {
		number int
		text   string
	}
	var order []string
	all := map[string]*found{}
	for i, g := range graphs {
		d := split(g)
		common := commonNodes(g)
		for _, l := range d.layers {
			f := all[l.key]
			if f == nil {
				f = &found{number: l.number}
				all[l.key] = f
				order = append(order, l.key)
			}
			var lines []string
			for _, n := range l.nodes {
				if !common[n] {
					lines = append(lines, signature(n))
				}
			}
			slices.Sort(lines)
			f.text += fmt.Sprintf("%d:%s;", i, strings.Join(lines, "\n"))
		}
	}
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(all[a].number, all[b].number) })
	var groups []kind
	index := map[string]int{}
	for _, key := range order {
		f := all[key]
		i, ok := index[f.text]
		if !ok {
			i = len(groups)
			index[f.text] = i
			groups = append(groups, kind{})
		}
		groups[i].keys = append(groups[i].keys, key)
		groups[i].numbers = append(groups[i].numbers, f.number)
	}
	return groups
}

// commonNodes are those made of inputs and constants alone, such as a mask: the
// first layer that needs one makes it for all, and is not different for that.
func commonNodes(g *graph.Graph) map[*graph.Node]bool {
	common := map[*graph.Node]bool{}
	for _, n := range g.Nodes() {
		ok := n.Op() != graph.WeightOp && n.Op() != graph.StateOp
		for i := range n.NumIn() {
			ok = ok && common[n.In(i).Node()]
		}
		common[n] = ok
	}
	return common
}

var digits = regexp.MustCompile(`\d+`)

// signature is what a node has in common with its like in other layers.
func signature(n *graph.Node) string {
	var b strings.Builder
	b.WriteString(n.Op().Name)
	for i := range n.NumOut() {
		b.WriteString(" " + n.Out(i).Shape().String())
	}
	if name := n.Name(); name != "" {
		return b.String() + " " + digits.ReplaceAllString(name, "#")
	}
	return b.String() + " " + n.AttrText()
}

// ranges writes 0-2, 4, 6-7.
func ranges(numbers []int) string {
	numbers = slices.Clone(numbers)
	slices.Sort(numbers)
	var parts []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		text := strconv.Itoa(numbers[i])
		if j > i {
			text += "-" + strconv.Itoa(numbers[j])
		}
		parts = append(parts, text)
		i = j + 1
	}
	return strings.Join(parts, ", ")
}
