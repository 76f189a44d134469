package tokenizer

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/gguf"
)

func TestNewErrors(t *testing.T) {
	for _, c := range []struct {
		name        string
		change      func(v *vocabulary)
		want        string // a part of the error
		unsupported bool
	}{
		{"model", func(v *vocabulary) { v.model = "llama" }, `key "tokenizer.ggml.model": vocabulary "llama": unsupported`, true},
		{"no model", func(v *vocabulary) { v.model = "none" }, `key "tokenizer.ggml.model": vocabulary "none": unsupported`, true},
		{"pre-tokenizer", func(v *vocabulary) { v.pre = "gpt-2" }, `key "tokenizer.ggml.pre": pre-tokenizer "gpt-2": unsupported operation (known: kimi-k2, qwen2, qwen35)`, true},
		{"empty", func(v *vocabulary) { v.tokens, v.kinds = []string{}, []int32{} }, `key "tokenizer.ggml.tokens": no token for the byte 0x00`, false},
		{"no byte", func(v *vocabulary) { v.tokens['\n'] = "newline" }, `key "tokenizer.ggml.tokens": no token for the byte 0x0a`, false},
		{"special byte", func(v *vocabulary) { v.kinds[200] = int32(Control); v.kinds[0] = int32(Control) }, `key "tokenizer.ggml.tokens": no token for the byte 0x00`, false},
		{"twice", func(v *vocabulary) { v.tokens[7] = "a" }, `key "tokenizer.ggml.tokens": element 97: token "a" is there already`, false},
		{"kinds missing", func(v *vocabulary) { v.kinds = v.kinds[1:] }, `key "tokenizer.ggml.token_type": kinds of 264 tokens, but there are 265`, false},
		{"kind 0", func(v *vocabulary) { v.kinds[3] = 0 }, `key "tokenizer.ggml.token_type": element 3: no kind 0`, false},
		{"kind 7", func(v *vocabulary) { v.kinds[3] = 7 }, `key "tokenizer.ggml.token_type": element 3: no kind 7`, false},
		{"merge of one", func(v *vocabulary) { v.merges[1] = "a" }, `key "tokenizer.ggml.merges": element 1: "a" is no pair`, false},
		{"empty merge", func(v *vocabulary) { v.merges[1] = "" }, `element 1: "" is no pair`, false},
		{"merge of three", func(v *vocabulary) { v.merges[1] = "a b c" }, `element 1: "a b c" is no pair`, false},
		{"merge of none", func(v *vocabulary) { v.merges[1] = " a" }, `element 1: " a" is no pair`, false},
		{"merge unknown", func(v *vocabulary) { v.merges[1] = "xy a" }, `element 1: "xy a" is no pair`, false},
		{"merge to unknown", func(v *vocabulary) { v.merges[1] = "x y" }, `element 1: "x y" is no pair`, false},
		{"merge to special", func(v *vocabulary) { v.kinds[258] = int32(UserDefined) }, `element 2: "Ġ a" makes a token of other bytes`, false},
		{"bos", func(v *vocabulary) { v.more[bosKey] = uint32(265) }, `key "tokenizer.ggml.bos_token_id": no token 265 in a vocabulary of 265`, false},
		{"negative eos", func(v *vocabulary) { v.more[eosKey] = int32(-1) }, `key "tokenizer.ggml.eos_token_id": no token -1`, false},
		{"huge eot", func(v *vocabulary) { v.more[eotKey] = uint64(1 << 40) }, `key "tokenizer.ggml.eot_token_id": value 1099511627776 does not fit`, false},
		{"type of eos", func(v *vocabulary) { v.more[eosKey] = "end" }, `key "tokenizer.ggml.eos_token_id": type string, want an integer`, false},
		{"type of add_bos", func(v *vocabulary) { v.more[addBOSKey] = uint32(1) }, `key "tokenizer.ggml.add_bos_token": type u32, want bool`, false},
		{"bos to add missing", func(v *vocabulary) { v.more[addBOSKey] = true }, `key "tokenizer.ggml.add_bos_token": true, but there is no tokenizer.ggml.bos_token_id`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVocabulary("qwen2", "a b", "b a", "Ġ a")
			c.change(v)
			tok, err := New(v.file(t))
			if err == nil || tok != nil {
				t.Fatalf("no error")
			}
			if !strings.HasPrefix(err.Error(), "tokenizer: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if errors.Is(err, errors.ErrUnsupported) != c.unsupported {
				t.Errorf("%v: unsupported: %v", err, !c.unsupported)
			}
		})
	}
}

// Every key that is needed is named when it is missing or of another type.
func TestNewKeys(t *testing.T) {
	full := newVocabulary("qwen2", "a b").file(t)
	for _, key := range []string{modelKey, preKey, tokensKey, kindsKey, mergesKey} {
		for _, other := range []any{nil, uint32(1), []float32{1}} {
			w := &gguf.Writer{}
			for _, kv := range full.KVs() {
				switch {
				case kv.Key != key:
					w.KV(kv.Key, kv.Value())
				case other != nil:
					w.KV(key, other)
				}
			}
			_, err := New(parsed(t, w))
			switch {
			case key == kindsKey && other == nil: // all tokens are normal
				if err != nil {
					t.Error(err)
				}
			case err == nil || !strings.Contains(err.Error(), `key "`+key+`"`):
				t.Errorf("%s is %v: %v", key, other, err)
			case errors.Is(err, gguf.ErrNoKey) != (other == nil):
				t.Errorf("%s is %v: %v", key, other, err)
			}
		}
	}
}

// Tokens stand for the bytes that they spell; special ones, and those that do not
// spell any, for themselves. Tokens without text may be many.
func TestPieces(t *testing.T) {
	v := newVocabulary("qwen2")
	n := len(v.tokens)
	v.tokens = append(v.tokens, "ĠaĊ", "Ġx", "Ġ☃", "ab c", "", "")
	v.kinds = append(v.kinds, int32(Normal), int32(Control), int32(Normal), int32(Normal), int32(Unused), int32(Unused))
	tok := v.tokenizer(t)
	var got []string
	for id := n; id < tok.Len(); id++ {
		b, err := tok.Decode(nil, int32(id))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(b))
	}
	if want := []string{" a\n", "Ġx", "Ġ☃", "ab c", "", ""}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSymbol(t *testing.T) {
	for b, want := range map[byte]rune{'A': 'A', ' ': 'Ġ', '\n': 'Ċ', 0: 'Ā', 255: 'ÿ', 0xad: 'Ń', '~': '~', 0x7f: 'ġ'} {
		if got := Symbol(b); got != want {
			t.Errorf("%#02x is %c, want %c", b, got, want)
		}
	}
}
