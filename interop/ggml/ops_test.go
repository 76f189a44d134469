package ggml_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/interop/ggml"
	"github.com/deltaloom/deltaloom/ops"
)

var inf = float32(math.Inf(1))

// x is an input of the text, f32.
func (w *text) x(ne ...int) *tn { return w.leaf("f32", "inp_x", ne...) }
func (w *text) y(ne ...int) *tn { return w.leaf("f32", "inp_y", ne...) }
func (w *text) ids(ne ...int) *tn {
	return w.leaf("i32", "inp_ids", ne...)
}

// feedText feeds inp_x 1, 2, 3, … and inp_y 10, 20, 30, …, weights and
// states 1, 2, 3, …, integers 0, 1, 2, …, unless they are given.
func feedText(g *graph.Graph, given map[string][]float32) map[string]graph.Tensor {
	feeds := map[string]graph.Tensor{}
	for _, n := range g.Nodes() {
		if !n.IsLeaf() || n.Op() == graph.ConstOp {
			continue
		}
		t := graph.NewTensor(n.Out(0).Shape())
		step := float32(1)
		if n.Name() == "inp_y" {
			step = 10
		}
		for i := range t.F {
			t.F[i] = step * float32(i+1)
		}
		copy(t.F, given[n.Name()])
		for i := range t.I {
			t.I[i] = int32(i)
			if v := given[n.Name()]; i < len(v) {
				t.I[i] = int32(v[i])
			}
		}
		feeds[n.Name()] = t
	}
	return feeds
}

func f(v ...float32) []float32 { return v }

