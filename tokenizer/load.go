package tokenizer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/deltaloom/deltaloom/gguf"
)

const (
	modelKey  = "tokenizer.ggml.model"
	preKey    = "tokenizer.ggml.pre"
	tokensKey = "tokenizer.ggml.tokens"
	kindsKey  = "tokenizer.ggml.token_type"
	mergesKey = "tokenizer.ggml.merges"
	bosKey    = "tokenizer.ggml.bos_token_id"
	eosKey    = "tokenizer.ggml.eos_token_id"
	eotKey    = "tokenizer.ggml.eot_token_id"
	addBOSKey = "tokenizer.ggml.add_bos_token"
)

// endNames are tokens that end an answer wherever a vocabulary has them.
var endNames = []string{
	"<|im_end|>", "<|endoftext|>", "<|end_of_text|>", "[EOT]", "[EOS]",
	"<|fim_pad|>", "<|repo_name|>", "<|file_sep|>",
}

// New reads the tokenizer of a file, which may be closed afterwards; it needs no
// tensors. A kind of vocabulary or a splitter that is not known gives an error
// that wraps errors.ErrUnsupported and names it; a vocabulary that is missing or
// contradicts itself one that names the key.
func New(f *gguf.File) (*Tokenizer, error) {
	t, err := load(f)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return t, nil
}

func load(f *gguf.File) (*Tokenizer, error) {
	t := &Tokenizer{}
	if err := t.readSplitter(f); err != nil {
		return nil, err
	}
	ids, err := t.readTokens(f)
	if err != nil {
		return nil, err
	}
	if err := t.readMerges(f, ids); err != nil {
		return nil, err
	}
	return t, t.readEnds(f, ids)
}

// keyError says which key of a file is wrong, as errors of gguf do.
func keyError(key, format string, args ...any) error {
	return fmt.Errorf("key %q: %w", key, fmt.Errorf(format, args...))
}

func (t *Tokenizer) readSplitter(f *gguf.File) error {
	model, err := gguf.Get[string](f, modelKey)
	if err != nil {
		return err
	}
	if model != "gpt2" {
		return keyError(modelKey, "vocabulary %q: %w (known: gpt2, byte-level BPE)", model, errors.ErrUnsupported)
	}
	pre, err := gguf.Get[string](f, preKey)
	if err != nil {
		return err
	}
	split, ok := splitters[pre]
	if !ok {
		return keyError(preKey, "pre-tokenizer %q: %w (known: %s)", pre, errors.ErrUnsupported, splitterNames())
	}
	split.classes = allClasses()
	t.split = split
	return nil
}

// readTokens reads the vocabulary and returns the ids by text. A token without
// text, of which there may be many, is never found.
func (t *Tokenizer) readTokens(f *gguf.File) (map[string]int32, error) {
	var err error
	if t.texts, err = gguf.GetArray[string](f, tokensKey); err != nil {
		return nil, err
	}
	if t.kinds, err = readKinds(f, len(t.texts)); err != nil {
		return nil, err
	}
	ids := make(map[string]int32, len(t.texts))
	t.pieces = make([]string, len(t.texts))
	var spelling strings.Builder
	var found []special
	for i, text := range t.texts {
		if text == "" {
			continue
		}
		before := len(ids)
		if ids[text] = int32(i); len(ids) == before {
			return nil, keyError(tokensKey, "element %d: token %q is there already", i, text)
		}
		switch t.kinds[i] {
		case Control, UserDefined:
			found = append(found, special{text, int32(i)})
			t.pieces[i] = text
		default:
			t.pieces[i] = spelled(&spelling, text)
		}
	}
	t.specials = newSpecials(found)
	return ids, nil
}

// readKinds reads the kinds of n tokens; all are normal in a file that states none.
func readKinds(f *gguf.File, n int) ([]Kind, error) {
	numbers, err := gguf.GetArray[int32](f, kindsKey)
	if errors.Is(err, gguf.ErrNoKey) {
		return slices.Repeat([]Kind{Normal}, n), nil
	}
	if err != nil {
		return nil, err
	}
	if len(numbers) != n {
		return nil, keyError(kindsKey, "kinds of %d tokens, but there are %d", len(numbers), n)
	}
	kinds := make([]Kind, n)
	for i, k := range numbers {
		if kinds[i] = Kind(k); kinds[i] < Normal || kinds[i] > Byte {
			return nil, keyError(kindsKey, "element %d: no kind %d", i, k)
		}
	}
	return kinds, nil
}

// readMerges finds the tokens of the bytes and of the pairs that merge. It sees to
// it that the bytes of a token are those of the two that become it, so that no
// text changes on its way through tokens.
func (t *Tokenizer) readMerges(f *gguf.File, ids map[string]int32) error {
	m := &t.merges
	for b, r := range symbols {
		id, ok := ids[string(r)]
		if !ok || t.pieces[id] != string([]byte{byte(b)}) {
			return keyError(tokensKey, "no token for the byte %#02x", b)
		}
		m.bytes[b] = id
	}
	lines, err := gguf.GetArray[string](f, mergesKey)
	if err != nil {
		return err
	}
	m.joined = make([]int32, len(lines))
	pairs := make([]uint64, len(lines))
	id := int32(0)
	for rank, line := range lines {
		left, right, _ := strings.Cut(line, " ")
		l, okL := ids[left]
		r, okR := ids[right]
		ok := true
		if id++; !t.has(id) || !joins(t.texts[id], left, right) { // most tokens are in the order of their merges
			id, ok = ids[left+right]
		}
		switch {
		case !okL || !okR || !ok:
			return keyError(mergesKey, "element %d: %q is no pair of tokens that makes a token", rank, line)
		case len(t.pieces[id]) != len(t.pieces[l])+len(t.pieces[r]): // one is not spelled in symbols
			return keyError(mergesKey, "element %d: %q makes a token of other bytes", rank, line)
		}
		pairs[rank], m.joined[rank] = pair(l, r), id
	}
	m.ranks = make(map[uint64]int32, len(lines))
	for rank, p := range slices.Backward(pairs) { // so that of two merges of a pair the first stays
		m.ranks[p] = int32(rank)
	}
	return nil
}

// joins reports whether whole is left and right.
func joins(whole, left, right string) bool {
	return len(whole) == len(left)+len(right) && whole[:len(left)] == left && whole[len(left):] == right
}

// readEnds reads which tokens begin and end texts.
func (t *Tokenizer) readEnds(f *gguf.File, ids map[string]int32) (err error) {
	if t.bos, err = t.readID(f, bosKey); err != nil {
		return err
	}
	if t.eos, err = t.readID(f, eosKey); err != nil {
		return err
	}
	eot, err := t.readID(f, eotKey)
	if err != nil {
		return err
	}
	for _, id := range []int32{t.eos, eot} {
		if id >= 0 {
			t.ends = append(t.ends, id)
		}
	}
	for _, name := range endNames {
		if id, ok := ids[name]; ok {
			t.ends = append(t.ends, id)
		}
	}
	if t.addBOS, err = gguf.GetOr(f, addBOSKey, false); err == nil && t.addBOS && t.bos < 0 {
		return keyError(addBOSKey, "true, but there is no %s", bosKey)
	}
	return err
}

// readID reads the id of a token, -1 where the file names none.
func (t *Tokenizer) readID(f *gguf.File, key string) (int32, error) {
	id, err := gguf.GetOr(f, key, int32(-1))
	if _, stated := f.KV(key); err == nil && stated && !t.has(id) {
		return 0, keyError(key, "no token %d in a vocabulary of %d", id, t.Len())
	}
	return id, err
}
