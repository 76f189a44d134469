package tokenizer

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

var fuzzTexts = []string{
	"", "hello hello  hell", "<|a|><|b|><|a|", "été e\u0301\u0301 ก่อน", "1234 ½", " \r\n\t\u3000 x",
	"don't I'LL 中文's", "\xff\xc3\xf0\x9f a", "aaaaaaaaaaaaaaaaaaaaaaa", "<|bé|>\x00😁",
}

// FuzzRoundTrip: any text comes back from its tokens, at once and as a stream.
func FuzzRoundTrip(f *testing.F) {
	for _, text := range fuzzTexts {
		f.Add(text)
	}
	var toks []*Tokenizer
	for _, name := range slices.Sorted(maps.Keys(splitters)) {
		toks = append(toks, newVocabulary(name, hello...).tokenizer(f))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, tok := range toks {
			roundTrip(t, tok, text)
		}
	})
}

func roundTrip(t *testing.T, tok *Tokenizer, text string) {
	t.Helper()
	for _, special := range []bool{false, true} {
		ids := tok.Encode(nil, text, special)
		if tok.addBOS && special {
			ids = ids[1:]
		}
		if got, err := tok.Decode(nil, ids...); err != nil || string(got) != text {
			t.Errorf("special %v: got %q, %v, want %q", special, got, err, text)
		}
		streams(t, tok, ids)
	}
}

// FuzzSplit: pieces are not empty, and are what the expression matches.
func FuzzSplit(f *testing.F) {
	for _, text := range fuzzTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name := range splitters {
			pieces := newSplitter(name).all(text)
			if strings.Join(pieces, "") != text || slices.Contains(pieces, "") {
				t.Errorf("%s: %q: %q", name, text, pieces)
			}
			matchesExpression(t, name, text)
		}
	})
}

// FuzzNew: a vocabulary is refused, or text comes back from its tokens.
func FuzzNew(f *testing.F) {
	v := newVocabulary("qwen2", hello...)
	kinds := make([]byte, len(v.kinds))
	for i, k := range v.kinds {
		kinds[i] = byte(k)
	}
	tokens, merges := strings.Join(v.tokens[256:], "\n"), strings.Join(v.merges, "\n")
	f.Add("qwen2", tokens, kinds, merges, int64(1), true, "hello<|a|>")
	f.Add("kimi-k2", tokens, kinds[:256], merges, int64(-1), false, "")
	f.Add("qwen35", "ab\nbc\nabc\nĠa\nab", []byte{1, 3}, "a b\nb c\nab c\na bc\nĠ a", int64(400), false, " abcabc")
	f.Add("qwen35", "ab\n\n\nĠ☃\n\xff", []byte{}, "a b\na b", int64(0), false, " abcabc")
	f.Fuzz(func(t *testing.T, pre, tokens string, kinds []byte, merges string, bos int64, addBOS bool, text string) {
		v := newVocabulary(pre)
		v.tokens = append(v.tokens[:256], strings.Split(tokens, "\n")...)
		v.merges = strings.Split(merges, "\n")
		v.kinds = make([]int32, len(v.tokens))
		for i := range v.kinds {
			if v.kinds[i] = int32(Normal); i < len(kinds) {
				v.kinds[i] = int32(int8(kinds[i]))
			}
		}
		v.more[bosKey], v.more[addBOSKey] = bos, addBOS
		if tok, err := New(v.file(t)); err == nil {
			roundTrip(t, tok, text)
		}
	})
}