// Each op on a few numbers.
func TestOps(t *testing.T) {
	with := func(x ...float32) map[string][]float32 { return map[string][]float32{"inp_x": x} }
	unary := func(op string, params ...int) func(*text) *tn {
		return func(w *text) *tn { return w.x(3).unary(op, params...) }
	}
	each := func(f func(float64) float64, x ...float32) []float32 {
		y := make([]float32, len(x))
		for i := range x {
			y[i] = float32(f(float64(x[i])))
		}
		return y
	}
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	silu := func(x float64) float64 { return x * sigmoid(x) }
	quick := func(x float64) float64 { return x * sigmoid(1.702*x) }
	hard := func(x float64) float64 { return min(max(x/6+0.5, 0), 1) }
	odd := f(-1, 0.5, 4)

	for _, c := range []struct {
		name  string
		build func(w *text) *tn
		given map[string][]float32
		want  []float32
	}{
		{"ADD", func(w *text) *tn { return w.x(2, 2).add(w.y(2)) }, nil, f(11, 22, 13, 24)},
		{"ADD one", func(w *text) *tn { return w.x(2, 2).add(w.y(1)) }, nil, f(11, 12, 13, 14)},
		{"ADD rows", func(w *text) *tn { return w.x(2, 2).add(w.y(1, 2)) }, nil, f(11, 12, 23, 24)},
		{"ADD by modulo", func(w *text) *tn { return w.x(4, 2).add(w.y(2, 1)) }, nil, f(11, 22, 13, 24, 15, 26, 17, 28)},
		{"SUB by modulo of rows", func(w *text) *tn { return w.y(1, 4).sub(w.x(1, 2)) }, nil, f(9, 18, 29, 38)},
		{"MUL", func(w *text) *tn { return w.x(2, 2).mul(w.y(2, 2)) }, nil, f(10, 40, 90, 160)},
		{"DIV", func(w *text) *tn { return w.y(2, 2).binary("DIV", w.x(2, 1)) }, nil, f(10, 10, 30, 20)},

		{"NEG", unary("NEG", 2), nil, f(-1, -2, -3)},
		{"ABS", unary("ABS"), with(odd...), f(1, 0.5, 4)},
		{"EXP", unary("EXP", 13), with(odd...), each(math.Exp, odd...)},
		{"LOG", unary("LOG"), nil, each(math.Log, 1, 2, 3)},
		{"SQR", unary("SQR"), nil, f(1, 4, 9)},
		{"SQRT", unary("SQRT"), nil, each(math.Sqrt, 1, 2, 3)},
		{"TANH", unary("TANH"), with(odd...), each(math.Tanh, odd...)},
		{"RELU", unary("RELU"), with(odd...), f(0, 0.5, 4)},
		{"SIGMOID", unary("SIGMOID", 7), with(odd...), each(sigmoid, odd...)},
		{"SILU", unary("SILU", 10), with(odd...), each(silu, odd...)},
		{"SOFTPLUS", unary("SOFTPLUS", 15), with(-1, 0.5, 30), each(func(x float64) float64 { return math.Log1p(math.Exp(x)) }, -1, 0.5, 30)},
		{"GELU_QUICK", unary("GELU_QUICK"), with(odd...), each(quick, odd...)},
		{"HARDSIGMOID", unary("HARDSIGMOID"), with(odd...), each(hard, odd...)},
		{"HARDSWISH", unary("HARDSWISH"), with(odd...), each(func(x float64) float64 { return x * hard(x) }, odd...)},

		{"SWIGLU", func(w *text) *tn { return w.x(2).swiglu(w.y(2)) }, nil, f(10*float32(silu(1)), 20*float32(silu(2)))},
		{"SWIGLU of halves", func(w *text) *tn { return w.node("SWIGLU", []int{2, 2}, []int{2, 0}, w.x(4, 2)) }, nil,
			f(3*float32(silu(1)), 4*float32(silu(2)), 7*float32(silu(5)), 8*float32(silu(6)))},
		{"SWIGLU swapped", func(w *text) *tn { return w.node("SWIGLU", []int{1}, []int{2, 1}, w.x(2)) }, nil, f(float32(silu(2)))},
		{"REGLU", func(w *text) *tn { return w.node("REGLU", []int{2}, nil, w.x(2), w.y(2)) }, with(-1, 3), f(0, 60)},
		{"GEGLU_QUICK", func(w *text) *tn { return w.node("GEGLU_QUICK", []int{1}, nil, w.x(1), w.y(1)) }, nil, f(10 * float32(quick(1)))},

		{"SCALE", unary("SCALE", bits(0.5)), nil, f(0.5, 1, 1.5)},
		{"SCALE and bias", unary("SCALE", bits(0.5), bits(3)), nil, f(3.5, 4, 4.5)},
		{"CLAMP", unary("CLAMP", bits(1.5), bits(math.Inf(1))), nil, f(1.5, 2, 3)},
		{"SUM", func(w *text) *tn { return w.node("SUM", []int{1}, nil, w.x(2, 2, 2)) }, nil, f(36)},
		{"SUM_ROWS", func(w *text) *tn { return w.x(2, 2).sumRows() }, nil, f(3, 7)},
		{"MEAN", func(w *text) *tn { return w.node("MEAN", []int{1, 2}, nil, w.x(2, 2)) }, nil, f(1.5, 3.5)},
		{"CUMSUM", func(w *text) *tn { return w.x(3, 2).unary("CUMSUM") }, nil, f(1, 3, 6, 4, 9, 15)},
		{"RMS_NORM", func(w *text) *tn { return w.x(2).rms(1.5) }, nil, f(0.5, 1)},
		{"NORM", unary("NORM", bits(3)), with(-1, 1, 3), each(func(x float64) float64 { return (x - 1) / math.Sqrt(8./3+3) }, -1, 1, 3)},
		{"L2_NORM", func(w *text) *tn { return w.x(2, 2).unary("L2_NORM", bits(10)) }, with(3, 4, 30, 40), f(0.3, 0.4, 0.6, 0.8)},

		{"SOFT_MAX", func(w *text) *tn { return w.x(2, 1).unary("SOFT_MAX", bits(math.Log(2))) }, nil, f(1./3, 2./3)},
		{"SOFT_MAX masked", func(w *text) *tn { // the mask serves both heads, and has a row too many
			return w.node("SOFT_MAX", []int{2, 1, 2}, []int{bits(1)}, w.x(2, 1, 2), w.leaf("f16", "attn_inp_kq_mask", 2, 4))
		}, map[string][]float32{"attn_inp_kq_mask": {0, -inf, 0, 0, 0, 0, 0, 0}}, f(1, 0, 1, 0)},

		{"MUL_MAT", func(w *text) *tn { return w.x(2, 2).mulMat(w.y(2, 3)) }, nil, f(50, 110, 110, 250, 170, 390)},
		{"MUL_MAT heads by division", func(w *text) *tn { return w.x(1, 1, 2).mulMat(w.y(1, 1, 4)) }, nil, f(10, 20, 60, 80)},
		{"MUL_MAT one for all", func(w *text) *tn { return w.x(1, 2).mulMat(w.y(1, 1, 2, 2)) }, nil, f(10, 20, 20, 40, 30, 60, 40, 80)},
		{"MUL_MAT heads and batch by division", func(w *text) *tn { return w.x(1, 1, 2, 2).mulMat(w.y(1, 1, 4, 4)) }, nil,
			f(10, 20, 60, 80, 50, 60, 140, 160, 270, 300, 440, 480, 390, 420, 600, 640)},
		{"MUL_MAT of a vector", func(w *text) *tn { return w.leaf("f32", "gate.weight", 2).mulMat(w.y(2, 2)) }, nil, f(50, 110)},
		{"MUL_MAT_ID one row", func(w *text) *tn { return w.x(1, 2, 3).mulMatID(w.y(1, 1, 2), w.ids(2, 2)) },
			map[string][]float32{"inp_ids": {2, 0, 1, 2}}, f(50, 60, 10, 20, 60, 80, 100, 120)},
		{"MUL_MAT_ID a row a slot", func(w *text) *tn { return w.x(1, 2, 3).mulMatID(w.y(1, 2, 1), w.ids(2, 1)) },
			map[string][]float32{"inp_ids": {2, 0}}, f(50, 60, 20, 40)},
		{"MUL_MAT_ID rows by modulo", func(w *text) *tn { return w.x(1, 1, 2).mulMatID(w.y(1, 2, 1), w.ids(4, 1)) },
			map[string][]float32{"inp_ids": {0, 0, 1, 1}}, f(10, 20, 20, 40)},

		{"SSM_CONV", func(w *text) *tn { return w.node("SSM_CONV", []int{2, 2, 1}, nil, w.x(3, 2), w.y(2, 2)) }, nil,
			f(1*10+2*20, 4*30+5*40, 2*10+3*20, 5*30+6*40)},
		{"TRI upper and diagonal", func(w *text) *tn { return w.x(2, 2).unary("TRI", 0) }, nil, f(1, 2, 0, 4)},
		{"TRI upper", func(w *text) *tn { return w.x(2, 2).unary("TRI", 1) }, nil, f(0, 2, 0, 0)},
		{"TRI lower and diagonal", func(w *text) *tn { return w.x(2, 2).unary("TRI", 2) }, nil, f(1, 0, 3, 4)},
		{"TRI lower", func(w *text) *tn { return w.x(2, 2).unary("TRI", 3) }, nil, f(0, 0, 3, 0)},
		{"SOLVE_TRI", func(w *text) *tn { return w.node("SOLVE_TRI", []int{1, 2}, nil, w.x(2, 2), w.y(1, 2)) },
			with(2, 99, 1, 5), f(5, 3)},
		{"DIAG", func(w *text) *tn { return w.node("DIAG", []int{2, 2, 2}, nil, w.x(2, 1, 2)) }, nil, f(1, 0, 0, 2, 3, 0, 0, 4)},
		{"FILL", func(w *text) *tn { return w.node("FILL", []int{2, 2}, []int{bits(3.5)}, w.x(1)).add(w.x(1)) }, nil, f(4.5, 4.5, 4.5, 4.5)},

		{"GET_ROWS", func(w *text) *tn { return w.x(2, 3).rows(w.ids(2)) }, map[string][]float32{"inp_ids": {2, 0}}, f(5, 6, 1, 2)},
		{"GET_ROWS of each batch", func(w *text) *tn { // probabilities of the experts a token has chosen
			return w.node("GET_ROWS", []int{1, 2, 2}, nil, w.x(1, 3, 2), w.ids(2, 2))
		}, map[string][]float32{"inp_ids": {2, 0, 1, 2}}, f(3, 1, 5, 6)},
		{"GET_ROWS of several columns", func(w *text) *tn {
			return w.node("GET_ROWS", []int{2, 1, 2}, nil, w.x(2, 2, 2), w.ids(1, 2))
		}, map[string][]float32{"inp_ids": {1, 0}}, f(3, 4, 5, 6)},
		{"ARGSORT and a view of it", func(w *text) *tn {
			o := w.add("ARGSORT", "order", "i32", []int{3, 2}, [4]int{}, nil, 0, []int{1}, w.x(3, 2))
			return w.node("GET_ROWS", []int{1, 2, 2}, nil, w.x(3, 2).reshape(1, 3, 2), o.view2(2, 2, o.nb[1], 0))
		}, with(2, 9, 4, 8, 1, 3), f(9, 4, 8, 3)},
		{"ARGSORT ascending", func(w *text) *tn {
			return w.x(1, 3).rows(w.add("ARGSORT", "order", "i32", []int{3}, [4]int{}, nil, 0, nil, w.x(1, 3).reshape(3)))
		}, with(2, 9, 4), f(2, 4, 9)},
		{"TOP_K", func(w *text) *tn {
			return w.x(1, 3).rows(w.add("TOP_K", "best", "i32", []int{2}, [4]int{}, nil, 0, nil, w.x(1, 3).reshape(3)))
		}, with(2, 9, 4), f(9, 4)},

		{"REPEAT", func(w *text) *tn { return w.x(2, 1).repeat(4, 2) }, nil, f(1, 2, 1, 2, 1, 2, 1, 2)},
		{"REPEAT heads by modulo", func(w *text) *tn { return w.x(1, 2).repeat(1, 4) }, nil, f(1, 2, 1, 2)},
		{"PAD", func(w *text) *tn { return w.x(1, 2).padTime(1) }, nil, f(1, 2, 0)},
		{"PAD before and after", func(w *text) *tn { return w.node("PAD", []int{4, 2}, []int{1, 1, 1, 0}, w.x(2, 1)) }, nil, f(0, 0, 0, 0, 0, 1, 2, 0)},
		{"CONCAT 0", func(w *text) *tn { return w.x(1, 2).concat(w.y(2, 2), 0) }, nil, f(1, 10, 20, 2, 30, 40)},
		{"CONCAT 2", func(w *text) *tn { return w.x(2).concat(w.y(2), 2) }, nil, f(1, 2, 10, 20)},
		{"CONCAT with nothing", func(w *text) *tn { return w.x(2).concat(w.leaf("f32", "none", 2, 0), 1) }, nil, f(1, 2)},
		{"CONT", func(w *text) *tn { return w.x(2, 2).transpose().cont() }, nil, f(1, 3, 2, 4)},
		{"CONT to other extents", func(w *text) *tn { return w.x(2, 2, 2).permute(0, 2, 1, 3).cont(4, 2) }, nil, f(1, 2, 5, 6, 3, 4, 7, 8)},
		{"DUP", func(w *text) *tn { return w.x(2, 2).transpose().unary("DUP") }, nil, f(1, 3, 2, 4)},
		{"a strided view", func(w *text) *tn { return w.x(4, 2).view([]int{2, 2}, [3]int{16, 32, 32}, 4).scale(1) }, nil, f(2, 3, 6, 7)},
		{"halves of each head", func(w *text) *tn { return w.x(8, 2).view([]int{2, 2, 2}, [3]int{16, 32, 64}, 8).scale(1) }, nil,
			f(3, 4, 7, 8, 11, 12, 15, 16)},
		{"a view across rows", func(w *text) *tn { return w.x(3, 2).view([]int{4}, [3]int{16, 16, 16}, 4).scale(1) }, nil, f(2, 3, 4, 5)},
		{"a view that repeats", func(w *text) *tn { return w.x(2).view([]int{2, 2}, [3]int{0, 0, 0}, 0).scale(1) }, nil, f(1, 2, 1, 2)},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &text{}
			out := c.build(w)
			g := read(t, w.String()).Graph()
			r := run(t, g, feedText(g, c.given))
			got, ok := r.Outputs[fmt.Sprintf("node_%d", out.id)]
			if !ok || len(r.Outputs) != 1 {
				t.Fatalf("outputs %v\n%s", g.Outputs(), w)
			}
			near(t, got.F, c.want)
		})
	}
}

