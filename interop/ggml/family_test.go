package ggml_test

import (
	"math"
	"strconv"
	"testing"

	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/internal/reference"
	"github.com/deltaloom/deltaloom/interop/ggml"
	"github.com/deltaloom/deltaloom/models"
)

// family writes the texts of whole models, as a runtime that fuses nothing would
// build them: what a reader must know of is all in there. T tokens of one
// sequence; kv positions of the cache are read, context of them are kept.
type family struct {
	*text
	f           *gguf.File
	arch        string
	T           int
	kv, context int
	width       int
	eps         float64
	slot        *tn // the state's row
	others      *tn // rows of other sequences: none
}

func newFamily(t *testing.T, f *gguf.File, T int) *family {
	m := &family{text: &text{}, f: f, T: T, kv: 256, context: 512}
	m.arch, _ = gguf.GetOr(f, "general.architecture", "")
	m.width, m.eps = m.key("embedding_length"), 1e-6
	if m.arch == "" || m.width == 0 {
		t.Fatal("no model")
	}
	return m
}

func (m *family) key(name string) int {
	n, _ := gguf.GetOr(m.f, m.arch+"."+name, 0)
	return n
}

// weight is the tensor of the file, which must be there.
func (m *family) weight(name string) *tn {
	t, ok := m.f.Tensor(name)
	if !ok {
		panic("no tensor " + name)
	}
	d := t.Dims()
	var ne []int
	for i := range d {
		ne = append(ne, d[len(d)-1-i])
	}
	return m.leaf("f32", name, ne...)
}

func (m *family) has(name string) bool {
	_, ok := m.f.Tensor(name)
	return ok
}

func (m *family) build() string {
	x := m.weight("token_embd.weight").rows(m.leaf("i32", "inp_tokens", m.T))
	for i := range m.key("block_count") {
		p := "blk." + strconv.Itoa(i) + "."
		h := m.norm(x, p+"attn_norm.weight")
		var y *tn
		switch {
		case m.has(p + "attn_kv_b.weight"), m.has(p + "attn_k_b.weight"):
			y = m.mla(h, p, i)
		case m.has(p + "ssm_f_a.weight"):
			y = m.kda(h, p, i)
		case m.has(p + "ssm_a"):
			y = m.gdn(h, p, i)
		default:
			y = m.attention(h, p, i)
		}
		x = y.add(x)
		ffn := p + "post_attention_norm.weight"
		if !m.has(ffn) {
			ffn = p + "ffn_norm.weight"
		}
		x = m.ffn(m.norm(x, ffn), p).add(x)
	}
	x = m.norm(x, "output_norm.weight").rows(m.leaf("i32", "out_ids", m.T))
	head := "output.weight"
	if !m.has(head) {
		head = "token_embd.weight"
	}
	m.weight(head).mulMat(x)
	return m.String()
}

func (m *family) norm(x *tn, weight string) *tn { return x.rms(m.eps).mul(m.weight(weight)) }

// state empties the cache of a layer and fetches its row.
func (m *family) state(kind string, layer, n int) (cache, row *tn) {
	cache = m.leaf("f32", "cache_"+kind+"_l"+strconv.Itoa(layer), n, 1)
	all := cache.reshape(n, 1)
	first := all.view2(n, 1, 4*n, 0)
	m.in("SCALE", first, nil, first)
	if m.slot == nil {
		ids := m.leaf("i32", "rs_s_copy", 1)
		m.slot = ids.view([]int{1}, [3]int{4, 4, 4}, 0)
		m.others = ids.view([]int{0}, [3]int{0, 0, 0}, 4)
	}
	row = all.rows(m.slot)
	all.rows(m.others).cpy(cache.view2(n, 0, 4*n, 4*n))
	return cache, row
}

