package fusetest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// maxNMSE is how far a rewritten graph may be from the graph as it was. Each
// node rounds to float32, which is 1e-15.
const maxNMSE = 1e-10

// draws are the distributions that inputs come from, in turn: normal numbers;
// small ones, beside which an epsilon counts; and positive ones, for formulas
// that take roots and logarithms.
var draws = []func(*rand.Rand) float64{
	(*rand.Rand).NormFloat64,
	func(r *rand.Rand) float64 { return r.NormFloat64() / 512 },
	func(r *rand.Rand) float64 { return 0.5 + 1.5*r.Float64() },
}

// feeds draws the inputs, weights and states of g.
func feeds(g *graph.Graph, seed uint64) map[string]graph.Tensor {
	r := rand.New(rand.NewPCG(seed, 4))
	draw := draws[seed%uint64(len(draws))]
	bound := newBounds(g)
	all := map[string]graph.Tensor{}
	for _, n := range g.Nodes() {
		if n.Name() == "" {
			continue
		}
		x := graph.NewTensor(n.Out(0).Shape())
		for i := range x.F {
			x.F[i] = float32(draw(r))
		}
		if x.I != nil {
			drawIndices(x.I, bound.of(n.Out(0)), r)
		}
		all[n.Name()] = x
	}
	return all
}

// drawIndices draws numbers below n, all different where there are enough.
func drawIndices(x []int32, n int, r *rand.Rand) {
	perm := r.Perm(min(n, 1<<16))
	for i := range x {
		if x[i] = int32(perm[i%len(perm)]); len(x) > len(perm) {
			x[i] = int32(perm[r.IntN(len(perm))])
		}
	}
}

// results are the outputs and next states of a run, by name.
func results(g *graph.Graph, in map[string]graph.Tensor) (map[string]graph.Tensor, error) {
	res, err := ops.Run(g, in)
	if err != nil {
		return nil, err
	}
	all := map[string]graph.Tensor{}
	for name, x := range res.Outputs {
		all["output "+name] = x
	}
	for name, x := range res.States {
		all["next "+name] = x
	}
	return all, nil
}

// errNotFinite says that a formula gives no numbers for what was drawn.
var errNotFinite = errors.New("results are not finite")

// difference returns the largest NMSE of b's results against a's.
func difference(a, b *graph.Graph, seed uint64) (worst float64, where string, err error) {
	in := feeds(a, seed)
	want, err := results(a, in)
	if err != nil {
		return 0, "", err
	}
	have, err := results(b, in)
	if err != nil {
		return 0, "", err
	}
	if len(want) != len(have) {
		return 0, "", fmt.Errorf("%d results, want %d", len(have), len(want))
	}
	for name, w := range want {
		h := have[name]
		if h.Shape != w.Shape {
			return 0, "", fmt.Errorf("%s is %v, want %v", name, h.Shape, w.Shape)
		}
		e, ok := nmse(h, w)
		if !ok {
			return 0, "", errNotFinite
		}
		if e > worst || where == "" || e == worst && name < where {
			worst, where = e, name
		}
	}
	return worst, where, nil
}

// nmse is Σ(h-w)²/Σw², infinite where only h is not a number; ok is false where
// w is not.
func nmse(h, w graph.Tensor) (e float64, ok bool) {
	var diff, norm float64
	for i := range w.F {
		if math.IsInf(float64(w.F[i]), 0) && w.F[i] == h.F[i] { // what a mask hides
			continue
		}
		d := float64(h.F[i]) - float64(w.F[i])
		diff += d * d
		norm += float64(w.F[i]) * float64(w.F[i])
	}
	for i := range w.I {
		if h.I[i] != w.I[i] {
			return math.Inf(1), true
		}
	}
	switch {
	case math.IsNaN(norm) || math.IsInf(norm, 0):
		return 0, false
	case math.IsNaN(diff):
		return math.Inf(1), true
	case diff == 0:
		return 0, true
	}
	return diff / norm, true
}

// same reports how b differs from a on inputs of several seeds. What a formula
// has no numbers for is passed over, but not everything may be.
func same(a, b *graph.Graph, seeds ...uint64) error {
	finite := false
	for _, seed := range seeds {
		e, where, err := difference(a, b, seed)
		switch {
		case errors.Is(err, errNotFinite):
			continue
		case err != nil:
			return err
		case !(e <= maxNMSE):
			return fmt.Errorf("%s differs: NMSE %.3g (inputs of seed %d)", where, e, seed)
		}
		finite = true
	}
	if !finite {
		return errNotFinite
	}
	return nil
}
