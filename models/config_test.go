package models

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/graph"
)

func TestMetadataRoundTrip(t *testing.T) {
	irregular := builtIn(t, "qwen3.5-tiny")
	irregular.Recurrent = []bool{true, false, false, true}
	irregular.Attention.Scale = 0.5
	onlyRecurrent := builtIn(t, "qwen3.5-tiny")
	onlyRecurrent.Recurrent = []bool{true, true, true, true}
	noExtras := builtIn(t, "kimi-linear-tiny")
	noExtras.MLA.QRank, noExtras.MoE.Dense, noExtras.MoE.Scale, noExtras.MoE.Normalise = 12, 0, 0, false
	scaled := builtIn(t, "qwen3-next-tiny")
	scaled.MoE.Scale = 1.5
	configs := []*Config{irregular, onlyRecurrent, noExtras, scaled}
	for _, name := range Names() {
		configs = append(configs, builtIn(t, name))
	}
	for _, c := range configs {
		got := &Config{}
		if err := got.readKeys((&file{kvs: c.Metadata()}).parse(t)); err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		got.Tied = c.Tied // a file states it by leaving out output.weight
		if !reflect.DeepEqual(got, c) {
			t.Errorf("%s: read back\n%+v, want\n%+v", c.Name, got, c)
		}
	}
}

func TestFromGGUF(t *testing.T) {
	for _, tied := range []bool{true, false} {
		c := builtIn(t, "qwen3.5-tiny")
		c.Tied = tied
		f := fileOf(c)
		f.tensors = append(f.tensors, Weight{Name: "blk.4.nextn.eh_proj.weight", Shape: graph.ShapeOf(graph.F32, 48, 96)})
		f.set("qwen35.block_count", uint32(5))
		f.set("qwen35.nextn_predict_layers", uint32(1))
		for i := range f.tensors {
			if w := &f.tensors[i]; w.Name == "blk.0.ssm_out.weight" {
				w.Shape = graph.ShapeOf(graph.Q8_0, w.Shape.Dims()...)
			}
		}
		got, err := FromGGUF(f.parse(t))
		if err != nil {
			t.Fatal(err)
		}
		c.Types = map[string]graph.DType{"blk.0.ssm_out.weight": graph.Q8_0}
		if !reflect.DeepEqual(got, c) {
			t.Errorf("read\n%+v, want\n%+v", got, c)
		}
		text := build(t, got, Step{}).String()
		if want := `weight "blk.0.ssm_out.weight" : q8_0[48 64]`; !strings.Contains(text, want) {
			t.Errorf("the graph has no line with %s", want)
		}
	}
}

// The file of each tiny model gives its table back.
func TestFilesOfTinyModels(t *testing.T) {
	for _, name := range tinyModels() {
		want := builtIn(t, name)
		f := fileOf(want)
		f.tensors = append(f.tensors, Weight{Name: "blk.0.attn_q.input_scale", Shape: graph.ShapeOf(graph.F32, 1)})
		got, err := FromGGUF(f.parse(t))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want.Types = map[string]graph.DType{}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("read\n%+v, want\n%+v", got, want)
		}
	}
}

func TestVocabularyOfTokenList(t *testing.T) {
	c := builtIn(t, "qwen3.5-tiny")
	f := fileOf(c)
	f.drop("qwen35.vocab_size")
	f.set("tokenizer.ggml.tokens", make([]string, c.Vocab))
	if _, err := FromGGUF(f.parse(t)); err != nil {
		t.Error(err)
	}
}

