package ops

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/deltaloom/deltaloom/graph"
)

// QKNorm says how gated_delta_net normalises q and k before it uses them. The
// two L2 norms differ and are never mixed.
type QKNorm int

const (
	NormNone QKNorm = iota
	NormSum         // x / sqrt(Σx² + eps)
	NormMax         // x / max(sqrt(Σx²), eps)
)

var qkNormNames = []string{"none", "sum", "max"}

func (n QKNorm) String() string               { return enumName(qkNormNames, int(n)) }
func (n QKNorm) MarshalText() ([]byte, error) { return []byte(n.String()), nil }
func (n *QKNorm) UnmarshalText(text []byte) error {
	return parseEnum(qkNormNames, string(text), (*int)(n))
}

// HeadMap says which q and k head a value head reads where there are fewer of
// them. It is Interleaved where the counts are equal.
type HeadMap int

const (
	Interleaved HeadMap = iota // h div (Hv/Hk), as Qwen3-Next has its heads
	Tiled                      // h mod Hk, as Qwen3.5 files have them
)

var headMapNames = []string{"interleaved", "tiled"}

func (m HeadMap) String() string               { return enumName(headMapNames, int(m)) }
func (m HeadMap) MarshalText() ([]byte, error) { return []byte(m.String()), nil }
func (m *HeadMap) UnmarshalText(text []byte) error {
	return parseEnum(headMapNames, string(text), (*int)(m))
}

// KeyHead returns the q and k head that value head h reads.
func (m HeadMap) KeyHead(h, Hk, Hv int) int {
	if m == Tiled {
		return h % Hk
	}
	return h / (Hv / Hk)
}

// GatedDeltaNetAttrs configures gated_delta_net.
type GatedDeltaNetAttrs struct {
	Heads HeadMap
	Norm  QKNorm
	Eps   float32 // of the norm
	Scale float32 // of q, after its norm; 0 stands for 1
}

// GatedDeltaNetOp is the fused gated delta rule over T tokens.
var GatedDeltaNetOp = graph.Register(&graph.Op{
	Name: "gated_delta_net",
	Doc: `The gated delta rule for T tokens of B sequences, token after token:
S~ = exp(g)·S    S' = S~ + beta·(v - S~k)kᵀ    o = S'q·scale
with q, k [B T Hk K], v [B T Hv V], log decay g [B T Hv 1] (one a head) or [B T Hv K] (one a key channel),
beta [B T Hv 1] and state S [B Hv V K]; results o [B T Hv V] and the state after the last token.
Yang, Kautz, Hatamizadeh: Gated Delta Networks (2024), eq. 10; per channel: Kimi Linear (2025).`,
	Attrs:   GatedDeltaNetAttrs{},
	Arity:   6,
	InPlace: []graph.Alias{{Result: 1, Operand: 5}},
	Infer:   inferGatedDeltaNet,
	Eval:    evalGatedDeltaNet,
	Cases:   gatedDeltaNetCases,
	Decompose: func(in []graph.Value, a graph.Attrs) []graph.Value {
		return decomposeGatedDeltaNet(in, graph.AttrsOf[GatedDeltaNetAttrs](a))
	},
})

// GatedDeltaNet applies the gated delta rule: q, k [B T Hk K], v [B T Hv V],
// g [B T Hv 1|K], beta [B T Hv 1], s [B Hv V K] give o [B T Hv V] and the next
// state.
func GatedDeltaNet(q, k, v, g, beta, s graph.Value, a GatedDeltaNetAttrs) (o, next graph.Value) {
	n := graph.Apply(GatedDeltaNetOp, a, q, k, v, g, beta, s)
	return n.Out(0), n.Out(1)
}