func near(t *testing.T, got, want []float32) {
	t.Helper()
	ok := len(got) == len(want)
	for i := range got {
		ok = ok && math.Abs(float64(got[i]-want[i])) <= 1e-6*max(1, math.Abs(float64(want[i])))
	}
	if !ok {
		t.Errorf("%v, want %v", got, want)
	}
}

// The three ways of turning heads, at position 2 of a token.
func TestRope(t *testing.T) {
	const base, dims = 100, 4
	turn := func(u, v, p float64, j int) (float32, float32) {
		sin, cos := math.Sincos(p * math.Pow(base, -2*float64(j)/dims))
		return float32(u*cos - v*sin), float32(u*sin + v*cos)
	}
	for _, c := range []struct {
		mode  int
		pairs [2][2]int // elements that turn together
		pos   []float32 // streams of two tokens
		at    [2]float64
	}{
		{0, [2][2]int{{0, 1}, {2, 3}}, f(0, 2), [2]float64{2, 2}},
		{2, [2][2]int{{0, 2}, {1, 3}}, f(0, 2), [2]float64{2, 2}},
		{40, [2][2]int{{0, 2}, {1, 3}}, f(0, 2, 0, 5, 0, 7, 0, 9), [2]float64{2, 5}}, // t and h
	} {
		w := &text{}
		p := []int{0, dims, c.mode, 0, 512, bits(base), bits(1), 0, bits(1), bits(32), bits(1), 1, 1, 0, 0}
		w.node("ROPE", []int{5, 1, 2}, p, w.x(5, 1, 2), w.leaf("i32", "inp_pos", len(c.pos)))
		g := read(t, w.String()).Graph()
		r := run(t, g, feedText(g, map[string][]float32{"inp_pos": c.pos}))
		want := f(1, 2, 3, 4, 5, 6, 7, 8, 9, 10) // the first token stands still, the last element too
		for j, pair := range c.pairs {
			a, b := &want[5+pair[0]], &want[5+pair[1]]
			*a, *b = turn(float64(*a), float64(*b), c.at[j], j)
		}
		near(t, r.Outputs["node_2"].F, want)
	}
}