func TestBadMetadata(t *testing.T) {
	for _, c := range []struct {
		key   string
		value any // nil: without the key
		want  string
	}{
		{"general.architecture", nil, "general.architecture"},
		{"general.architecture", "llama", `architecture "llama": unsupported operation (known: kimi-linear, qwen35, qwen35moe, qwen3next)`},
		{"qwen35.vocab_size", nil, "qwen35.vocab_size"},
		{"qwen35.vocab_size", uint32(0), "qwen35.vocab_size: 0, want at least 1"},
		{"qwen35.vocab_size", int32(-3), "qwen35.vocab_size: -3, want at least 1"},
		{"qwen35.context_length", nil, "qwen35.context_length"},
		{"qwen35.embedding_length", nil, "qwen35.embedding_length"},
		{"qwen35.embedding_length", "48", "qwen35.embedding_length"},
		{"qwen35.embedding_length", uint64(1 << 40), "qwen35.embedding_length: 1099511627776, want 1 to 16777216"},
		{"qwen35.block_count", nil, "qwen35.block_count"},
		{"qwen35.block_count", uint32(0), "qwen35.block_count: 0, want more than qwen35.nextn_predict_layers = 0"},
		{"qwen35.block_count", uint32(1 << 30), "qwen35.block_count: 1073741824, want at most 4096"},
		{"qwen35.nextn_predict_layers", uint32(4), "qwen35.block_count: 4, want more than qwen35.nextn_predict_layers = 4"},
		{"qwen35.nextn_predict_layers", int32(-1), "qwen35.nextn_predict_layers: -1, want 0 or more"},
		{"qwen35.feed_forward_length", nil, "qwen35.feed_forward_length"},
		{"qwen35.attention.layer_norm_rms_epsilon", float32(0), "qwen35.attention.layer_norm_rms_epsilon: 0, want a finite number above 0"},
		{"qwen35.attention.layer_norm_rms_epsilon", uint32(1), "qwen35.attention.layer_norm_rms_epsilon"},
		{"qwen35.attention.head_count", uint32(3), "qwen35.attention.head_count: 3, want a multiple of qwen35.attention.head_count_kv = 2"},
		{"qwen35.attention.head_count_kv", nil, "qwen35.attention.head_count_kv"},
		{"qwen35.attention.head_count_kv", []uint32{2, 0}, "qwen35.attention.head_count_kv"},
		{"qwen35.attention.key_length", nil, "qwen35.attention.key_length"},
		{"qwen35.attention.value_length", uint32(8), "qwen35.attention.value_length: 8, want 16 (the key length)"},
		{"qwen35.attention.scale", float32(-1), "qwen35.attention.scale: -1, want a finite number above 0"},
		{"qwen35.attention.recurrent_layers", []bool{true}, "qwen35.attention.recurrent_layers: 1 entries, want one for each of 4 layers"},
		{"qwen35.attention.recurrent_layers", []uint32{1, 1, 1, 0}, "qwen35.attention.recurrent_layers"},
		{"qwen35.full_attention_interval", uint32(0), "qwen35.full_attention_interval: 0, want at least 1"},
		{"qwen35.rope.dimension_count", uint32(7), "qwen35.rope.dimension_count: 7, want an even number"},
		{"qwen35.rope.dimension_count", uint32(18), "qwen35.rope.dimension_count: 18, want at most qwen35.attention.key_length = 16"},
		{"qwen35.rope.freq_base", nil, "qwen35.rope.freq_base"},
		{"qwen35.rope.dimension_sections", nil, "qwen35.rope.dimension_sections"},
		{"qwen35.rope.dimension_sections", []int32{2, 2, 2}, "qwen35.rope.dimension_sections: [2 2 2], want 4 numbers"},
		{"qwen35.rope.dimension_sections", []int32{2, -2, 2, 0}, "qwen35.rope.dimension_sections: [2 -2 2 0], want numbers from 0"},
		{"qwen35.rope.dimension_sections", []int32{0, 0, 0, 0}, "qwen35.rope.dimension_sections: [0 0 0 0], want at least one"},
		{"qwen35.ssm.conv_kernel", uint32(1), "qwen35.ssm.conv_kernel: 1, want 2 to 64"},
		{"qwen35.ssm.state_size", nil, "qwen35.ssm.state_size"},
		{"qwen35.ssm.group_count", uint32(3), "qwen35.ssm.time_step_rank: 4, want a multiple of qwen35.ssm.group_count = 3"},
		{"qwen35.ssm.time_step_rank", nil, "qwen35.ssm.time_step_rank"},
		{"qwen35.ssm.inner_size", uint32(65), "qwen35.ssm.inner_size: 65, want 64 (state size times time step rank)"},

		{"qwen3next.expert_count", nil, "qwen3next.expert_count"},
		{"qwen3next.expert_used_count", uint32(7), "qwen3next.expert_used_count: 7, want at most qwen3next.expert_count = 6"},
		{"qwen3next.expert_feed_forward_length", uint32(0), "qwen3next.expert_feed_forward_length: 0, want at least 1"},
		{"qwen3next.expert_shared_feed_forward_length", nil, "qwen3next.expert_shared_feed_forward_length"},
		{"qwen3next.expert_weights_scale", float32(-1), "qwen3next.expert_weights_scale: -1, want a finite number above 0"},
		{"qwen35moe.rope.dimension_sections", nil, "qwen35moe.rope.dimension_sections"},
		{"kimi-linear.attention.head_count_kv", nil, "kimi-linear.attention.head_count_kv"},
		{"kimi-linear.attention.head_count_kv", uint32(1), "kimi-linear.attention.head_count_kv"},
		{"kimi-linear.attention.head_count_kv", []uint32{0, 1}, "kimi-linear.attention.head_count_kv: 2 entries, want one for each of 5 layers"},
		{"kimi-linear.attention.kv_lora_rank", nil, "kimi-linear.attention.kv_lora_rank"},
		{"kimi-linear.attention.q_lora_rank", int32(-1), "kimi-linear.attention.q_lora_rank: -1, want 0 or more"},
		{"kimi-linear.attention.key_length", uint32(37), "kimi-linear.attention.key_length: 37, want 36 (latent rank plus rope dimensions)"},
		{"kimi-linear.attention.value_length", uint32(36), "kimi-linear.attention.value_length: 36, want 28 (the latent rank)"},
		{"kimi-linear.attention.key_length_mla", uint32(8), "kimi-linear.attention.key_length_mla: 8, want more than kimi-linear.rope.dimension_count = 8"},
		{"kimi-linear.attention.value_length_mla", nil, "kimi-linear.attention.value_length_mla"},
		{"kimi-linear.kda.head_dim", nil, "kimi-linear.kda.head_dim"},
		{"kimi-linear.feed_forward_length", nil, "kimi-linear.feed_forward_length"},
		{"kimi-linear.leading_dense_block_count", uint32(6), "kimi-linear.leading_dense_block_count: 6, want 0 to 5 layers"},
		{"kimi-linear.expert_shared_count", uint32(0), "kimi-linear.expert_shared_count: 0, want 1 to"},
		{"kimi-linear.expert_shared_count", uint64(1 << 60), "kimi-linear.expert_shared_count: 1152921504606846976, want 1 to"},
		{"kimi-linear.expert_gating_func", uint32(1), "kimi-linear.expert_gating_func: 1, want 2 (sigmoid)"},
		{"kimi-linear.expert_weights_norm", uint32(1), "kimi-linear.expert_weights_norm"},
	} {
		f := fileOf(builtIn(t, tinyOf[strings.SplitN(c.key, ".", 2)[0]]))
		f.drop(c.key)
		if c.value != nil {
			f.set(c.key, c.value)
		}
		_, err := FromGGUF(f.parse(t))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s = %v: error %v, want one with %q", c.key, c.value, err, c.want)
		}
	}
}