func inferGatedDeltaNet(in []graph.Shape, a graph.Attrs) ([]graph.Shape, error) {
	at := graph.AttrsOf[GatedDeltaNetAttrs](a)
	q, k, v, g, beta, s := in[0], in[1], in[2], in[3], in[4], in[5]
	for i, x := range in {
		if x.DType != graph.F32 || x.Rank() != 4 {
			return nil, fmt.Errorf("operand %d is %v, want f32 of rank 4", i, x)
		}
	}
	B, T, Hk, K := q.Dim(0), q.Dim(1), q.Dim(2), q.Dim(3)
	Hv, V := v.Dim(2), v.Dim(3)
	G := g.Dim(3)
	if G != 1 {
		G = K
	}
	for _, x := range []struct {
		name       string
		have, want graph.Shape
	}{
		{"k", k, q},
		{"v", v, q.With(B, T, Hv, V)},
		{"g", g, q.With(B, T, Hv, G)},
		{"beta", beta, q.With(B, T, Hv, 1)},
		{"the state", s, q.With(B, Hv, V, K)},
	} {
		if x.have != x.want {
			return nil, fmt.Errorf("%s is %v, want %v", x.name, x.have, x.want)
		}
	}
	switch {
	case Hv%Hk != 0:
		return nil, fmt.Errorf("%d value heads cannot share %d key heads", Hv, Hk)
	case Hv == Hk && at.Heads != Interleaved:
		return nil, fmt.Errorf("head map %v of equal head counts", at.Heads)
	case at.Heads < Interleaved || at.Heads > Tiled || at.Norm < NormNone || at.Norm > NormMax:
		return nil, fmt.Errorf("attributes %+v are out of range", at)
	case at.Norm == NormNone && at.Eps != 0, !(at.Eps >= 0) || math.IsInf(float64(at.Eps), 0):
		return nil, fmt.Errorf("eps %g with norm %v", at.Eps, at.Norm)
	case math.IsNaN(float64(at.Scale)) || math.IsInf(float64(at.Scale), 0):
		return nil, fmt.Errorf("scale %g", at.Scale)
	}
	return []graph.Shape{v, s}, nil
}

func evalGatedDeltaNet(in []graph.Tensor, a graph.Attrs, out []graph.Tensor) {
	at := graph.AttrsOf[GatedDeltaNetAttrs](a)
	q, k, v, g, beta, s := in[0], in[1], in[2], in[3], in[4], in[5]
	B, T, Hk, K := q.Shape.Dim(0), q.Shape.Dim(1), q.Shape.Dim(2), q.Shape.Dim(3)
	Hv, V, G := v.Shape.Dim(2), v.Shape.Dim(3), g.Shape.Dim(3)
	scale := float64(at.Scale)
	if at.Scale == 0 {
		scale = 1
	}
	S, decay := make([]float64, V*K), make([]float64, K)
	qn, kn := make([]float64, K), make([]float64, K)
	for b := range B {
		for h := range Hv {
			state := (b*Hv + h) * V * K
			for i := range S {
				S[i] = float64(s.F[state+i])
			}
			for t := range T {
				row := (b*T+t)*Hv + h
				key := ((b*T+t)*Hk + at.Heads.KeyHead(h, Hk, Hv)) * K
				normalise(qn, q.F[key:key+K], at, scale)
				normalise(kn, k.F[key:key+K], at, 1)
				for i := range K {
					decay[i] = math.Exp(float64(g.F[row*G+i%G]))
				}
				for j := range V {
					Sj := S[j*K : (j+1)*K]
					var p, o float64
					for i := range Sj {
						Sj[i] *= decay[i]
						p += Sj[i] * kn[i]
					}
					e := float64(beta.F[row]) * (float64(v.F[row*V+j]) - p)
					for i := range Sj {
						Sj[i] += e * kn[i]
						o += Sj[i] * qn[i]
					}
					out[0].F[row*V+j] = float32(o)
				}
			}
			for i, x := range S {
				out[1].F[state+i] = float32(x)
			}
		}
	}
}

