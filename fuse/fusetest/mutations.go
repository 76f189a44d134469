package fusetest

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// mutations returns the breaks of what the replacement has made: the nodes of the
// fused graph that the pattern does not have.
func mutations(pattern, fused *graph.Graph) []mutation {
	made := made(pattern, fused)
	uses := newBounds(fused).uses
	label := map[*graph.Node]string{}
	count := map[string]int{}
	for _, n := range made {
		name := n.Op().Name
		if count[name]++; count[name] > 1 {
			name = fmt.Sprintf("%s#%d", name, count[name])
		}
		label[n] = name
	}
	var all []mutation
	for _, n := range made {
		all = append(all, operandMutations(n, label)...)
		for _, a := range attrMutations(n.Op(), n.Attrs()) {
			if sameElements(n, a.attrs, uses[n.ID()]) {
				continue
			}
			all = append(all, mutation{name: label[n] + "/" + a.name, node: n,
				change: func(b *graph.Builder, n *graph.Node, in []graph.Value) []graph.Value {
					return outs(b.Apply(n.Op(), a.attrs, in...), n.NumOut())
				}})
		}
		for i := range n.NumOut() {
			for j := range i {
				if n.Out(i).Shape() == n.Out(j).Shape() {
					all = append(all, mutation{name: fmt.Sprintf("%s/results %d,%d", label[n], j, i), node: n,
						change: func(b *graph.Builder, n *graph.Node, in []graph.Value) []graph.Value {
							out := outs(b.Clone(n, in...), n.NumOut())
							out[i], out[j] = out[j], out[i]
							return out
						}})
				}
			}
		}
	}
	return append(all, resultMutations(fused)...)
}

// made returns the nodes of fused that pattern does not have: both are written
// into one builder, where equal nodes are one.
func made(pattern, fused *graph.Graph) []*graph.Node {
	b := graph.NewBuilder()
	copyInto := func(g *graph.Graph, each func(n, copied *graph.Node)) {
		memo := map[*graph.Node]*graph.Node{}
		for _, n := range g.Nodes() {
			in := make([]graph.Value, n.NumIn())
			for i := range in {
				in[i] = memo[n.In(i).Node()].Out(n.In(i).Index())
			}
			memo[n] = b.Clone(n, in...)
			each(n, memo[n])
		}
	}
	copyInto(pattern, func(_, _ *graph.Node) {})
	old := b.Len()
	var all []*graph.Node
	copyInto(fused, func(n, copied *graph.Node) {
		if copied.ID() >= old {
			all = append(all, n)
		}
	})
	return all
}

func outs(n *graph.Node, count int) []graph.Value {
	all := make([]graph.Value, count)
	for i := range all {
		all[i] = n.Out(i)
	}
	return all
}

// operandMutations exchanges operands of one shape and drops each one.
func operandMutations(n *graph.Node, label map[*graph.Node]string) []mutation {
	names := operandNames(n, label)
	with := func(name string, change func(b *graph.Builder, in []graph.Value)) mutation {
		return mutation{name: label[n] + "/" + name, node: n,
			change: func(b *graph.Builder, n *graph.Node, in []graph.Value) []graph.Value {
				change(b, in)
				return outs(b.Apply(n.Op(), n.Attrs(), in...), n.NumOut())
			}}
	}
	var all []mutation
	for i := range n.NumIn() {
		for j := range i {
			swappable := n.In(i) != n.In(j) && n.In(i).Shape() == n.In(j).Shape()
			if swappable && !(n.Op().Commutative && n.NumIn() == 2) {
				all = append(all, with("swap "+names[j]+","+names[i], func(_ *graph.Builder, in []graph.Value) {
					in[i], in[j] = in[j], in[i]
				}))
			}
		}
		if n.In(i).Shape().DType != graph.F32 {
			continue // there are no constants of other types
		}
		for x, what := range []string{"zero ", "one "} {
			all = append(all, with(what+names[i], func(b *graph.Builder, in []graph.Value) {
				in[i] = ops.Fill(b, float32(x), in[i].Shape().Dims()...)
			}))
		}
	}
	return all
}

// operandNames names the operands of n: leaves by their names, others by their
// ops, views looked through.
func operandNames(n *graph.Node, label map[*graph.Node]string) []string {
	names := make([]string, n.NumIn())
	count := map[string]int{}
	for i := range names {
		v := n.In(i)
		for v.Node().Op().Back != nil && label[v.Node()] == "" {
			v = v.Node().In(0)
		}
		x := v.Node()
		switch name := label[x]; {
		case x.Name() != "":
			names[i] = x.Name()
		case name != "":
			names[i] = name
		default:
			names[i] = x.Op().Name
		}
		if count[names[i]]++; count[names[i]] > 1 {
			names[i] = fmt.Sprintf("%s(%d)", names[i], i)
		}
	}
	return names
}

// resultMutations breaks the outputs of the graph.
func resultMutations(g *graph.Graph) []mutation {
	var all []mutation
	for i, o := range g.Outputs() {
		for j, p := range g.Outputs()[:i] {
			if o.Value.Shape() == p.Value.Shape() && o.Value != p.Value {
				all = append(all, mutation{name: fmt.Sprintf("result %d/swap with %d", i, j), output: func(_ *graph.Builder, out []graph.Value) {
					out[i], out[j] = out[j], out[i]
				}})
			}
		}
		if o.Value.Shape().DType != graph.F32 {
			continue
		}
		for x, what := range []string{"zero", "one"} {
			all = append(all, mutation{name: fmt.Sprintf("result %d/%s", i, what), output: func(b *graph.Builder, out []graph.Value) {
				out[i] = ops.Fill(b, float32(x), out[i].Shape().Dims()...)
			}})
		}
	}
	return all
}