// tinyOf is the tiny model of the architecture that a key begins with.
var tinyOf = map[string]string{
	"general": "qwen3.5-tiny", "qwen35": "qwen3.5-tiny", "qwen35moe": "qwen3.5-moe-tiny",
	"qwen3next": "qwen3-next-tiny", "kimi-linear": "kimi-linear-tiny",
}

func TestUnknownArchitectureIsUnsupported(t *testing.T) {
	_, err := Build(&Config{Arch: "llama"}, Step{})
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "known: kimi-linear, qwen35") {
		t.Errorf("error %v", err)
	}
}

func TestBadTensors(t *testing.T) {
	f32 := func(dims ...int) graph.Shape { return graph.ShapeOf(graph.F32, dims...) }
	for _, c := range []struct {
		name  string
		shape graph.Shape // invalid: without the tensor
		want  string
	}{
		{"kimi output.weight", graph.Shape{}, `tensor "output.weight" is missing, want f32[128 48]`},
		{"kimi blk.3.attn_k_b.weight", graph.Shape{}, `tensor "blk.3.attn_k_b.weight" is missing, want f32[3 28 20]`},
		{"kimi blk.1.exp_probs_b.bias", graph.Shape{}, `tensor "blk.1.exp_probs_b.bias" is missing, want f32[6]`},
		{"kimi blk.0.ssm_a", f32(3, 2), `tensor "blk.0.ssm_a": f32[3 2], want f32[3 1]`},
		{"kimi blk.0.ssm_conv1d_k.weight", f32(4, 1, 48), `tensor "blk.0.ssm_conv1d_k.weight": f32[4 1 48], want f32[48 1 4]`},
		{"kimi blk.0.ssm_norm.weight", f32(1, 16), `tensor "blk.0.ssm_norm.weight": f32[1 16], want f32[16]`},
		{"token_embd.weight", graph.Shape{}, `tensor "token_embd.weight" is missing, want f32[128 48]`},
		{"blk.0.ssm_a", graph.Shape{}, `tensor "blk.0.ssm_a" is missing, want f32[4]`},
		{"blk.3.attn_q.weight", f32(64, 48), `tensor "blk.3.attn_q.weight": f32[64 48], want f32[128 48]`},
		{"blk.1.ssm_conv1d.weight", f32(4, 128), `tensor "blk.1.ssm_conv1d.weight": f32[4 128], want f32[128 4]`},
		{"output_norm.weight", f32(1, 48), `tensor "output_norm.weight": f32[1 48], want f32[48]`},
		{"blk.2.ssm_norm.weight", graph.ShapeOf(graph.F16, 16), `tensor "blk.2.ssm_norm.weight": f16[16], want f32[16]`},
		{"blk.2.ffn_up.weight", graph.ShapeOf(graph.I32, 96, 48), `tensor "blk.2.ffn_up.weight": i32[96 48] holds no weights`},
	} {
		name, kimi := strings.CutPrefix(c.name, "kimi ")
		model := "qwen3.5-tiny"
		if kimi {
			model = "kimi-linear-tiny"
		}
		f := fileOf(builtIn(t, model))
		for i, w := range f.tensors {
			if w.Name == name {
				f.tensors[i].Shape = c.shape
				if !c.shape.Valid() {
					f.tensors = append(f.tensors[:i], f.tensors[i+1:]...)
				}
				break
			}
		}
		_, err := FromGGUF(f.parse(t))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s as %v: error %v, want one with %q", c.name, c.shape, err, c.want)
		}
	}
}

