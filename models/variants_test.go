package models

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

// replaced is a source with some tensors in place of others.
type replaced struct {
	Source
	tensors map[string]graph.Tensor
}

func (r replaced) Tensor(name string) (graph.Tensor, error) {
	if t, ok := r.tensors[name]; ok {
		return t, nil
	}
	return r.Source.Tensor(name)
}

// replace puts one tensor into the file in place of those of these names.
func (f *file) replace(name string, t graph.Tensor, names ...string) {
	f.tensors = slices.DeleteFunc(f.tensors, func(w Weight) bool { return slices.Contains(names, w.Name) })
	f.tensors = append(f.tensors, Weight{Name: name, Shape: t.Shape})
	f.data = replaced{f.data, map[string]graph.Tensor{name: t}}
}

// tensor is a weight of the file as it would be.
func (f *file) tensor(t testing.TB, name string) graph.Tensor {
	t.Helper()
	x, err := f.data.Tensor(name)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// rows returns n indices of the first axis.
func rows(x graph.Tensor, start, n int) graph.Tensor {
	dims := x.Shape.Dims()
	size := x.Shape.Len() / dims[0]
	dims[0] = n
	return graph.Tensor{Shape: x.Shape.With(dims...), F: x.F[start*size : (start+n)*size]}
}

// stack joins tensors along the first axis.
func stack(xs ...graph.Tensor) graph.Tensor {
	dims := xs[0].Shape.Dims()
	dims[0] = 0
	var f []float32
	for _, x := range xs {
		dims[0] += x.Shape.Dim(0)
		f = append(f, x.F...)
	}
	return graph.Tensor{Shape: xs[0].Shape.With(dims...), F: f}
}

// Layouts of files that hold the same numbers in other tensors.
var variants = []struct {
	name, model string
	change      func(t testing.TB, f *file, c *Config, prefix string, recurrent bool)
}{
	{"q, k and v as one", "qwen3.5-tiny", func(t testing.TB, f *file, c *Config, p string, recurrent bool) {
		if !recurrent {
			joinQKV(t, f, p)
		}
	}},
	{"q, k and v as one", "qwen3-next-tiny", func(t testing.TB, f *file, c *Config, p string, recurrent bool) {
		if !recurrent {
			joinQKV(t, f, p)
		}
	}},
	{"q, k and v as one", "kimi-linear-tiny", func(t testing.TB, f *file, c *Config, p string, recurrent bool) {
		if recurrent {
			joinQKV(t, f, p)
		}
	}},
	{"gate and up as one", "qwen3.5-moe-tiny", joinExperts},
	{"gate and up as one", "kimi-linear-tiny", joinExperts},
	{"q, k, v and z by key head", "qwen3-next-tiny", func(t testing.TB, f *file, c *Config, p string, recurrent bool) {
		if !recurrent {
			return
		}
		d := c.DeltaNet
		S, r := d.StateSize, d.ValueHeads/d.KeyHeads
		qkv, z := f.tensor(t, p+"attn_qkv.weight"), f.tensor(t, p+"attn_gate.weight")
		var all []graph.Tensor
		for h := range d.KeyHeads {
			all = append(all, rows(qkv, h*S, S), rows(qkv, d.KeyDim()+h*S, S), rows(qkv, 2*d.KeyDim()+h*r*S, r*S), rows(z, h*r*S, r*S))
		}
		f.replace(p+"ssm_in.weight", stack(all...), p+"attn_qkv.weight", p+"attn_gate.weight")
	}},
	{"fewer axes of extent 1", "kimi-linear-tiny", func(t testing.TB, f *file, c *Config, p string, recurrent bool) {
		d := c.DeltaNet
		reshape(t, f, p, recurrent, []int{d.ValueHeads}, []int{d.ValueDim(), d.Conv})
	}},
	{"more axes of extent 1", "kimi-linear-tiny", func(t testing.TB, f *file, c *Config, p string, recurrent bool) {
		d := c.DeltaNet
		reshape(t, f, p, recurrent, []int{1, 1, d.ValueHeads, 1}, []int{1, d.ValueDim(), 1, d.Conv})
	}},
}

func joinQKV(t testing.TB, f *file, p string) {
	q, k, v := p+"attn_q.weight", p+"attn_k.weight", p+"attn_v.weight"
	f.replace(p+"attn_qkv.weight", stack(f.tensor(t, q), f.tensor(t, k), f.tensor(t, v)), q, k, v)
}

func joinExperts(t testing.TB, f *file, c *Config, p string, _ bool) {
	gate, up := p+"ffn_gate_exps.weight", p+"ffn_up_exps.weight"
	if !slices.ContainsFunc(f.tensors, func(w Weight) bool { return w.Name == gate }) {
		return // a dense layer
	}
	m := c.MoE
	flat := func(name string) graph.Tensor {
		x := f.tensor(t, name)
		return graph.Tensor{Shape: x.Shape.With(m.Experts*m.Hidden, c.Width), F: x.F}
	}
	var all []graph.Tensor
	for e := range m.Experts {
		all = append(all, rows(flat(gate), e*m.Hidden, m.Hidden), rows(flat(up), e*m.Hidden, m.Hidden))
	}
	x := stack(all...)
	x.Shape = x.Shape.With(m.Experts, 2*m.Hidden, c.Width)
	f.replace(p+gateUpExperts, x, gate, up)
}

func reshape(t testing.TB, f *file, p string, recurrent bool, decay, taps []int) {
	if !recurrent {
		return
	}
	dims := map[string][]int{p + "ssm_a": decay}
	for _, name := range kimiTaps {
		dims[p+name] = taps
	}
	for name, d := range dims {
		x := f.tensor(t, name)
		f.replace(name, graph.Tensor{Shape: x.Shape.With(d...), F: x.F}, name)
	}
}

// Every layout gives the same numbers.
func TestVariants(t *testing.T) {
	for _, v := range variants {
		t.Run(fmt.Sprintf("%s, %s", v.model, v.name), func(t *testing.T) {
			logits := func(f *file) [][]float32 {
				parsed := f.parse(t)
				c, err := FromGGUF(parsed)
				if err != nil {
					t.Fatal(err)
				}
				s := newSession(t, c, FileWeights(parsed), 1, 8)
				tokens := randomTokens(5, c.Vocab, 1)
				return append(s.prefill(0, tokens[:4]), s.decode(0, 4, tokens[4:])...)
			}
			c := builtIn(t, v.model)
			want := logits(fileOf(c))
			f := fileOf(c)
			for i, recurrent := range c.Recurrent {
				v.change(t, f, c, layerPrefix(i), recurrent)
			}
			if e := nmse(want, logits(f)); e != 0 {
				t.Errorf("NMSE %g", e)
			}
		})
	}
}

// A wrong shape of a joined tensor is told by its own name, and a file with
// neither form is told the usual one.
func TestBadVariants(t *testing.T) {
	c := builtIn(t, "qwen3-next-tiny")
	for _, bad := range []struct {
		name string
		drop []string
		dims []int
		want string
	}{
		{"blk.0.ssm_in.weight", nil, []int{255, 48}, `tensor "blk.0.ssm_in.weight": f32[255 48], want f32[256 48]`},
		{"blk.3.attn_qkv.weight", nil, []int{48, 240}, `tensor "blk.3.attn_qkv.weight": f32[48 240], want f32[240 48]`},
		{"blk.1.ffn_gate_up_exps.weight", nil, []int{6, 32, 48}, `tensor "blk.1.ffn_gate_up_exps.weight": f32[6 32 48], want f32[6 64 48]`},
		{"other", []string{"blk.0.attn_qkv.weight"}, []int{1}, `tensor "blk.0.attn_qkv.weight" is missing, want f32[160 48]`},
		{"other", []string{"blk.3.attn_v.weight"}, []int{1}, `tensor "blk.3.attn_v.weight" is missing, want f32[40 48]`},
		{"other", []string{"blk.3.ffn_up_exps.weight"}, []int{1}, `tensor "blk.3.ffn_up_exps.weight" is missing, want f32[6 32 48]`},
	} {
		f := fileOf(c)
		f.replace(bad.name, graph.NewTensor(graph.ShapeOf(graph.F32, bad.dims...)), bad.drop...)
		if _, err := FromGGUF(f.parse(t)); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s %v: error %v, want one with %q", bad.name, bad.drop, err, bad.want)
		}
	}
}

// The queries of kimi-linear may come from a latent of their own.
func TestLatentQueries(t *testing.T) {
	c := builtIn(t, "kimi-linear-tiny")
	c.MLA.QRank = 18
	for i, recurrent := range c.Recurrent {
		if !recurrent {
			set(&c.Variants, layerPrefix(i)+queryDown, true)
		}
	}
	f := fileOf(c).parse(t)
	got, err := FromGGUF(f)
	if err != nil {
		t.Fatal(err)
	}
	if n := got.Parameters(); n != c.Parameters() || n == builtIn(t, c.Name).Parameters() {
		t.Errorf("%d parameters, want %d", n, c.Parameters())
	}
	tokens := randomTokens(20, c.Vocab, 2)
	s := newSession(t, got, FileWeights(f), 2, 20)
	within(t, "latent queries", s.decode(0, 0, tokens), s.prefill(1, tokens))
}