// conv filters x [C T] with a state of taps-1 columns, and silu.
func (m *family) conv(x, state *tn, weight string, store *tn) *tn {
	w := m.weight(weight)
	C, taps := x.ne[0], w.ne[0]
	in := state.concat(x.transpose(), 0) // [taps-1+T C]
	in.view2(taps-1, C, in.nb[1], m.T*4).cpy(store)
	return m.node("SSM_CONV", []int{C, m.T, 1}, nil, in, w.reshape(taps, C)).unary("SILU", 10)
}

// gdn is the linear attention of the qwen families.
func (m *family) gdn(h *tn, p string, layer int) *tn {
	S, Hk, Hv := m.key("ssm.state_size"), m.key("ssm.group_count"), m.key("ssm.time_step_rank")
	T, taps := m.T, m.key("ssm.conv_kernel")
	C := 2*S*Hk + S*Hv
	r, row := m.state("r", layer, (taps-1)*C)
	qkv := m.weight(p+"attn_qkv.weight").mulMat(h).reshape(C, T, 1)
	x := m.conv(qkv, row.reshape(taps-1, C, 1), p+"ssm_conv1d.weight", r.view2((taps-1)*C, 1, 4*(taps-1)*C, 0))
	s, row := m.state("s", layer, S*S*Hv)

	var beta, alpha *tn
	if m.has(p + "ssm_ba.weight") {
		n := Hv / Hk
		ba := m.weight(p+"ssm_ba.weight").mulMat(h).reshape(2*n, Hk, T, 1)
		half := func(i int) *tn { return ba.view([]int{n, Hk, T, 1}, [3]int{ba.nb[1], ba.nb[2], ba.nb[3]}, i*n*4) }
		beta = half(0).cont(1, Hv, T, 1)
		alpha = half(1).cont(Hv, T, 1)
	} else {
		beta = m.weight(p+"ssm_beta.weight").mulMat(h).reshape(1, Hv, T, 1)
		alpha = m.weight(p+"ssm_alpha.weight").mulMat(h).reshape(Hv, T, 1)
	}
	g := alpha.add(m.weight(p+"ssm_dt.bias")).unary("SOFTPLUS", 15).mul(m.weight(p + "ssm_a"))
	beta = beta.unary("SIGMOID", 7)

	part := func(at, H int) *tn { return x.view([]int{S, H, T, 1}, [3]int{4 * S, 4 * C, 4 * C * T}, 4*at) }
	l2 := func(x *tn) *tn { return x.rms(m.eps / float64(S)).scale(1 / math.Sqrt(float64(S))) }
	q, k, v := l2(part(0, Hk)), l2(part(S*Hk, Hk)), part(2*S*Hk, Hv)
	if m.arch == "qwen3next" {
		wide := func(x *tn) *tn { return x.reshape(S, 1, Hk, T).repeat(S, Hv/Hk, Hk, T).reshape(S, Hv, T, 1) }
		q, k = wide(q), wide(k)
	} else if Hk != Hv {
		q, k = q.repeat(S, Hv, T, 1), k.repeat(S, Hv, T, 1)
	}
	o, next := m.deltaNet(q, k, v, g.reshape(1, Hv, T, 1), beta, row.reshape(S, S, Hv, 1))
	next.cpy(s.view([]int{S * S * Hv}, [3]int{4 * S * S * Hv, 4 * S * S * Hv, 4 * S * S * Hv}, 0))
	z := m.weight(p+"attn_gate.weight").mulMat(h).reshape(S, Hv, T, 1)
	o = m.norm(o, p+"ssm_norm.weight").mul(z.unary("SILU", 10))
	return m.weight(p+"ssm_out.weight").mulMat(o.reshape(S*Hv, T, 1)).reshape(m.width, T)
}

