package attn_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/quant"
	"github.com/deltaloom/deltaloom/runtime/cpu/attn"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec/guard"
)

// shape is one attention; past is the number of positions before the T tokens.
type shape struct {
	B, T, H, G, K, V, past int
	latent                 bool
	cache                  graph.DType
}

func (s shape) String() string {
	return fmt.Sprintf("B%d_T%d_H%d_G%d_K%d_V%d_past%d_latent=%v_%v", s.B, s.T, s.H, s.G, s.K, s.V, s.past, s.latent, s.cache)
}

var shapes = slices.Concat(shapesOf(graph.F32), shapesOf(graph.F16))

func shapesOf(cache graph.DType) []shape {
	return []shape{
		{1, 1, 8, 2, 256, 256, 0, false, cache},
		{1, 1, 8, 2, 256, 256, 1300, false, cache},
		{1, 1, 16, 2, 128, 128, 75, false, cache},
		{2, 1, 6, 1, 64, 48, 511, false, cache},
		{2, 5, 4, 2, 32, 16, 70, false, cache},
		{1, 3, 4, 2, 48, 32, 61, false, cache},
		{1, 67, 16, 2, 128, 128, 3, false, cache},
		{1, 150, 4, 4, 80, 80, 600, false, cache},
		{1, 40, 6, 2, 96, 96, 500, false, cache},
		{1, 33, 5, 1, 16, 16, 30, false, cache},
		{2, 1, 32, 1, 576, 512, 700, true, cache},
		{1, 9, 3, 1, 80, 64, 60, true, cache},
	}
}

