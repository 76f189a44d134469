// Package delta computes the gated delta rule on a CPU.
//
// A token decays the state, S~ = e^g∘S, multiplies it with k and q, and then adds
// d kᵀ with d = beta(v - S~k), so its output is S~q + d(k·q). What one token adds
// and the decay and products of the next are one pass over a panel of rows that
// stays in the first-level cache. A token on its own finds its state in memory, and
// goes through it once. Rows depend on each other only through what all rows of a
// head share (q, k, decay, beta), so they may be split at will: any split of the
// rows, and any split of the tokens over calls, gives the same bits.
package delta

import (
	"fmt"

	"github.com/deltaloom/deltaloom/ops"
)

// Tensor is an operand [B T H D] in memory. The D elements of a row lie side by
// side; B, T and H are the distances in elements to the next sequence, token and
// head.
type Tensor struct {
	F       []float32
	B, T, H int
}

func (x *Tensor) at(b, t, h int) int { return b*x.B + t*x.T + h*x.H }

func (x *Tensor) row(b, t, h, d int) []float32 {
	at := x.at(b, t, h)
	return x.F[at : at+d : at+d]
}

// Net is ops.GatedDeltaNetOp bound to its memory.
type Net struct {
	B, T   int // sequences, tokens of each
	Hk, Hv int // key and value heads
	Dk, Dv int // key and value channels of a head
	Attrs  ops.GatedDeltaNetAttrs

	Q, K  Tensor      // [B T Hk Dk]
	V     Tensor      // [B T Hv Dv]
	G     Tensor      // log decay [B T Hv Dg]
	Dg    int         // 1 decay a head, or Dk of them
	Beta  Tensor      // [B T Hv 1]
	State [][]float32 // [Hv Dv Dk] of each sequence, updated in place; fastest on a 64 byte boundary
	O     Tensor      // [B T Hv Dv]
}

// maxDim bounds every count, so that no product of sizes overflows.
const maxDim = 1 << 15

// Check returns an error where sizes contradict each other or a tensor does not
// hold what they say. Run expects a net that has passed.
func (n *Net) Check() error {
	for _, d := range []int{n.B, n.Hk, n.Hv, n.Dk, n.Dv} {
		if d < 1 || d > maxDim {
			return fmt.Errorf("size %d is outside 1..%d", d, maxDim)
		}
	}
	switch {
	case n.T < 1:
		return fmt.Errorf("%d tokens", n.T)
	case n.Hv%n.Hk != 0:
		return fmt.Errorf("%d value heads cannot share %d key heads", n.Hv, n.Hk)
	case n.Dg != 1 && n.Dg != n.Dk:
		return fmt.Errorf("%d decays for %d key channels", n.Dg, n.Dk)
	case len(n.State) != n.B:
		return fmt.Errorf("%d states of %d sequences", len(n.State), n.B)
	}
	for _, x := range []struct {
		name string
		Tensor
		heads, d int
	}{
		{"q", n.Q, n.Hk, n.Dk}, {"k", n.K, n.Hk, n.Dk}, {"v", n.V, n.Hv, n.Dv},
		{"g", n.G, n.Hv, n.Dg}, {"beta", n.Beta, n.Hv, 1}, {"o", n.O, n.Hv, n.Dv},
	} {
		left := len(x.F) - x.d // what the strides may use up
		for _, axis := range [][2]int{{n.B, x.Tensor.B}, {n.T, x.Tensor.T}, {x.heads, x.H}} {
			count, stride := axis[0]-1, axis[1]
			if left < 0 || stride < 0 || count > 0 && stride > left/count {
				return fmt.Errorf("%s with strides %d, %d, %d does not fit in %d elements",
					x.name, x.Tensor.B, x.Tensor.T, x.H, len(x.F))
			}
			left -= count * stride
		}
	}
	for b, s := range n.State {
		if len(s) < n.Hv*n.Dv*n.Dk {
			return fmt.Errorf("state %d has %d elements, want %d", b, len(s), n.Hv*n.Dv*n.Dk)
		}
	}
	return nil
}

// Rows is how many rows of state there are to split between workers: B·Hv·Dv. A
// split at a multiple of 8 is the fastest.
func (n *Net) Rows() int { return n.B * n.Hv * n.Dv }

// Run takes rows lo to hi of all states through all tokens: it updates these
// rows and writes their channels of O. It allocates nothing; scratch holds
// ScratchLen(n.Dk, n.Dg) elements and belongs to the caller alone.
func (k *Kernels) Run(n *Net, scratch []float32, lo, hi int) {
	w := newWorker(n, k, scratch)
	// Blocks of tokens come first: what all heads have of them lies side by side.
	for t := 0; t < n.T; t += blockTokens {
		for row := lo; row < hi; {
			head, from := row/n.Dv, row%n.Dv
			if states := n.Hv * n.Dv; n.T == 1 && (row == lo || row%states == 0) {
				// Of what comes first in a state nothing before could ask.
				first := n.State[row/states][row%states*n.Dk:]
				w.want(first[:min(stateAhead, (hi-row)*n.Dk, len(first))])
			}
			end := from + hi - row
			to := min(n.Dv, end)
			w.head(head/n.Hv, head%n.Hv, from, to, end, t, min(blockTokens, n.T-t))
			row += to - from
		}
	}
}
