package main

import (
	"fmt"

	"github.com/deltaloom/deltaloom/gguf"
)

// Types of tokens in tokenizer.ggml.token_type.
const (
	normalToken  = int32(1)
	controlToken = int32(3)
	unusedToken  = int32(5)
)

// leastVocabulary is the 256 bytes and the end of text.
const leastVocabulary = 257

// bytesVocabulary writes a byte-level BPE tokenizer of n tokens: every byte is a
// token, followed by the end of text and by tokens that no text has.
func bytesVocabulary(w *gguf.Writer, pre string, n int) {
	tokens, types := make([]string, n), make([]int32, n)
	for i := range tokens {
		switch {
		case i < 256:
			tokens[i], types[i] = byteSymbols[i], normalToken
		case i == 256:
			tokens[i], types[i] = "<|endoftext|>", controlToken
		default:
			tokens[i], types[i] = fmt.Sprintf("<|unused_%d|>", i), unusedToken
		}
	}
	w.KV("tokenizer.ggml.model", "gpt2")
	w.KV("tokenizer.ggml.pre", pre)
	w.KV("tokenizer.ggml.tokens", tokens)
	w.KV("tokenizer.ggml.token_type", types)
	w.KV("tokenizer.ggml.merges", []string{}) // bytes stay bytes
	for _, key := range []string{"bos", "eos", "padding"} {
		w.KV("tokenizer.ggml."+key+"_token_id", uint32(256))
	}
}

// byteSymbols are the characters by which byte-level BPE writes the 256 bytes:
// printable ones of Latin-1 stand for themselves, the others, in order, for the
// characters from U+0100 on.
var byteSymbols = func() (s [256]string) {
	next := rune(256)
	for b := range s {
		switch {
		case b >= '!' && b <= '~', b >= '¡' && b <= '¬', b >= '®':
			s[b] = string(rune(b))
		default:
			s[b] = string(next)
			next++
		}
	}
	return s
}()