// kda is the linear attention with a decay a channel.
func (m *family) kda(h *tn, p string, layer int) *tn {
	S, H, T, taps := m.key("kda.head_dim"), m.key("attention.head_count"), m.T, m.key("ssm.conv_kernel")
	C := S * H
	n := (taps - 1) * C // numbers of a state
	r, row := m.state("r", layer, 3*n)
	x := make([]*tn, 3)
	for i, c := range []string{"q", "k", "v"} {
		state := row.view([]int{taps - 1, C, 1}, [3]int{4 * (taps - 1), 4 * n, 4 * n}, 4*n*i)
		store := r.view([]int{taps - 1, C, 1}, [3]int{4 * (taps - 1), 4 * 3 * n, 4 * 3 * n}, 4*n*i)
		w := m.weight(p+"attn_"+c+".weight").mulMat(h).reshape(C, T, 1)
		x[i] = m.conv(w, state, p+"ssm_conv1d_"+c+".weight", store).reshape(S, H, T, 1)
	}
	g := m.weight(p + "ssm_f_b.weight").mulMat(m.weight(p + "ssm_f_a.weight").mulMat(h))
	g = g.add(m.weight(p+"ssm_dt.bias")).unary("SOFTPLUS", 15).reshape(S, H, T)
	g = g.mul(m.weight(p+"ssm_a").reshape(1, H, 1)).reshape(S, H, T, 1)
	beta := m.weight(p+"ssm_beta.weight").mulMat(h).reshape(1, H, T, 1).unary("SIGMOID", 7)
	s, row := m.state("s", layer, S*S*H)
	l2 := func(x *tn) *tn { return x.rms(m.eps / float64(S)).scale(1 / math.Sqrt(float64(S))) }
	o, next := m.deltaNet(l2(x[0]), l2(x[1]), x[2], g, beta, row.reshape(S, S, H, 1))
	next.cpy(s.view([]int{S * S * H}, [3]int{4 * S * S * H, 4 * S * S * H, 4 * S * S * H}, 0))
	z := m.weight(p+"ssm_g_b.weight").mulMat(m.weight(p+"ssm_g_a.weight").mulMat(h)).reshape(S, H, T)
	o = m.norm(o, p+"ssm_norm.weight").mul(z.unary("SIGMOID", 7))
	return m.weight(p + "attn_output.weight").mulMat(o.cont(C, T))
}

func (m *family) deltaNet(q, k, v, g, beta, s *tn) (o, next *tn) {
	q = q.scale(1 / math.Sqrt(float64(q.ne[0])))
	if m.T == 1 {
		return m.step(q, k, v, g, beta, s)
	}
	return m.chunks(q, k, v, g, beta, s)
}

// step is one token: q, k, v [S H 1 1], g [1|S H 1 1], s [S S H 1].
func (m *family) step(q, k, v, g, beta, s *tn) (o, next *tn) {
	S, H := q.ne[0], q.ne[1]
	q, k, v = q.permute(0, 2, 1, 3), k.permute(0, 2, 1, 3), v.permute(0, 2, 1, 3)
	g, beta = g.reshape(g.ne[0], 1, H, 1), beta.reshape(1, 1, H, 1)
	s = s.mul(g.unary("EXP", 13))
	d := v.sub(s.mul(k).sumRows().transpose()).mul(beta)
	next = s.add(k.repeat(S, S, H, 1).mul(d.transpose()))
	return next.mul(q).sumRows().permute(2, 0, 1, 3), next
}