// normalise sets y to x, normalised and scaled as the attributes say.
func normalise(y []float64, x []float32, at GatedDeltaNetAttrs, scale float64) {
	if at.Norm != NormNone {
		var sum float64
		for _, e := range x {
			sum += float64(e) * float64(e)
		}
		if at.Norm == NormSum {
			scale /= math.Sqrt(sum + float64(at.Eps))
		} else {
			scale /= math.Max(math.Sqrt(sum), float64(at.Eps))
		}
	}
	for i, e := range x {
		y[i] = float64(e) * scale
	}
}

func decomposeGatedDeltaNet(in []graph.Value, at GatedDeltaNetAttrs) []graph.Value {
	q, k, v, g, beta, s := in[0], in[1], in[2], in[3], in[4], in[5]
	if at.Norm != NormNone {
		mode := L2Sum
		if at.Norm == NormMax {
			mode = L2Max
		}
		q, k = L2Norm(q, mode, at.Eps), L2Norm(k, mode, at.Eps)
	}
	if at.Scale != 0 {
		q = Scale(q, at.Scale)
	}
	if r := v.Shape().Dim(2) / q.Shape().Dim(2); r > 1 {
		mode := RepeatInterleaved
		if at.Heads == Tiled {
			mode = RepeatTiled
		}
		q, k = Repeat(q, 2, r, mode), Repeat(k, 2, r, mode)
	}
	o, next := DeltaRule(q, k, v, g, beta, s)
	return []graph.Value{o, next}
}

// gatedDeltaNetCases covers both decays, head maps and norms, sizes of heads,
// token counts around one chunk and several, and what errors would live long in:
// slow decay, none at all with keys that are alike, and one that leaves nothing.
func gatedDeltaNetCases(yield func(graph.Case) bool) {
	const none, gone = 0, -77 // log decays
	for _, c := range []struct {
		name                  string
		B, T, Hk, Hv, K, V, G int
		a                     GatedDeltaNetAttrs
		fill                  func(i int, t graph.Tensor, r *rand.Rand)
	}{
		{"token", 1, 1, 2, 2, 32, 32, 1, GatedDeltaNetAttrs{}, fastDecay},
		{"token tiled norm", 2, 1, 2, 6, 32, 16, 1, GatedDeltaNetAttrs{Tiled, NormSum, 1e-6, 0.25}, slowDecay},
		{"token interleaved max", 2, 1, 2, 4, 16, 32, 1, GatedDeltaNetAttrs{Interleaved, NormMax, 1e-6, 0}, fastDecay},
		{"token 256", 1, 1, 1, 1, 256, 16, 1, GatedDeltaNetAttrs{0, NormSum, 1e-6, 0}, slowDecay},
		{"tokens 40", 1, 17, 1, 2, 40, 9, 1, GatedDeltaNetAttrs{0, NormSum, 1e-6, 0}, slowDecay},
		{"prompt", 1, 65, 2, 4, 32, 32, 1, GatedDeltaNetAttrs{Tiled, NormSum, 1e-6, 0.2}, slowDecay},
		{"prompt batch", 2, 7, 1, 3, 16, 24, 1, GatedDeltaNetAttrs{Interleaved, NormSum, 1e-5, 0}, slowDecay},
		{"channel token", 2, 1, 2, 2, 32, 32, 32, GatedDeltaNetAttrs{0, NormSum, 1e-6, 0.2}, slowDecay},
		{"channel prompt", 1, 33, 2, 2, 16, 24, 16, GatedDeltaNetAttrs{0, NormSum, 1e-6, 0}, slowDecay},
		{"128", 1, 3, 1, 2, 128, 128, 1, GatedDeltaNetAttrs{Interleaved, NormSum, 1e-6, 0.0883883}, slowDecay},
		{"128 prompt", 1, 65, 1, 2, 128, 128, 1, GatedDeltaNetAttrs{Interleaved, NormSum, 1e-6, 0.0883883}, slowDecay},
		{"128 prompt batch", 2, 130, 1, 1, 128, 32, 1, GatedDeltaNetAttrs{0, NormMax, 1e-6, 0}, slowDecay},
		{"128 prompt tiled", 1, 70, 2, 4, 128, 32, 1, GatedDeltaNetAttrs{Tiled, NormSum, 1e-6, 0.5}, fastDecay},
		{"64 prompt", 1, 200, 1, 1, 64, 48, 1, GatedDeltaNetAttrs{0, NormSum, 1e-6, 0}, slowDecay},
		{"128 keys alike", 1, 130, 1, 1, 128, 32, 1, GatedDeltaNetAttrs{0, NormSum, 1e-6, 0}, keysAlike(none)},
		{"128 gone", 1, 70, 1, 1, 128, 32, 1, GatedDeltaNetAttrs{0, NormSum, 1e-6, 0}, keysAlike(gone)},
		{"channel 128", 1, 2, 1, 1, 128, 128, 128, GatedDeltaNetAttrs{0, NormSum, 1e-6, 0.0883883}, slowDecay},
		{"channel 128 prompt", 1, 130, 1, 1, 128, 32, 128, GatedDeltaNetAttrs{0, NormSum, 1e-6, 0.0883883}, slowDecay},
		{"channel 128 fast", 2, 70, 1, 2, 128, 32, 128, GatedDeltaNetAttrs{0, NormSum, 1e-6, 0.0883883}, fastDecay},
		{"channel 128 keys alike", 1, 70, 1, 1, 128, 32, 128, GatedDeltaNetAttrs{0, NormSum, 1e-6, 0}, keysAlike(none)},
		{"channel 128 gone", 1, 70, 1, 1, 128, 32, 128, GatedDeltaNetAttrs{0, NormSum, 1e-6, 0}, keysAlike(gone)},
	} {
		f := func(d ...int) graph.Shape { return graph.ShapeOf(graph.F32, d...) }
		if !yield(graph.Case{
			Name: c.name, Attrs: c.a,
			In: []graph.Shape{f(c.B, c.T, c.Hk, c.K), f(c.B, c.T, c.Hk, c.K), f(c.B, c.T, c.Hv, c.V),
				f(c.B, c.T, c.Hv, c.G), f(c.B, c.T, c.Hv, 1), f(c.B, c.Hv, c.V, c.K)},
			Fill: func(i int, t graph.Tensor, r *rand.Rand) {
				c.fill(i, t, r)
				if i < 2 && c.a.Norm == NormNone { // keys longer than 1 make the state grow
					for j := range t.F {
						t.F[j] /= float32(math.Sqrt(float64(c.K)))
					}
				}
			},
		}) {
			return
		}
	}
}

