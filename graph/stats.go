package graph

import (
	"crypto/sha256"
	"encoding/hex"
)

// Stats counts a graph.
type Stats struct {
	Nodes   int            `json:"nodes"`         // all of them, leaves and views included
	Compute int            `json:"compute_nodes"` // neither view, nor leaf, nor constant expression
	Ops     map[string]int `json:"ops"`           // compute nodes by op
	Bytes   int64          `json:"bytes"`         // read and written by the compute nodes
}

// Stats counts the nodes and the bytes that compute nodes read and write.
func (g *Graph) Stats() Stats {
	s := Stats{Nodes: len(g.nodes), Ops: map[string]int{}}
	for _, n := range g.nodes {
		if !n.IsCompute() {
			continue
		}
		s.Compute++
		s.Ops[n.op.Name]++
		for _, v := range n.in {
			s.Bytes += v.Shape().Bytes()
		}
		for _, o := range n.out {
			s.Bytes += o.Bytes()
		}
	}
	return s
}

// Fingerprint identifies what the graph computes: equal for graphs of equal
// text, scopes aside. It is the key under which plans are kept.
func (g *Graph) Fingerprint() string {
	h := sha256.New()
	p := printer{w: h, bare: true}
	p.graph(g)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
