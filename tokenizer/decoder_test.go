package tokenizer

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDecoder(t *testing.T) {
	tok := newVocabulary("qwen2", "a b").tokenizer(t)
	for _, c := range []struct {
		bytes string // a token each
		want  string // what each gives, and Flush
	}{
		{"ab", "a|b|"},
		{"é", "|é|"},
		{"中", "||中|"},
		{"😁", "|||😁|"},
		{"\xf0\x9f\x98", "|||\xf0\x9f\x98"}, // never completed
		{"\xf0\x9fa", "||\xf0\x9fa|"},       // cannot be completed
		{"\xe4\xe4\xb8\xad", "|\xe4||中|"},
		{"\xff\x80\xc0a", "\xff|\x80|\xc0|a|"}, // begin nothing
		{"", ""},
	} {
		d := NewDecoder(tok)
		var got strings.Builder
		for i := range len(c.bytes) {
			text, err := d.Next(int32(c.bytes[i]))
			if err != nil {
				t.Fatal(err)
			}
			got.WriteString(text + "|")
		}
		got.WriteString(d.Flush())
		if got.String() != c.want {
			t.Errorf("%q: got %q, want %q", c.bytes, got.String(), c.want)
		}
		if rest := d.Flush(); rest != "" {
			t.Errorf("%q: %q is left", c.bytes, rest)
		}
	}
}

func TestDecoderBadToken(t *testing.T) {
	tok := newVocabulary("qwen2").tokenizer(t)
	d := NewDecoder(tok)
	d.Next(0xc3)
	for _, id := range []int32{-1, int32(tok.Len())} {
		if text, err := d.Next(id); err == nil || text != "" {
			t.Errorf("token %d: %q, %v", id, text, err)
		}
	}
	if text, err := d.Next(0xa9); err != nil || text != "é" {
		t.Errorf("afterwards: %q, %v", text, err)
	}
}

// streams checks what a Decoder promises: the bytes of Decode, cut between
// characters.
func streams(t *testing.T, tok *Tokenizer, ids []int32) {
	t.Helper()
	want, err := tok.Decode(nil, ids...)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	d := NewDecoder(tok)
	for _, id := range ids {
		text, err := d.Next(id)
		if err != nil {
			t.Fatal(err)
		}
		if utf8.Valid(want) && !utf8.ValidString(text) {
			t.Errorf("%v: %q ends in a character", ids, text)
		}
		got = append(got, text...)
	}
	rest := d.Flush()
	if got = append(got, rest...); !slices.Equal(got, want) || utf8.Valid(want) && rest != "" {
		t.Errorf("%v: got %q, the end of it %q, want %q", ids, got, rest, want)
	}
}

func TestDecoderVectors(t *testing.T) {
	tok := goldenTokenizer(t)
	for _, v := range slices.Concat(vectors(t), specialVectors(t)) {
		streams(t, tok, v.IDs)
	}
}