func slowDecay(i int, t graph.Tensor, r *rand.Rand) { FillDeltaNet(i, t, r, true) }
func fastDecay(i int, t graph.Tensor, r *rand.Rand) { FillDeltaNet(i, t, r, false) }

// keysAlike draws keys near one direction, with beta 1 and one log decay: each
// token takes back what the one before has written.
func keysAlike(decay float32) func(i int, t graph.Tensor, r *rand.Rand) {
	return func(i int, t graph.Tensor, r *rand.Rand) {
		FillDeltaNet(i, t, r, true)
		for j := range t.F {
			switch i {
			case 1:
				t.F[j] = 1 + t.F[j]/10
			case 3:
				t.F[j] = decay
			case 4:
				t.F[j] = 1
			}
		}
	}
}

// FillDeltaNet draws operand i of gated_delta_net: q, k, v and the state
// normal, beta in (0, 1), log decay in (-0.1, 0) where slow, else in (-5, 0).
func FillDeltaNet(i int, t graph.Tensor, r *rand.Rand, slow bool) {
	for j := range t.F {
		switch {
		case i == 3 && slow:
			t.F[j] = -0.1 * r.Float32()
		case i == 3:
			t.F[j] = -5 * r.Float32()
		case i == 4:
			t.F[j] = r.Float32()
		default:
			t.F[j] = float32(r.NormFloat64())
		}
	}
}
