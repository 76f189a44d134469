package lower

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// Net is the sizes and attributes of a delta net. Dg is 1 for one decay a head
// and Dk for one a key channel.
type Net struct {
	B, T, Hk, Hv, Dk, Dv, Dg int
	Attrs                    ops.GatedDeltaNetAttrs
}

// GatedDeltaNet describes a node of that op, which is its own formula.
func GatedDeltaNet(n *graph.Node) Net {
	k, v, g := n.In(1).Shape(), n.In(2).Shape(), n.In(3).Shape()
	return Net{v.Dim(0), v.Dim(1), k.Dim(2), v.Dim(2), k.Dim(3), v.Dim(3), g.Dim(3), n.Attrs().(ops.GatedDeltaNetAttrs)}
}

func deltaNet(in []graph.Value) []graph.Value {
	o, next := ops.DeltaNet(in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7], ops.GatedDeltaNetAttrs{})
	return []graph.Value{o, next}
}

var openNet = []*graph.Op{ops.GatedDeltaNetOp}

// netOf reads the sizes off delta_net's operands from k on.
func netOf(n *graph.Node, k int, found params) Net {
	ks, v, a := n.In(k).Shape(), n.In(k+1).Shape(), n.In(k+2).Shape()
	return Net{v.Dim(0), v.Dim(1), ks.Dim(2), v.Dim(2), ks.Dim(3), v.Dim(3), a.Dim(3),
		found[ops.GatedDeltaNetOp][0].(ops.GatedDeltaNetAttrs)}
}

// DeltaNet describes a node of delta_net.
func DeltaNet(n *graph.Node) (Net, error) {
	found := formula{deltaNet, openNet}.match(n)
	if found == nil {
		return Net{}, errAnother
	}
	return netOf(n, 2, found), nil
}

// DeltaSlots describes a node of delta_slots.
func DeltaSlots(n *graph.Node) (Net, error) {
	found := formula{func(in []graph.Value) []graph.Value { return ops.DeltaSlots(deltaNet, in...) }, openNet}.match(n)
	if found == nil {
		return Net{}, errAnother
	}
	return netOf(n, 3, found), nil
}

// gates are what a gated norm may multiply with.
var gates = []struct {
	op   *graph.Op
	call func(graph.Value) graph.Value
}{{ops.SiluOp, ops.Silu}, {ops.SigmoidOp, ops.Sigmoid}}

// Norm is a gated norm: rows of V elements, and the op that gates them.
type Norm struct {
	V    int
	Eps  float32
	Gate *graph.Op
}

// GatedNorm describes a node of gated_norm.
func GatedNorm(n *graph.Node) (Norm, error) {
	for _, gate := range gates {
		found := formula{func(in []graph.Value) []graph.Value {
			return []graph.Value{ops.GatedNorm(in[0], in[1], in[2], gate.call)}
		}, normed}.match(n)
		if found != nil {
			return Norm{n.In(0).Shape().Dim(-1), normEps(found), gate.op}, nil
		}
	}
	return Norm{}, errAnother
}

// Block is a delta net from its convolution to its gated norm: P states in a
// pool, C channels of q, k and v, W taps.
type Block struct {
	Net
	Norm    Norm
	P, C, W int
}

// DeltaBlock describes a node of delta_block.
func DeltaBlock(n *graph.Node) (Block, error) {
	pool, x, w := n.In(1).Shape(), n.In(3).Shape(), n.In(4).Shape()
	if pool.Rank() != 4 || x.Rank() != 3 || w.Rank() != 2 {
		return Block{}, errAnother
	}
	H, V, K := pool.Dim(1), pool.Dim(2), pool.Dim(3)
	C := x.Dim(2)
	Hk := (C - H*V) / (2 * K)
	if Hk < 1 {
		return Block{}, errAnother
	}
	for _, gate := range gates {
		found := formula{func(in []graph.Value) []graph.Value {
			return ops.DeltaBlock(Hk, deltaNet, func(in []graph.Value) []graph.Value {
				return []graph.Value{ops.GatedNorm(in[0], in[1], in[2], gate.call)}
			}, in...)
		}, append(openNet, ops.RMSNormOp)}.match(n)
		if found != nil {
			net := Net{x.Dim(0), x.Dim(1), Hk, H, K, V, n.In(5).Shape().Dim(3), found[ops.GatedDeltaNetOp][0].(ops.GatedDeltaNetAttrs)}
			return Block{net, Norm{V, normEps(found), gate.op}, pool.Dim(0), C, w.Dim(1)}, nil
		}
	}
	return Block{}, errAnother
}

// Conv is a causal convolution with SiLU and a state: C channels, W taps.
type Conv struct{ B, T, C, W int }

// CausalConvSilu describes a node of causal_conv_silu.
func CausalConvSilu(n *graph.Node) (Conv, error) {
	return convOf(n, 1, func(in []graph.Value) []graph.Value {
		y, next := ops.CausalConvSilu(in[0], in[1], in[2])
		return []graph.Value{y, next}
	})
}

// ConvSlots describes a node of conv_slots.
func ConvSlots(n *graph.Node) (Conv, error) {
	return convOf(n, 2, func(in []graph.Value) []graph.Value {
		y, pool := ops.ConvSlots(in[0], in[1], in[2], in[3])
		return []graph.Value{y, pool}
	})
}

// convOf reads the sizes off operand x and the weight behind it.
func convOf(n *graph.Node, x int, write func(in []graph.Value) []graph.Value) (Conv, error) {
	if (formula{write: write}).match(n) == nil {
		return Conv{}, errAnother
	}
	s := n.In(x).Shape()
	return Conv{s.Dim(0), s.Dim(1), s.Dim(2), n.In(x + 1).Shape().Dim(1)}, nil
}
