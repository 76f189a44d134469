package tokenizer

import (
	"cmp"
	"slices"
	"sync"
	"testing"
)

func TestEncode(t *testing.T) {
	tok := newVocabulary("qwen2", hello...).tokenizer(t)
	for _, c := range []struct {
		text, plain string
		special     string // "" where it is the same
	}{
		{text: "", plain: ""},
		{text: "hello", plain: "hello"},
		{text: " hello hell", plain: "Ġhello Ġ hell"},
		{text: "hallo", plain: "h a ll o"},
		{text: "lll", plain: "ll l"}, // the leftmost of equals
		{text: "aaaaa", plain: "aaaa a"},
		{text: "aaa", plain: "aaa"},
		{text: "é", plain: "Ã©"},
		{text: "\xff\xc3", plain: "ÿ Ã"},
		{text: "   x", plain: "ĠĠ Ġ x"},
		{text: "\n\n\n", plain: "ĊĊ Ċ"},
		{text: "<|a|>", plain: "< | a | >", special: "<|a|>"},
		{text: "<|a|<|a|>", plain: "< | a | < | a | >", special: "< | a | <|a|>"},
		{text: "<|a|><|b|>", plain: "< | a | > < | b | >", special: "<|a|><|b|>"}, // the longest
		{text: "<|a|><|b|", plain: "< | a | > < | b |", special: "<|a|> < | b |"},
		{text: "hel<|bé|>lo", plain: "he l < | b Ã© | > l o", special: "he l <|bé|> l o"},
		{text: " <|a|> ", plain: "Ġ < | a | > Ġ", special: "Ġ <|a|> Ġ"},
		{text: "<unk><pad>", plain: "< u n k > < p a d >"}, // of other kinds
	} {
		if got := spelling(tok, tok.Encode(nil, c.text, false)); got != c.plain {
			t.Errorf("%q: plain %q, want %q", c.text, got, c.plain)
		}
		want := cmp.Or(c.special, c.plain)
		if got := spelling(tok, tok.Encode(nil, c.text, true)); got != want {
			t.Errorf("%q: with special tokens %q, want %q", c.text, got, want)
		}
	}
}

func TestEncodeAppends(t *testing.T) {
	tok := newVocabulary("qwen2").tokenizer(t)
	if got := tok.Encode([]int32{7}, "ab", true); !slices.Equal(got, []int32{7, 'a', 'b'}) {
		t.Errorf("tokens %v", got)
	}
	if got, err := tok.Decode([]byte("x"), 'a', 'b'); err != nil || string(got) != "xab" {
		t.Errorf("bytes %q, %v", got, err)
	}
}

func TestBeginning(t *testing.T) {
	v := newVocabulary("kimi-k2")
	v.more[bosKey] = uint32('B')
	if got := v.tokenizer(t).Encode(nil, "a", true); !slices.Equal(got, []int32{'a'}) {
		t.Errorf("unless asked for: %v", got)
	}
	v.more[addBOSKey] = true
	tok := v.tokenizer(t)
	if got := tok.Encode(nil, "a", true); !slices.Equal(got, []int32{'B', 'a'}) {
		t.Errorf("with special tokens: %v", got)
	}
	if got := tok.Encode(nil, "a", false); !slices.Equal(got, []int32{'a'}) {
		t.Errorf("plain: %v", got)
	}
}

func TestAccessors(t *testing.T) {
	v := newVocabulary("qwen2", "a b")
	none := v.tokenizer(t)
	if _, ok := none.BOS(); ok {
		t.Error("there is a beginning, but no key says so")
	}
	if _, ok := none.EOS(); ok {
		t.Error("there is an end, but no key says so")
	}
	v.more[bosKey], v.more[eosKey], v.more[eotKey] = uint32(1), uint32(2), uint32(3)
	tok := v.tokenizer(t)
	if id, ok := tok.BOS(); id != 1 || !ok {
		t.Errorf("beginning %d %v", id, ok)
	}
	if id, ok := tok.EOS(); id != 2 || !ok {
		t.Errorf("end %d %v", id, ok)
	}
	var ends []string
	for id := range int32(tok.Len()) {
		if text, kind := tok.Token(id); kind != Kind(v.kinds[id]) || text != v.tokens[id] {
			t.Errorf("token %d: %q of kind %d", id, text, kind)
		} else if tok.IsEnd(id) {
			ends = append(ends, text)
		}
	}
	if want := []string{string(Symbol(2)), string(Symbol(3)), "<|endoftext|>"}; !slices.Equal(ends, want) {
		t.Errorf("ends %q, want %q", ends, want)
	}
	for _, id := range []int32{-1, int32(tok.Len())} {
		if text, kind := tok.Token(id); text != "" || kind != 0 {
			t.Errorf("token %d: %q of kind %d", id, text, kind)
		}
		if got, err := tok.Decode(nil, 'a', id); err == nil || string(got) != "a" {
			t.Errorf("token %d: %q, %v", id, got, err)
		}
	}
}

func TestConcurrent(t *testing.T) {
	tok := newVocabulary("qwen35", hello...).tokenizer(t)
	const text = "hello<|a|> hello aaaaaaa é\n\n"
	want := tok.Encode(nil, text, true)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if got := tok.Encode(nil, text, true); !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
			}
		})
	}
	wg.Wait()
}
