package fuse

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// Report says what Run did.
type Report struct {
	Before    graph.Stats  `json:"before"`
	After     graph.Stats  `json:"after"`
	DeltaNets int          `json:"delta_nets"` // recurrences that are one node now
	Rules     []RuleReport `json:"rules"`
	Seconds   float64      `json:"seconds"`
	// Decomposed lists the fused nodes that the backend refused and that were
	// taken apart again.
	Decomposed []Refusal `json:"decomposed,omitempty"`
}

// DeltaNets counts the gated_delta_net nodes among nodes and inside them.
func DeltaNets(nodes ...*graph.Node) int {
	n := 0
	for _, node := range nodes {
		if a, ok := node.Attrs().(ops.CoarseAttrs); ok {
			n += DeltaNets(a.Body.Graph().Nodes()...)
		} else if node.Op() == ops.GatedDeltaNetOp {
			n++
		}
	}
	return n
}

// RuleReport says what one rule did: how often its formula was looked for at a
// node that could begin it, how often it fired, and why it did not where the
// formula was there.
type RuleReport struct {
	Name    string    `json:"name"`
	Stage   string    `json:"stage"`
	Tried   int       `json:"tried"`
	Fired   int       `json:"fired"`
	Refused []Refusal `json:"refused,omitempty"`
}

// Refusal is a reason with the first node it was met at.
type Refusal struct {
	Reason string `json:"reason"`
	Node   string `json:"node"`
	Count  int    `json:"count"`
}

func (c *compiled) refuse(reason string, n *graph.Node) {
	i, ok := c.refused[reason]
	if !ok {
		i = len(c.stat.Refused)
		c.refused[reason] = i
		c.stat.Refused = append(c.stat.Refused, Refusal{Reason: reason, Node: fmt.Sprintf("%s %v", graph.Label(n), n.Out(0).Shape())})
	}
	c.stat.Refused[i].Count++
}
