package delta_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/cpu/delta"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec/guard"
)

// randomNet returns a net over dense random operands.
func randomNet(r *rand.Rand, B, T, Hk, Hv, Dk, Dv, Dg int, attrs ops.GatedDeltaNetAttrs) delta.Net {
	dense := func(H, D int, f func() float64) delta.Tensor {
		x := make([]float32, B*T*H*D)
		for i := range x {
			x[i] = float32(f())
		}
		return delta.Tensor{F: x, B: T * H * D, T: H * D, H: D}
	}
	n := delta.Net{B: B, T: T, Hk: Hk, Hv: Hv, Dk: Dk, Dv: Dv, Dg: Dg, Attrs: attrs,
		Q: dense(Hk, Dk, r.NormFloat64), K: dense(Hk, Dk, r.NormFloat64), V: dense(Hv, Dv, r.NormFloat64),
		G: dense(Hv, Dg, func() float64 { return -r.Float64() }), Beta: dense(Hv, 1, r.Float64),
		O: dense(Hv, Dv, func() float64 { return math.NaN() })}
	for range B {
		s := make([]float32, Hv*Dv*Dk)
		for i := range s {
			s[i] = float32(r.NormFloat64())
		}
		n.State = append(n.State, s)
	}
	return n
}

// clone returns n with states and an output of its own, between guard pages where
// at is 0 or 1, and how its tensors are bound to them.
func clone(t testing.TB, n delta.Net, at int) delta.Net {
	move := func(x []float32) []float32 {
		y := guard.Slices[float32](t, len(x))[at]
		copy(y, x)
		return y
	}
	for _, x := range []*delta.Tensor{&n.Q, &n.K, &n.V, &n.G, &n.Beta, &n.O} {
		x.F = move(x.F)
	}
	states := n.State
	n.State = nil
	for _, s := range states {
		n.State = append(n.State, move(s))
	}
	return n
}

// cases are sizes B, T, Hk, Hv, Dk, Dv: rows that fill no group, keys that fill no
// register, more tokens than are prepared at once.
var cases = [][6]int{
	{1, 1, 1, 1, 16, 1}, {2, 3, 1, 2, 128, 128}, {1, 70, 2, 4, 64, 37}, {1, 33, 1, 1, 48, 9},
	{1, 5, 1, 1, 1, 3}, {2, 4, 1, 1, 23, 11}, {1, 2, 1, 1, 8, 300}, {1, 3, 1, 1, 1024, 13},
}

func eachCase(t *testing.T, test func(t *testing.T, k *delta.Kernels, n delta.Net)) {
	for _, set := range isa.Available() {
		for i, c := range cases {
			for _, Dg := range []int{1, c[4]} {
				t.Run(fmt.Sprintf("%v/%v/%d", set, c, Dg), func(t *testing.T) {
					attrs := ops.GatedDeltaNetAttrs{Heads: ops.HeadMap(i % 2), Norm: ops.QKNorm(1 + i%2), Eps: 1e-6, Scale: 0.5}
					n := randomNet(rand.New(rand.NewPCG(uint64(i), 2)), c[0], c[1], c[2], c[3], c[4], c[5], Dg, attrs)
					if err := n.Check(); err != nil {
						t.Fatal(err)
					}
					test(t, delta.For(set), n)
				})
			}
		}
	}
}

func run(k *delta.Kernels, n *delta.Net, lo, hi int) {
	k.Run(n, make([]float32, delta.ScratchLen(n.Dk, n.Dg)), lo, hi)
}

// want computes the rule in float64.
func want(n delta.Net) (o []float64, states [][]float64) {
	norm := func(x []float32) []float64 {
		sum := 0.0
		y := make([]float64, len(x))
		for i, v := range x {
			y[i] = float64(v)
			sum += y[i] * y[i]
		}
		by := math.Sqrt(sum + float64(n.Attrs.Eps))
		if n.Attrs.Norm == ops.NormMax {
			by = max(math.Sqrt(sum), float64(n.Attrs.Eps))
		}
		for i := range y {
			y[i] /= by
		}
		return y
	}
	o = make([]float64, len(n.O.F))
	row := func(x delta.Tensor, b, t, h, d int) []float32 { return x.F[b*x.B+t*x.T+h*x.H:][:d] }
	for b, state := range n.State {
		s := make([]float64, len(state))
		for i, v := range state {
			s[i] = float64(v)
		}
		states = append(states, s)
		for t := range n.T {
			for h := range n.Hv {
				key := n.Attrs.Heads.KeyHead(h, n.Hk, n.Hv)
				q, k := norm(row(n.Q, b, t, key, n.Dk)), norm(row(n.K, b, t, key, n.Dk))
				g := row(n.G, b, t, h, n.Dg)
				for j := range n.Dv {
					s := s[(h*n.Dv+j)*n.Dk:][:n.Dk]
					d, y := float64(row(n.V, b, t, h, n.Dv)[j]), 0.0
					for i := range s {
						s[i] *= math.Exp(float64(g[i%n.Dg]))
						d -= s[i] * k[i]
					}
					d *= float64(row(n.Beta, b, t, h, 1)[0])
					for i := range s {
						s[i] += d * k[i]
						y += s[i] * q[i]
					}
					o[b*n.O.B+t*n.O.T+h*n.O.H+j] = y * float64(n.Attrs.Scale)
				}
			}
		}
	}
	return o, states
}

func TestAccuracy(t *testing.T) {
	eachCase(t, func(t *testing.T, k *delta.Kernels, n delta.Net) {
		o, states := want(n)
		run(k, &n, 0, n.Rows())
		compare := func(name string, got []float32, want []float64) {
			for i := range want {
				if d := math.Abs(float64(got[i]) - want[i]); !(d < 1e-5*(1+math.Abs(want[i]))) {
					t.Fatalf("%s: element %d is %v, want %v", name, i, got[i], want[i])
				}
			}
		}
		compare("o", n.O.F, o)
		for b := range states {
			compare("state", n.State[b], states[b])
		}
	})
}

// Any split of rows and tokens gives the same bits, and nothing beside the
// operands is touched.
func TestSplits(t *testing.T) {
	eachCase(t, func(t *testing.T, k *delta.Kernels, n delta.Net) {
		whole := clone(t, n, 0)
		run(k, &whole, 0, n.Rows())
		check := func(name string, m delta.Net) {
			t.Helper()
			same(t, name+": o", m.O.F, whole.O.F)
			for b := range m.State {
				same(t, name+": state", m.State[b], whole.State[b])
			}
		}
		for _, size := range []int{1, 3, 7, 16, 50} {
			m := clone(t, n, 1)
			for hi := m.Rows(); hi > 0; hi -= size {
				run(k, &m, max(0, hi-size), hi)
			}
			check(fmt.Sprintf("%d rows a call", size), m)
		}
		for _, size := range []int{1, 2, 31} {
			m := clone(t, n, 0)
			for from := 0; from < n.T; from += size {
				part := m
				part.T = min(size, n.T-from)
				for _, x := range []*delta.Tensor{&part.Q, &part.K, &part.V, &part.G, &part.Beta, &part.O} {
					x.F = x.F[from*x.T:]
				}
				run(k, &part, 0, part.Rows())
			}
			check(fmt.Sprintf("%d tokens a call", size), m)
		}
	})
}

func same(t *testing.T, name string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: element %d is %v, in one call %v", name, i, got[i], want[i])
		}
	}
}