// The fused op of a text is what the plain ones are.
func TestGatedDeltaNet(t *testing.T) {
	const S, H, T = 4, 2, 3
	for _, G := range []int{1, S} {
		var all [2][]float32
		for i := range all {
			w := &text{}
			qkv := w.x(S, 2*H, T, 1) // small numbers, of either sign
			part := func(at, n int) *tn {
				return qkv.view([]int{S, n, T, 1}, [3]int{4 * S, 8 * S * H, 8 * S * H * T}, 4*S*at)
			}
			q, k, v := part(0, 1), part(1, 1), part(2, 2)
			g, beta, s := w.leaf("f32", "inp_g", G, H, T, 1), w.leaf("f32", "inp_beta", 1, H, T, 1), w.leaf("f32", "cache_s_l0", S*S*H, 1)
			m := &family{text: w, T: T}
			var o, next *tn
			if i == 0 {
				wide := func(x *tn) *tn { return x.repeat(S, H, T, 1) }
				o, next = m.deltaNet(wide(q), wide(k), v, g, beta, s.rows(w.leaf("i32", "rs_s_copy", 1)).reshape(S, S, H, 1))
			} else {
				n := w.node("GATED_DELTA_NET", []int{S * H, T + S}, []int{1}, q, k, v, g, beta, s.reshape(S, S, H, 1))
				o = n.view([]int{S, H, T, 1}, [3]int{4 * S, 4 * S * H, 4 * S * H * T}, 0)
				next = n.view([]int{S, S, H, 1}, [3]int{4 * S, 4 * S * S, 4 * S * S * H}, 4*S*H*T)
			}
			next.cpy(s)
			out := o.cont()
			gr := read(t, w.String()).Graph()
			given := map[string][]float32{}
			for name, n := range map[string]int{"inp_x": 2 * H * S * T, "inp_g": G * H * T, "inp_beta": H * T, "cache_s_l0": S * S * H} {
				for j := range n {
					x := float32(math.Sin(float64(j*j+len(name)))) / 2
					if name == "inp_g" {
						x = -x * x
					}
					given[name] = append(given[name], x)
				}
			}
			r := run(t, gr, feedText(gr, given))
			all[i] = slices.Concat(r.Outputs[fmt.Sprintf("node_%d", out.id)].F, r.States["cache_s_l0"].F)
			if concats := gr.Stats().Ops["concat"]; i == 1 && concats != 0 {
				t.Errorf("%d copies of the result:\n%s", concats, gr)
			}
		}
		near(t, all[1], all[0])
	}
}

