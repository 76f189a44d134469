package models

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// deltaCase is random operands of the delta rule.
type deltaCase struct {
	name       string
	T          int
	gate       func(r *rand.Rand) float64 // log decay
	correlated bool                       // keys that almost coincide
	nmse       float64
	channels   bool // a decay for each key channel
}

func TestDeltaRule(t *testing.T) {
	mild := func(r *rand.Rand) float64 { return -0.5 * r.Float64() }
	strong := func(r *rand.Rand) float64 { return -80 * r.Float64() }
	never := func(*rand.Rand) float64 { return 0 }
	for _, c := range []deltaCase{
		{"one token", 1, mild, false, 1e-12, false},
		{"part of a chunk", 5, mild, false, 1e-12, false},
		{"one chunk", 64, mild, false, 1e-12, false},
		{"three chunks", 130, mild, false, 1e-12, false},
		{"no decay", 130, never, false, 1e-12, false},
		// The sums reach -2500 within a chunk, in f32: their differences lose digits.
		{"decay beyond exp", 130, strong, false, 1e-10, false},
		{"one key", 130, mild, true, 1e-11, false},

		{"channels, one token", 1, mild, false, 1e-12, true},
		{"channels, part of a chunk", 5, mild, false, 1e-12, true},
		{"channels, one chunk", 16, mild, false, 1e-12, true},
		{"channels, three chunks", 35, mild, false, 1e-12, true},
		{"channels, no decay", 130, never, false, 1e-12, true},
		{"channels, decay beyond exp", 130, strong, false, 1e-10, true},
		{"channels, one key", 130, mild, true, 1e-11, true},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}

func (c deltaCase) run(t *testing.T) {
	const B, H, K, V = 2, 3, 8, 6
	G := 1
	if c.channels {
		G = K
	}
	r := rand.New(rand.NewPCG(9, 9))
	b := graph.NewBuilder()
	feeds := map[string]graph.Tensor{}
	in := func(name string, draw func() float64, dims ...int) graph.Value {
		x := graph.NewTensor(graph.ShapeOf(graph.F32, dims...))
		for i := range x.F {
			x.F[i] = float32(draw())
		}
		feeds[name] = x
		return b.Input(name, x.Shape)
	}
	draw := func() float64 { return r.NormFloat64() / math.Sqrt(K) }
	key := draw
	if c.correlated {
		key = func() float64 { return (1 + 0.01*r.NormFloat64()) / math.Sqrt(K) }
	}
	o, next := DeltaRule(
		in("q", draw, B, c.T, H, K), in("k", key, B, c.T, H, K), in("v", draw, B, c.T, H, V),
		in("g", func() float64 { return c.gate(r) }, B, c.T, H, G), in("beta", r.Float64, B, c.T, H, 1),
		in("s", draw, B, H, V, K))
	b.Output("o", o)
	b.Output("next", next)
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ops.Run(g, feeds)
	if err != nil {
		t.Fatal(err)
	}
	wantO, wantS := recurrence(feeds, B, c.T, H, K, V)
	for name, want := range map[string][]float32{"o": wantO, "next": wantS} {
		if e := nmse([][]float32{want}, [][]float32{got.Outputs[name].F}); !(e <= c.nmse) {
			t.Errorf("%s: NMSE %.3g, want at most %g", name, e, c.nmse)
		}
	}
}

// recurrence is the rule of DeltaRule as loops over numbers, in float64.
func recurrence(in map[string]graph.Tensor, B, T, H, K, V int) (o, next []float32) {
	next = slices.Clone(in["s"].F)
	o = make([]float32, B*T*H*V)
	for b := range B {
		for h := range H {
			for j := range V {
				row := make([]float64, K) // value channel j of the state
				at := ((b*H+h)*V + j) * K
				for i := range row {
					row[i] = float64(next[at+i])
				}
				for t := range T {
					n := (b*T+t)*H + h
					q, k := in["q"].F[n*K:], in["k"].F[n*K:]
					G := in["g"].Shape.Dim(3)
					g := in["g"].F[n*G : (n+1)*G]
					sum, out := 0.0, 0.0
					for i := range row {
						row[i] *= math.Exp(float64(g[i%G]))
						sum += row[i] * float64(k[i])
					}
					delta := float64(in["beta"].F[n]) * (float64(in["v"].F[n*V+j]) - sum)
					for i := range row {
						row[i] += delta * float64(k[i])
						out += row[i] * float64(q[i])
					}
					o[n*V+j] = float32(out / math.Sqrt(float64(K)))
				}
				for i := range row {
					next[at+i] = float32(row[i])
				}
			}
		}
	}
	return o, next
}

// Errors of operands stick in the builder and nothing panics.
func TestDeltaRuleOfBadOperands(t *testing.T) {
	for _, at := range [][2]int{{1, 1}, {3, 1}, {1, 9}, {3, 9}, {40, 8}} {
		T, G := at[0], at[1]
		b := graph.NewBuilder()
		in := func(name string, dims ...int) graph.Value {
			return b.Input(name, graph.ShapeOf(graph.F32, dims...))
		}
		o, _ := DeltaRule(in("q", 1, T, 2, 8), in("k", 1, T, 2, 9), in("v", 1, T, 2, 8),
			in("g", 1, T, 2, G), in("beta", 1, T, 2, 1), in("s", 1, 2, 8, 8))
		b.Output("o", o)
		if _, err := b.Build(); err == nil {
			t.Errorf("%d tokens, decay of %d: no error", T, G)
		}
		DeltaRule(graph.Value{}, graph.Value{}, graph.Value{}, graph.Value{}, graph.Value{}, graph.Value{})
	}
}