// call makes the inputs of s, whose key and query parts are like a model's.
func (s shape) call(t testing.TB, side int) *attn.Call {
	r := rand.New(rand.NewPCG(uint64(s.T), uint64(s.past)))
	fill := func(x []float32, scale float64) []float32 {
		for i := range x {
			x[i] = float32(scale * r.NormFloat64())
		}
		return x
	}
	floats := func(n int, scale float64) []float32 { return fill(guard.Slices[float32](t, n)[side], scale) }
	pool := func(n int, scale float64) []byte {
		p := guard.Slices[byte](t, int(s.cache.Bytes(n)))[side]
		if err := quant.Pack(s.cache, p, fill(make([]float32, n), scale)); err != nil {
			t.Fatal(err)
		}
		return p
	}
	C := s.past + s.T
	P := s.B + 1
	c := &attn.Call{B: s.B, T: s.T, H: s.H, G: s.G, K: s.K, V: s.V, P: P, C: C, Len: C, Cache: s.cache, Latent: s.latent,
		Scale: float32(1 / math.Sqrt(float64(s.K))), PosStep: 4}
	c.Keys = pool(P*C*s.G*s.K, 2)
	first := s.K - 16
	if s.latent {
		first = s.V
	} else {
		c.Values = pool(P*C*s.G*s.V, 1)
	}
	c.Q = []attn.Rows{
		{Data: floats(s.B*s.T*s.H*first, 2), Seq: s.H * s.T * first, Token: first, Head: s.T * first},
		{Data: floats(s.B*s.T*s.H*(s.K-first), 2), Seq: s.T * s.H * (s.K - first), Token: s.H * (s.K - first), Head: s.K - first},
	}
	c.Parts = []int{first, s.K - first}
	c.Out = attn.Rows{Data: floats(s.B*s.T*s.H*s.V, 1), Seq: s.T * s.H * s.V, Token: s.H * s.V, Head: s.V}
	c.Slots = guard.Slices[int32](t, s.B)[side]
	c.Pos = guard.Slices[int32](t, (s.B*s.T-1)*4+1)[side]
	for b := range s.B {
		c.Slots[b] = int32(s.B - b)
		for i := range s.T {
			c.Pos[(b*s.T+i)*4] = int32(s.past + i)
		}
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	return c
}

func run(k *attn.Kernels, c *attn.Call) {
	scratch := make([]float32, c.Scratch())
	for i := range scratch {
		scratch[i] = float32(math.NaN())
	}
	for u := range c.Units() {
		k.Run(c, u, scratch)
	}
}

func out(c *attn.Call, b, t, h int) []float32 {
	at := b*c.Out.Seq + t*c.Out.Token + h*c.Out.Head
	return c.Out.Data[at : at+c.V]
}

// want is the formula in float64 for one head of one token.
func want(c *attn.Call, b, t, h int) []float64 {
	g := h / (c.H / c.G)
	end := min(int(c.Pos[(b*c.T+t)*c.PosStep])+1, c.Len)
	row := func(pool []byte, j, n int) []float32 {
		x, size := make([]float32, n), int(c.Cache.Bytes(n))
		if err := quant.Unpack(c.Cache, x, pool[((int(c.Slots[b])*c.C+j)*c.G+g)*size:][:size]); err != nil {
			panic(err)
		}
		return x
	}
	var q []float32
	for i, p := range c.Q {
		q = append(q, p.Data[b*p.Seq+t*p.Token+h*p.Head:][:c.Parts[i]]...)
	}
	score, top := make([]float64, end), math.Inf(-1)
	for j := range score {
		for e, x := range row(c.Keys, j, c.K) {
			score[j] += float64(c.Scale) * float64(x) * float64(q[e])
		}
		top = max(top, score[j])
	}
	o, sum := make([]float64, c.V), 0.0
	for j, s := range score {
		p := math.Exp(s - top)
		sum += p
		v := row(c.Keys, j, c.K)
		if !c.Latent {
			v = row(c.Values, j, c.V)
		}
		for e := range o {
			o[e] += p * float64(v[e])
		}
	}
	for e := range o {
		o[e] /= sum
	}
	return o
}

func each(t *testing.T, test func(t *testing.T, k *attn.Kernels)) {
	for _, set := range isa.Available() {
		t.Run(set.String(), func(t *testing.T) { test(t, attn.For(set)) })
	}
}

func TestAttention(t *testing.T) {
	each(t, func(t *testing.T, k *attn.Kernels) {
		for _, s := range shapes {
			for side := range 2 {
				c := s.call(t, side)
				run(k, c)
				diff, size := 0.0, 0.0
				for b := range c.B {
					for i := 0; i < c.T; i += 1 + c.T/20 {
						for h := range c.H {
							for e, w := range want(c, b, i, h) {
								d := w - float64(out(c, b, i, h)[e])
								diff, size = diff+d*d, size+w*w
							}
						}
					}
				}
				if nmse := diff / size; !(nmse < 1e-11) {
					t.Errorf("%v: NMSE %.2g", s, nmse)
				}
			}
		}
	})
}

func FuzzAttention(f *testing.F) {
	f.Add(uint16(7), uint16(100), uint8(3), uint8(2), uint8(5), uint8(3), uint16(90), true, true)
	f.Add(uint16(33), uint16(1), uint8(4), uint8(1), uint8(1), uint8(1), uint16(0), false, false)
	f.Add(uint16(0), uint16(400), uint8(4), uint8(1), uint8(4), uint8(3), uint16(1), false, false)
	f.Add(uint16(0), uint16(333), uint8(7), uint8(2), uint8(6), uint8(5), uint16(0), false, true)
	f.Add(uint16(1), uint16(90), uint8(2), uint8(0), uint8(7), uint8(6), uint16(0), true, true)
	f.Fuzz(func(t *testing.T, T, past uint16, r, G, key, value uint8, short uint16, latent, half bool) {
		s := shape{B: 2, T: 1 + int(T%70), G: 1 + int(G%3), K: 16 * (2 + int(key%8)), past: int(past % 700), latent: latent, cache: graph.F32}
		if half {
			s.cache = graph.F16
		}
		s.H, s.V = s.G*(1+int(r%9)), 16*(1+int(value)%(s.K/16-1))
		for _, set := range isa.Available() {
			c := s.call(t, 0)
			c.Len = max(1, c.Len-int(short))
			run(attn.For(set), c)
			token, h := int(short)%s.T, int(short)%s.H
			for e, w := range want(c, 1, token, h) {
				if got := float64(out(c, 1, token, h)[e]); !(math.Abs(got-w) < 1e-4*(1+math.Abs(w))) {
					t.Fatalf("%v: %v: element %d is %v, want %v", set, s, e, got, w)
				}
			}
		}
	})
}

// A token has the same bits alone, in a longer cache and when its chunks are
// computed apart.
func TestSplits(t *testing.T) {
	same := func(t *testing.T, s shape, what string, got, want []float32) {
		t.Helper()
		for i := range got {
			if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
				t.Fatalf("%v: %s: element %d is %v, want %v", s, what, i, got[i], want[i])
			}
		}
	}
	each(t, func(t *testing.T, k *attn.Kernels) {
		for _, s := range shapes {
			c := s.call(t, 0)
			run(k, c)
			whole := append([]float32{}, c.Out.Data...)

			clear(c.Out.Data)
			scratch := make([]float32, c.Scratch())
			parts := make([]float32, c.Chunks()*c.Partial())
			for u := range c.Units() {
				for i := c.Chunks() - 1; i >= 0; i-- {
					k.Part(c, u, i, scratch, parts[i*c.Partial():])
				}
				k.Combine(c, u, parts)
			}
			same(t, s, "in chunks", c.Out.Data, whole)

			for _, token := range []int{0, s.T / 2, s.T - 1} {
				for b := range s.B {
					one := *c
					one.B, one.T = 1, 1
					one.Slots, one.Pos = c.Slots[b:], c.Pos[(b*s.T+token)*4:]
					one.Len = int(one.Pos[0]) + 1
					one.Q = nil
					for _, q := range c.Q {
						q.Data = q.Data[b*q.Seq+token*q.Token:]
						one.Q = append(one.Q, q)
					}
					one.Out.Data = make([]float32, s.H*s.V)
					if err := one.Check(); err != nil {
						t.Fatal(err)
					}
					run(k, &one)
					same(t, s, "alone", one.Out.Data, whole[b*c.Out.Seq+token*c.Out.Token:][:s.H*s.V])
				}
			}
		}
	})
}