// chunks is the chunked form: q, k, v [S H T 1], g [1|S H T 1], s [S S H 1].
func (m *family) chunks(q, k, v, g, beta, s *tn) (o, next *tn) {
	S, H, T, G := q.ne[0], q.ne[1], q.ne[2], g.ne[0]
	C := 64
	if G > 1 {
		C = 16
	}
	n := (T + C - 1) / C
	time := func(x *tn) *tn { return x.permute(0, 2, 1, 3).padTime(n*C - T) }
	chunk := func(x *tn) *tn { return x.reshape(x.ne[0], C, n, H) }
	q, k, v, g, beta = time(q), time(k), time(v), time(g), time(beta)
	kb, vb := chunk(k.mul(beta)), chunk(v.mul(beta))
	q, k = chunk(q), chunk(k)
	gc := chunk(g).transpose().cont().unary("CUMSUM") // [C G n H]

	var kk, kq *tn
	if G == 1 {
		diff := gc.reshape(1, C, n, H).repeat(C, C, n, H).sub(gc)
		mask := diff.unary("TRI", 2).unary("EXP", 13)
		kk, kq = k.mulMat(kb).mul(mask), k.mulMat(q).mul(mask)
	} else {
		i, j := gc.reshape(C, 1, S, n*H), gc.reshape(1, C, S, n*H)
		mask := j.repeat(C, C, S, n*H).sub(i).unary("TRI", 2).unary("EXP", 13) // [j i S]
		mask = mask.permute(2, 1, 0, 3).cont(S, C, C, n*H)                     // [S i j]
		rows := func(x *tn) *tn {                                              // x_i·k_j with the decay within
			y := mask.mul(x.reshape(S, C, 1, n*H))
			z := y.mulMat(k.reshape(S, 1, C, n*H)) // [i 1 j]
			return z.reshape(C, C, n, H).transpose().cont()
		}
		kk, kq = rows(kb), rows(q)
	}
	kq = kq.unary("TRI", 2)
	a := kk.unary("TRI", 3)
	one := a.view([]int{C, 1, 1, 1}, [3]int{a.nb[1], a.nb[2], a.nb[3]}, 0)
	eye := m.node("DIAG", []int{C, C}, nil, m.node("FILL", []int{C}, []int{bits(1)}, one))
	inv := m.node("SOLVE_TRI", a.dim(), nil, a.add(eye), a.unary("NEG", 2)).add(eye)
	u := vb.transpose().cont().mulMat(inv)
	eg := gc.unary("EXP", 13)
	w := kb.transpose().cont().mul(eg).mulMat(inv)
	qg := q.mul(eg.transpose().cont())
	last := gc.view([]int{1, G, n, H}, [3]int{gc.nb[1], gc.nb[2], gc.nb[3]}, 4*(C-1)).cont()
	keep := last.unary("EXP", 13).transpose() // [G 1 n H]
	kg := k.mul(gc.sub(last).unary("NEG", 2).unary("EXP", 13).transpose().cont()).transpose().cont()
	s = s.reshape(S, S, 1, H)
	ut := u.transpose().cont()
	o = u
	for c := range n {
		at := func(x *tn) *tn {
			return x.view([]int{x.ne[0], x.ne[1], 1, H}, [3]int{x.nb[1], x.nb[2], x.nb[3]}, c*x.nb[2])
		}
		e := at(ut).sub(at(w).mulMat(s))
		out := s.mulMat(at(qg)).add(e.mulMat(at(kq)))
		o = o.set(out, c*u.nb[2])
		s = s.mul(at(keep)).add(at(kg).mulMat(e))
	}
	o = o.view([]int{S, T, H, 1}, [3]int{4 * S, 4 * S * C * n, 4 * S * C * n * H}, 0).permute(0, 2, 1, 3)
	return o, s.reshape(S, S, H, 1)
}

// cacheKV stores k and v [D H T] and returns what is read: k [D kv H] and v
// [kv D H], whose cache has the positions of a channel one after another.
func (m *family) cacheKV(k, v *tn, layer int) (*tn, *tn) {
	D, H := k.ne[0], k.ne[1]
	l := strconv.Itoa(layer)
	ck := m.leaf("f32", "cache_k_l"+l, D*H, m.context)
	k.view2(D*H, m.T, 4*D*H, 0).setRows(m.leaf("i64", "attn_inp_k_idxs", m.T), ck)
	read := ck.view([]int{D, H, m.kv, 1}, [3]int{4 * D, 4 * D * H, 4 * D * H * m.context}, 0).permute(0, 2, 1, 3)
	if v == nil {
		return read, nil
	}
	cv := m.leaf("f32", "cache_v_l"+l, D*H, m.context)
	v.reshape(1, D*H*m.T).setRows(m.leaf("i64", "attn_inp_v_idxs", D*H*m.T), cv.reshape(1, D*H*m.context))
	c := 4 * m.context
	return read, cv.view([]int{m.kv, H, D, 1}, [3]int{c * D, c, c * D * H}, 0).permute(0, 2, 1, 3)
}

