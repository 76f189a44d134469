// Package tokenizer turns text into tokens and back, with the vocabulary of a
// GGUF file: byte-level byte-pair encoding.
//
// Special tokens are cut out of the text first. What is between them is split
// into pieces, words and the like, by the splitter that the file names; in a
// piece, which is bytes at first, neighbours merge in the order of the file's
// merges. Every byte is a token, so any text can be written, whether or not it is
// UTF-8, and comes back the same.
package tokenizer

import (
	"fmt"
	"slices"
)

// Kind says what a token is for.
type Kind int32

// The numbers are those of the format.
const (
	Normal      Kind = 1 + iota
	Unknown          // stands for what a vocabulary cannot write
	Control          // structures the input of a model; no text has it
	UserDefined      // is found in text as it is written
	Unused           // fills the vocabulary up
	Byte
)

// Tokenizer is a vocabulary and how text is split. Its methods may be called
// concurrently.
type Tokenizer struct {
	texts    []string // as in the file
	kinds    []Kind
	pieces   []string // the bytes that a token stands for
	split    splitter
	merges   merges
	specials specials
	bos, eos int32 // -1 where there is none
	addBOS   bool
	ends     []int32
}

// Encode appends the tokens of text to dst. With special, tokens of the kinds
// Control and UserDefined are recognised where text has them, the longest at a
// place, and the token of the beginning is put first if the file says so
// (tokenizer.ggml.add_bos_token; by default it is not). Without, all is plain
// text: that is how to encode text of strangers.
func (t *Tokenizer) Encode(dst []int32, text string, special bool) []int32 {
	m := &merger{merges: &t.merges}
	if !special {
		return t.plain(m, dst, text)
	}
	if t.addBOS {
		dst = append(dst, t.bos)
	}
	from := 0
	for i := 0; i < len(text); {
		id, n := t.specials.at(text[i:])
		if n == 0 {
			i++
			continue
		}
		dst = append(t.plain(m, dst, text[from:i]), id)
		i += n
		from = i
	}
	return t.plain(m, dst, text[from:])
}

// plain appends the tokens of text without special ones.
func (t *Tokenizer) plain(m *merger, dst []int32, text string) []int32 {
	for text != "" {
		n := min(t.split.next(text), longest)
		dst = m.merge(dst, text[:n])
		text = text[n:]
	}
	return dst
}

// Decode appends the bytes that tokens stand for to dst; special ones stand for
// their text. The bytes need not be UTF-8, and a character may begin in one token
// and end in another: see Decoder. An id out of range ends it with an error.
func (t *Tokenizer) Decode(dst []byte, ids ...int32) ([]byte, error) {
	for _, id := range ids {
		if !t.has(id) {
			return dst, fmt.Errorf("tokenizer: no token %d in a vocabulary of %d", id, t.Len())
		}
		dst = append(dst, t.pieces[id]...)
	}
	return dst, nil
}

// Len returns the number of tokens; ids are 0 … Len−1.
func (t *Tokenizer) Len() int { return len(t.texts) }

func (t *Tokenizer) has(id int32) bool { return id >= 0 && int(id) < len(t.texts) }

// Token returns a token as the vocabulary writes it, and its kind; "" and 0 for
// an id out of range.
func (t *Tokenizer) Token(id int32) (text string, kind Kind) {
	if !t.has(id) {
		return "", 0
	}
	return t.texts[id], t.kinds[id]
}

// BOS returns the token of the beginning of a text, if the file names one.
func (t *Tokenizer) BOS() (id int32, ok bool) { return t.bos, t.bos >= 0 }

// EOS returns the token of the end of a text, if the file names one.
func (t *Tokenizer) EOS() (id int32, ok bool) { return t.eos, t.eos >= 0 }

// IsEnd reports whether a model is done with its answer when it says this token:
// the end of a text or of a turn, or one of the names by which models end either.
func (t *Tokenizer) IsEnd(id int32) bool { return slices.Contains(t.ends, id) }