// What a token does not see is not read: not even NaN there reaches it.
func TestUnseen(t *testing.T) {
	each(t, func(t *testing.T, k *attn.Kernels) {
		s := shape{1, 20, 3, 1, 32, 32, 100, false, graph.F32}
		c := s.call(t, 0)
		run(k, c)
		before := append([]float32{}, out(c, 0, 9, 1)...)
		for i := 4 * 32 * (int(c.Slots[0])*c.C + 110); i < len(c.Keys); i++ { // NaN
			c.Keys[i], c.Values[i] = 0xff, 0xff
		}
		c.Pos[0] = -1
		run(k, c)
		for e, x := range out(c, 0, 9, 1) {
			if x != before[e] {
				t.Fatalf("element %d changes from %v to %v", e, before[e], x)
			}
		}
		for e, x := range out(c, 0, 0, 0) {
			if x != 0 {
				t.Errorf("a token at position -1 gets %v in element %d", x, e)
			}
		}
	})
}

func TestAllocations(t *testing.T) {
	c := shapes[4].call(t, 0)
	scratch, parts := make([]float32, c.Scratch()), make([]float32, c.Chunks()*c.Partial())
	each(t, func(t *testing.T, k *attn.Kernels) {
		if n := testing.AllocsPerRun(10, func() {
			k.Run(c, 0, scratch)
			k.Part(c, 0, 0, scratch, parts)
			k.Combine(c, 0, parts)
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

func TestCheck(t *testing.T) {
	for name, spoil := range map[string]func(c *attn.Call){
		"no sequence":     func(c *attn.Call) { c.B = 0 },
		"uneven groups":   func(c *attn.Call) { c.H = 5 },
		"odd key":         func(c *attn.Call) { c.K = 33 },
		"odd value":       func(c *attn.Call) { c.V = 8 },
		"long cache":      func(c *attn.Call) { c.Len = c.C + 1 },
		"blocks":          func(c *attn.Call) { c.Cache = graph.Q8_0 },
		"short keys":      func(c *attn.Call) { c.Keys = c.Keys[1:] },
		"short values":    func(c *attn.Call) { c.Values = c.Values[1:] },
		"latent too long": func(c *attn.Call) { c.Latent, c.V = true, c.K+16 },
		"few slots":       func(c *attn.Call) { c.Slots = c.Slots[1:] },
		"slot outside":    func(c *attn.Call) { c.Slots[0] = int32(c.P) },
		"slot below":      func(c *attn.Call) { c.Slots[1] = -1 },
		"few positions":   func(c *attn.Call) { c.Pos = c.Pos[1:] },
		"no step":         func(c *attn.Call) { c.PosStep = 0 },
		"parts":           func(c *attn.Call) { c.Parts = []int{16, 32} },
		"no parts":        func(c *attn.Call) { c.Q, c.Parts = nil, nil },
		"short query":     func(c *attn.Call) { c.Q[0].Data = c.Q[0].Data[1:] },
		"back":            func(c *attn.Call) { c.Q[1].Head = -16 },
		"short output":    func(c *attn.Call) { c.Out.Data = c.Out.Data[1:] },
	} {
		c := shapes[4].call(t, 0)
		if spoil(c); c.Check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	c := shapes[4].call(t, 0)
	c.K = 33
	if err := c.Check(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("keys of 33 elements: %v", err)
	}
}