// attend is attention of q [D H T] to k [D kv Hk] and v [kv D Hk]: [D·H T].
func (m *family) attend(q, k, v *tn, scale float64, after *tn) *tn {
	q = q.permute(0, 2, 1, 3)
	mask := m.leaf("f32", "attn_inp_kq_mask", m.kv, m.T)
	s := k.mulMat(q)
	o := v.mulMat(m.node("SOFT_MAX", s.dim(), []int{bits(scale)}, s, mask))
	if after != nil {
		o = after.mulMat(o)
	}
	return o.permute(0, 2, 1, 3).cont(o.ne[0]*o.ne[2], m.T)
}

func (m *family) attention(h *tn, p string, layer int) *tn {
	H, Hk, D, T := m.key("attention.head_count"), m.key("attention.head_count_kv"), m.key("attention.key_length"), m.T
	full := m.weight(p + "attn_q.weight").mulMat(h)
	half := func(i int) *tn { return full.view([]int{D, H, T}, [3]int{8 * D, 8 * D * H, 8 * D * H * T}, 4*D*i) }
	rope := func(x *tn) *tn {
		n := m.key("rope.dimension_count")
		p := []int{0, n, 2, 0, m.context, bits(1e7), bits(1), 0, bits(1), bits(32), bits(1)}
		pos := m.leaf("i32", "inp_pos", map[bool]int{false: 4, true: 1}[m.arch == "qwen3next"]*T)
		if m.arch != "qwen3next" {
			p[2] = 40
			p = append(p, 4, 2, 2, 0)
		}
		return m.node("ROPE", x.dim(), p, x, pos)
	}
	q := rope(m.norm(half(0), p+"attn_q_norm.weight"))
	k := rope(m.norm(m.weight(p+"attn_k.weight").mulMat(h).reshape(D, Hk, T), p+"attn_k_norm.weight"))
	v := m.weight(p+"attn_v.weight").mulMat(h).reshape(D, Hk, T)
	ck, cv := m.cacheKV(k, v, layer)
	o := m.attend(q, ck, cv, 1/math.Sqrt(float64(D)), nil)
	return m.weight(p + "attn_output.weight").mulMat(o.mul(half(1).cont(D*H, T).unary("SIGMOID", 7)))
}

// mla is attention with one key head that all queries share, whose first
// channels are the values.
func (m *family) mla(h *tn, p string, layer int) *tn {
	H, T := m.key("attention.head_count"), m.T
	lora, K := m.key("attention.kv_lora_rank"), m.key("attention.key_length_mla")
	pe := m.key("rope.dimension_count")
	q := m.weight(p+"attn_q.weight").mulMat(h).reshape(K, H, T)
	part := func(n, at int) *tn { return q.view([]int{n, H, T}, [3]int{q.nb[1], q.nb[2], q.nb[3]}, 4*at) }
	kv := m.weight(p + "attn_kv_a_mqa.weight").mulMat(h)
	c := m.norm(kv.view2(lora, T, kv.nb[1], 0), p+"attn_kv_a_norm.weight")
	kpe := kv.view([]int{pe, 1, T}, [3]int{kv.nb[1], kv.nb[1], kv.nb[1] * T}, 4*lora)
	abs := m.weight(p+"attn_k_b.weight").mulMat(part(K-pe, 0).permute(0, 2, 1, 3)).permute(0, 2, 1, 3)
	q = abs.concat(part(pe, K-pe), 0)
	k := c.reshape(lora, 1, T).concat(kpe, 0)
	ck, _ := m.cacheKV(k, nil, layer)
	cv := ck.view([]int{lora, m.kv, 1, 1}, [3]int{ck.nb[1], ck.nb[2], ck.nb[3]}, 0).transpose().cont()
	o := m.attend(q, ck, cv, 1/math.Sqrt(float64(K)), m.weight(p+"attn_v_b.weight"))
	return m.weight(p + "attn_output.weight").mulMat(o)
}

