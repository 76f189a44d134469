package tokenizer

import (
	"bytes"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/gguf"
)

// vocabulary is what a test writes into a file.
type vocabulary struct {
	model, pre string
	tokens     []string
	kinds      []int32
	merges     []string
	more       map[string]any
}

// newVocabulary has the 256 bytes, whose ids are the bytes, what the merges make
// of them, and some special tokens.
func newVocabulary(pre string, merges ...string) *vocabulary {
	v := &vocabulary{model: "gpt2", pre: pre, merges: merges, more: map[string]any{}}
	for b := range 256 {
		v.token(string(Symbol(byte(b))), Normal)
	}
	for _, m := range merges {
		v.token(strings.Replace(m, " ", "", 1), Normal)
	}
	v.token("<|a|>", Control)
	v.token("<|a|><|b|>", UserDefined)
	v.token("<|bé|>", UserDefined)
	v.token("<|endoftext|>", Control)
	v.token("<unk>", Unknown)
	v.token("<pad>", Unused)
	return v
}

// token adds a token, unless it is there.
func (v *vocabulary) token(text string, kind Kind) {
	for _, t := range v.tokens {
		if t == text {
			return
		}
	}
	v.tokens, v.kinds = append(v.tokens, text), append(v.kinds, int32(kind))
}

func (v *vocabulary) file(t testing.TB) *gguf.File {
	t.Helper()
	w := &gguf.Writer{}
	w.KV(modelKey, v.model)
	w.KV(preKey, v.pre)
	w.KV(tokensKey, v.tokens)
	w.KV(kindsKey, v.kinds)
	w.KV(mergesKey, v.merges)
	for key, value := range v.more {
		w.KV(key, value)
	}
	return parsed(t, w)
}

func parsed(t testing.TB, w *gguf.Writer) *gguf.File {
	t.Helper()
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (v *vocabulary) tokenizer(t testing.TB) *Tokenizer {
	t.Helper()
	tok, err := New(v.file(t))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// spelling joins tokens as the vocabulary writes them.
func spelling(t *Tokenizer, ids []int32) string {
	var parts []string
	for _, id := range ids {
		text, _ := t.Token(id)
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

// hello merges a few words and runs of letters. The order counts: "l l" comes
// before "h e", so "hell" is he+ll, and "Ġ h" never happens in " hello".
var hello = []string{"l l", "h e", "he ll", "hell o", "Ġ hello", "a a", "aa aa", "aa a", "Ġ Ġ", "Ã ©", "Ċ Ċ"}