// What ops write into states and into each other, and in which forms: the
// number of nodes that compute shows that nothing is copied needlessly.
func TestWrites(t *testing.T) {
	state := func(w *text, ne ...int) *tn { return w.leaf("f32", "cache_s_l0", ne...) }
	for _, c := range []struct {
		name  string
		build func(w *text)
		want  []float32 // the state's next value; it was 1, 2, 3, …
		nodes string
	}{
		{"CPY over all", func(w *text) { w.y(6).cpy(state(w, 3, 2)) }, f(10, 20, 30, 40, 50, 60), ""},
		{"CPY over all, transposed", func(w *text) { w.y(2, 3).cpy(state(w, 3, 2).transpose()) }, f(10, 30, 50, 20, 40, 60), ""},
		{"CPY into a row", func(w *text) { s := state(w, 3, 2); w.y(3).cpy(s.view2(3, 1, 12, 12)) }, f(1, 2, 3, 10, 20, 30), "concat:1"},
		{"CPY of nothing", func(w *text) {
			s := state(w, 3, 2)
			w.leaf("f32", "no", 3, 0).cpy(s.view2(3, 0, 12, 24))
			w.y(6).cpy(s)
		},
			f(10, 20, 30, 40, 50, 60), ""},
		{"CPY into two rows in turn", func(w *text) {
			s := state(w, 3, 2)
			w.y(3).cpy(s.view2(3, 1, 12, 12))
			w.x(3).cpy(s.view2(3, 1, 12, 0))
		}, f(1, 2, 3, 10, 20, 30), "concat:1"},
		{"CPY into a column", func(w *text) { s := state(w, 3, 2); w.y(2).cpy(s.view([]int{1, 2}, [3]int{12, 24, 24}, 4)) }, f(1, 10, 3, 4, 20, 6), "concat:1"},
		{"CPY into a box", func(w *text) { s := state(w, 3, 3); w.y(2, 2).cpy(s.view2(2, 2, 12, 4)) }, f(1, 10, 20, 4, 30, 40, 7, 8, 9), "concat:2"},
		{"CPY into every second row", func(w *text) { s := state(w, 2, 4); w.y(2, 2).cpy(s.view2(2, 2, 16, 8)) }, f(1, 2, 10, 20, 5, 6, 30, 40), "concat:1"},
		{"CPY of itself, shifted", func(w *text) {
			s := state(w, 4)
			s.view([]int{3}, [3]int{12, 12, 12}, 4).cpy(s.view([]int{3}, [3]int{12, 12, 12}, 0))
		}, f(2, 3, 4, 4), "concat:1"},
		{"SCALE in place", func(w *text) { s := state(w, 2, 2); w.in("SCALE", s, []int{bits(0)}, s) }, f(0, 0, 0, 0), "scale:1"},
		{"SCALE of a row in place", func(w *text) {
			s := state(w, 2, 2)
			row := s.view2(2, 1, 8, 8)
			w.in("SCALE", row, []int{bits(3)}, row)
		}, f(1, 2, 9, 12), "concat:1 scale:1"},
		{"SET_ROWS", func(w *text) {
			s := state(w, 2, 3)
			w.y(2, 2).setRows(w.leaf("i64", "attn_inp_k_idxs", 2), s.reshape(2, 3))
		}, f(10, 20, 30, 40, 5, 6), "scatter_rows:1"},
		{"SET_ROWS of elements", func(w *text) { // token 1 of 3 positions, two channels
			s := state(w, 2, 3)
			w.y(2, 1).reshape(1, 2).setRows(w.leaf("i64", "inp_ids", 2), s.reshape(1, 6))
		}, f(1, 10, 3, 4, 20, 6), "scatter_rows:1"},
		{"SET_ROWS in a part", func(w *text) {
			s := state(w, 2, 4)
			w.y(2, 1).setRows(w.leaf("i64", "attn_inp_k_idxs", 1), s.view2(2, 2, 8, 16))
		}, f(1, 2, 3, 4, 10, 20, 7, 8), "concat:1 scatter_rows:1"},
		{"SET in place", func(w *text) { state(w, 2, 2).set(w.y(1, 2), 4) }, f(1, 10, 3, 20), "concat:1"},
		{"SET of a copy", func(w *text) {
			s := state(w, 2, 2)
			w.node("SET", []int{2, 2}, []int{8, 16, 16, 8, 0}, s, w.y(2)).cpy(s)
		}, f(1, 2, 10, 20), "concat:1"},
		{"ACC", func(w *text) { s := state(w, 2, 2); w.in("ACC", s, []int{8, 16, 16, 8}, s, w.y(2)) }, f(1, 2, 13, 24), "add:1 concat:1"},
		{"windows that cover all", func(w *text) { // the old value is needed no more
			n := w.x(2, 2).scale(5)
			s := n.set(w.y(2), 0).set(w.y(2), 8)
			s.cpy(state(w, 2, 2))
		}, f(10, 20, 10, 20), "concat:1"},
		{"a part of what windows wrote", func(w *text) {
			n := w.x(2, 2).scale(5)
			n.set(w.y(2), 0).set(w.x(2, 2).view2(2, 1, 8, 8), 8)
			n.view2(2, 1, 8, 8).cpy(state(w, 2))
		}, f(3, 4), ""},
		{"a read before the write", func(w *text) {
			s := state(w, 2, 2)
			had := s.view2(2, 1, 8, 0).scale(1)
			w.y(4).cpy(s)
			had.cpy(s.view2(2, 1, 8, 8))
		}, f(10, 20, 1, 2), "concat:1 scale:1"},
		{"a read after the write, through another view", func(w *text) {
			s := state(w, 2, 2)
			early := s.transpose()
			w.y(4).cpy(s)
			early.cont().cpy(s)
		}, f(10, 30, 20, 40), "cont:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &text{}
			c.build(w)
			g := read(t, w.String())
			gr := g.Graph()
			r := run(t, gr, feedText(gr, map[string][]float32{"inp_ids": {1, 4}}))
			next, ok := r.States["cache_s_l0"]
			if !ok {
				t.Fatal("no next state")
			}
			near(t, next.F, c.want)
			var nodes []string
			for name, n := range gr.Stats().Ops {
				nodes = append(nodes, fmt.Sprintf("%s:%d", name, n))
			}
			slices.Sort(nodes)
			if have := strings.Join(nodes, " "); have != c.nodes {
				t.Errorf("computes %q, want %q\n%s", have, c.nodes, gr)
			}
			if len(gr.Outputs()) != 0 {
				t.Errorf("outputs %v", gr.Outputs())
			}
		})
	}
}

// SCALE by 0 in place of a cache is left out of a graph that goes on.
func TestContinued(t *testing.T) {
	w := &text{}
	s := w.leaf("f32", "cache_r_l0", 2)
	w.in("SCALE", s, []int{0}, s)
	s.rows(w.leaf("i32", "rs_s_copy", 1))
	g := read(t, w.String())
	if r := run(t, g.Graph(), feedText(g.Graph(), nil)); !slices.Equal(r.Outputs["node_3"].F, f(0, 0)) || len(r.States) != 1 {
		t.Errorf("from the start: %v", r)
	}
	r, err := ops.Run(read(t, w.String(), ggml.Continued()).Graph(), feedText(g.Graph(), nil))
	if err != nil || !slices.Equal(r.Outputs["node_3"].F, f(1, 2)) || len(r.States) != 0 {
		t.Errorf("later: %v %v", r, err)
	}
}
