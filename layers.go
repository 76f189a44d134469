package deltaloom

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/models"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// withMemory is a device that knows its memory, in bytes.
type withMemory interface {
	Memory() (free, total int64, err error)
}

// fitting returns the device for as much of the model as its memory holds: all of
// it, or the last layers and the head. An eighth of the memory is left for states,
// caches and what steps work with. The layers before them are computed behind the
// device, so a token crosses over once.
func fitting(device sched.Backend, c *models.Config) (b sched.Backend, onDevice int, err error) {
	m, ok := device.(withMemory)
	if !ok {
		return device, c.Layers, nil
	}
	free, total, err := m.Memory()
	if err != nil {
		return nil, 0, fmt.Errorf("backend %s: %w", device.Name(), err)
	}
	g, err := models.Build(c, models.Step{Seqs: 1, Tokens: 1})
	if err != nil {
		return nil, 0, err
	}
	first := firstLayer(g, c.Layers, free-total/8)
	if first == 0 {
		return device, c.Layers, nil
	}
	later := func(name string) bool {
		layer, ok := models.LayerOf(name)
		return ok && layer >= first
	}
	return &sched.Part{
		Backend: device,
		Takes:   func(n *graph.Node) bool { return first <= c.Layers && n.Scope() == "output" || later(n.Scope()) },
		Keeps:   later,
	}, max(0, c.Layers-first), nil
}

// firstLayer returns the first of the last layers whose weights and those of no
// layer take at most so many bytes: 0 where all do, layers+1 where not even the
// head does.
func firstLayer(g *graph.Graph, layers int, bytes int64) int {
	size := make([]int64, layers)
	var rest int64
	for _, n := range g.Nodes() {
		if n.Op() != graph.WeightOp {
			continue
		}
		if i, ok := models.LayerOf(n.Name()); ok && i < layers {
			size[i] += n.Out(0).Shape().Bytes()
		} else {
			rest += n.Out(0).Shape().Bytes()
		}
	}
	if rest > bytes {
		return layers + 1
	}
	first := layers
	for ; first > 0 && rest+size[first-1] <= bytes; first-- {
		rest += size[first-1]
	}
	return first
}