// A type that files may have and graphs do not is named with its tensor.
func TestUnsupportedType(t *testing.T) {
	const name = "blk.0.ssm_out.weight"
	f := fileOf(builtIn(t, "qwen3.5-tiny"))
	for i, w := range f.tensors {
		if w.Name == name {
			f.tensors[i].Shape = graph.ShapeOf(graph.Q4_0, w.Shape.Dims()...)
		}
	}
	b := f.bytes(t)
	// Behind the name: the number of extents, two extents, the type.
	at := bytes.Index(b, []byte(name)) + len(name) + 4 + 2*8
	if b[at] != 2 {
		t.Fatalf("type %d, want that of q4_0", b[at])
	}
	b[at] = 40 // of as many bytes
	parsed, err := gguf.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	_, err = FromGGUF(parsed)
	_, errData := FileWeights(parsed).Tensor(name)
	for _, err := range []error{err, errData} {
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), `tensor "`+name+`": type nvfp4: unsupported`) {
			t.Errorf("error %v", err)
		}
	}
}

func TestMini(t *testing.T) {
	c := builtIn(t, "qwen3-next-mini")
	if have := c.RecurrentLayers(); have != 9 {
		t.Errorf("%d delta nets, want 9", have)
	}
	for _, w := range c.Weights() {
		if w.Kind.Quantisable() && w.Shape.Dim(-1)%256 != 0 {
			t.Errorf("%s: rows of %d elements are no blocks of 256", w.Name, w.Shape.Dim(-1))
		}
	}
}

func TestBuiltInTables(t *testing.T) {
	for _, name := range Names() {
		c := builtIn(t, name)
		if _, err := c.validate(); err != nil {
			t.Error(err)
		}
		if still := c.Rope.StillPairs(); still != nil {
			t.Errorf("%s: text does not turn the pairs %v", name, still)
		}
	}
	if _, err := ByName("qwen3.5-1b"); err == nil || !strings.Contains(err.Error(), "qwen3.5-0.8b") {
		t.Errorf("unknown name: %v", err)
	}
}

func TestStillPairs(t *testing.T) {
	r := Rope{Dims: 16, Sections: [4]int{4, 2, 2, 0}}
	if got := r.StillPairs(); !reflect.DeepEqual(got, []int{7}) {
		t.Errorf("pairs %v, want [7]", got)
	}
}