// attrMutation is the attributes of a node with one thing changed.
type attrMutation struct {
	name  string
	attrs graph.Attrs
}

// attrMutations changes each field of the attributes of an op.
func attrMutations(op *graph.Op, a graph.Attrs) []attrMutation {
	if a == nil {
		return nil
	}
	var all []attrMutation
	v := reflect.ValueOf(a)
	for i := range v.NumField() {
		field := strings.ToLower(v.Type().Field(i).Name)
		add := func(name string, set func(f reflect.Value)) {
			c := reflect.New(v.Type()).Elem()
			c.Set(v)
			set(c.Field(i))
			all = append(all, attrMutation{field + name, c.Interface()})
		}
		switch x := v.Field(i).Interface().(type) {
		case graph.Ints:
			intsMutations(x, func(name string, to graph.Ints) {
				add(name, func(f reflect.Value) { f.Set(reflect.ValueOf(to)) })
			})
		case graph.GraphAttr:
			bodyMutations(x.AttrGraph(), func(name string, g *graph.Graph) {
				add("/"+name, func(f reflect.Value) {
					f.Addr().Interface().(interface{ SetAttrGraph(*graph.Graph) error }).SetAttrGraph(g)
				})
			})
		default:
			fieldMutations(v.Field(i), add)
		}
	}
	return all
}

// fieldMutations changes a plain field.
func fieldMutations(f reflect.Value, add func(name string, set func(f reflect.Value))) {
	_, isKind := f.Interface().(encoding.TextMarshaler)
	switch {
	case f.Kind() == reflect.Bool:
		add(fmt.Sprintf("=%v", !f.Bool()), func(f reflect.Value) { f.SetBool(!f.Bool()) })
	case f.CanFloat():
		add("+", func(f reflect.Value) {
			if x := f.Float(); math.IsInf(x, 0) {
				f.SetFloat(0.125)
			} else {
				f.SetFloat(1.5*x + 0.75)
			}
		})
	case f.CanInt() && isKind:
		for x := int64(0); x < 8; x++ {
			to := reflect.New(f.Type()).Elem()
			to.SetInt(x)
			text := fmt.Sprint(to.Interface())
			if x == f.Int() || text == fmt.Sprint(x) { // a number has no name: no such kind
				continue
			}
			add("="+text, func(f reflect.Value) { f.SetInt(x) })
		}
	case f.CanInt():
		add("+", func(f reflect.Value) { f.SetInt(f.Int() + 1) })
		add("-", func(f reflect.Value) { f.SetInt(f.Int() - 1) })
	}
}

// intsMutations changes one number of a list, or exchanges two.
func intsMutations(x graph.Ints, yield func(name string, to graph.Ints)) {
	for i := range x.Len() {
		list := x.Slice()
		list[i]++
		yield(fmt.Sprintf("[%d]+", i), graph.IntsOf(list...))
		for j := range i {
			if list = x.Slice(); list[i] != list[j] {
				list[i], list[j] = list[j], list[i]
				yield(fmt.Sprintf(" swap %d,%d", j, i), graph.IntsOf(list...))
			}
		}
	}
}

// bodyMutations changes one attribute in a graph that is itself an attribute.
func bodyMutations(g *graph.Graph, yield func(name string, g *graph.Graph)) {
	count := map[string]int{}
	for _, n := range g.Nodes() {
		name := n.Op().Name
		if count[name]++; count[name] > 1 {
			name = fmt.Sprintf("%s#%d", name, count[name])
		}
		if n.IsLeaf() && n.Op() != graph.ConstOp || n.Op().View { // the rule wrote them, the match sets nothing in them
			continue
		}
		for _, a := range attrMutations(n.Op(), n.Attrs()) {
			m := mutation{node: n, change: func(b *graph.Builder, n *graph.Node, in []graph.Value) []graph.Value {
				return outs(b.Apply(n.Op(), a.attrs, in...), n.NumOut())
			}}
			if mutant, err := m.apply(g); err == nil { // else it shows
				yield(name+"/"+a.name, mutant)
			}
		}
	}
}

// sameElements reports that other attributes of a view change nothing because of
// how it is read, whatever the data: extents between two reshapes mean nothing, and
// axes of extent 1 have no order. Such a change is no mutation.
func sameElements(n *graph.Node, other graph.Attrs, readers []graph.Use) bool {
	toReshapes := len(readers) > 0
	for _, u := range readers {
		toReshapes = toReshapes && u.Node.Op() == ops.ReshapeOp
	}
	switch n.Op() {
	case ops.ReshapeOp:
		return toReshapes
	case ops.PermuteOp:
		was, is := permuted(n.In(0).Shape(), n.Attrs()), permuted(n.In(0).Shape(), other)
		if slices.Equal(was, is) {
			return true
		}
		one := func(axis int) bool { return axis < 0 }
		return toReshapes && slices.Equal(slices.DeleteFunc(was, one), slices.DeleteFunc(is, one))
	}
	return false
}

// permuted returns the axes of the operand in the order of the result; -1 stands
// for every axis of extent 1.
func permuted(s graph.Shape, a graph.Attrs) []int {
	perm := graph.AttrsOf[ops.PermuteAttrs](a).Perm.Slice()
	for i, p := range perm {
		if p >= 0 && p < s.Rank() && s.Dim(p) == 1 {
			perm[i] = -1
		}
	}
	return perm
}