func (m *family) ffn(h *tn, p string) *tn {
	dense := func(kind string) *tn {
		gate, up := m.weight(p+"ffn_gate"+kind).mulMat(h), m.weight(p+"ffn_up"+kind).mulMat(h)
		return m.weight(p + "ffn_down" + kind).mulMat(gate.swiglu(up))
	}
	if m.has(p + "ffn_gate.weight") {
		return dense(".weight")
	}
	E, U, T := m.key("expert_count"), m.key("expert_used_count"), m.T
	logits := m.weight(p + "ffn_gate_inp.weight").mulMat(h)
	sigmoid := m.key("expert_gating_func") == 2
	var probs *tn
	if sigmoid {
		probs = logits.unary("SIGMOID", 7)
	} else {
		probs = logits.unary("SOFT_MAX", bits(1))
	}
	by := probs
	if m.has(p + "exp_probs_b.bias") {
		by = probs.add(m.weight(p + "exp_probs_b.bias"))
	}
	order := m.add("ARGSORT", "order", "i32", by.dim(), [4]int{}, nil, 0, []int{1}, by)
	ids := order.view2(U, T, order.nb[1], 0)
	w := probs.reshape(1, E, T).rows(ids).reshape(U, T)
	w = w.binary("DIV", w.sumRows().unary("CLAMP", bits(6.103515625e-5), bits(math.Inf(1)))).reshape(1, U, T)
	if s, err := gguf.Get[float64](m.f, m.arch+".expert_weights_scale"); err == nil {
		w = w.scale(s)
	}
	x := h.reshape(m.width, 1, T)
	up, gate := m.weight(p+"ffn_up_exps.weight").mulMatID(x, ids), m.weight(p+"ffn_gate_exps.weight").mulMatID(x, ids)
	y := m.weight(p+"ffn_down_exps.weight").mulMatID(gate.swiglu(up), ids).mul(w)
	var sum *tn
	for i := range U {
		one := y.view2(m.width, T, y.nb[2], i*y.nb[1])
		if sum == nil {
			sum = one
			continue
		}
		sum = sum.add(one)
	}
	if !m.has(p + "ffn_up_shexp.weight") {
		return sum
	}
	shared := dense("_shexp.weight")
	if m.has(p + "ffn_gate_inp_shexp.weight") {
		shared = shared.mul(m.weight(p+"ffn_gate_inp_shexp.weight").mulMat(h).unary("SIGMOID", 7))
	}
	return sum.add(shared)
}

// Every family, from texts of our own: a prompt, and token by token from the
// states of the step before.
func TestFamilies(t *testing.T) {
	for _, c := range []struct {
		file      string
		deltaNets int // of the prompt; a token has 3
	}{
		{"q35-tiny-f32-s7", 3},
		{"q35moe-tiny-f32-s7", 3},
		{"q3n-tiny-f32-s7", 3},
		{"kimi-tiny-f32-s7", 3},
	} {
		t.Run(c.file, func(t *testing.T) {
			f, err := gguf.Open(golden(t, c.file+".gguf"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			file := models.FileWeights(f)

			want := readLogits(t, c.file+".prefill.bin")
			prompt := newFamily(t, f, len(want.Tokens)).build()
			both(t, read(t, prompt).Graph(), c.deltaNets, func(g *graph.Graph) reference.Difference {
				return reference.Compare(want.F, logits(t, run(t, g, feedsOf(t, read(t, prompt), want.Tokens, file))))
			})

			want = readLogits(t, c.file+".decode.bin")
			token := newFamily(t, f, 1).build()
			both(t, read(t, token, ggml.Continued()).Graph(), 3, func(g *graph.Graph) reference.Difference {
				return reference.Compare(want.F, steps(t, g, read(t, token, ggml.Continued()), want.Tokens, file))
			})
		})
	}
}
