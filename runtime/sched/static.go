package sched

import "github.com/deltaloom/deltaloom/graph"

// staticGraph returns the graph that computes values of weights alone, each
// output named as it is.
func staticGraph(outputs []graph.Output) (*graph.Graph, error) {
	c := copier{b: graph.NewBuilder(), vals: map[graph.Value]graph.Value{}}
	for _, o := range outputs {
		c.closure(o.Value.Node())
		c.b.Output(o.Name, c.vals[o.Value])
	}
	return c.b.Build()
}

// closure copies n and what it needs, depth first, so that the order does not
// depend on the rest of the graph.
func (c *copier) closure(n *graph.Node) {
	if _, done := c.vals[n.Out(0)]; done {
		return
	}
	for i := range n.NumIn() {
		c.closure(n.In(i).Node())
	}
	c.clone(n)
}

// staticKey identifies the value of a computation on weights: plans that need
// the same one share it.
func staticKey(v graph.Value) (string, error) {
	g, err := staticGraph([]graph.Output{{Name: "value", Value: v}})
	if err != nil {
		return "", err
	}
	return g.Fingerprint(), nil
}
