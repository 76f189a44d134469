package main

import (
	"fmt"

	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/tokenizer"
)

// controlTokens follow the 256 bytes.
var controlTokens = []string{"<|endoftext|>", "<|im_start|>", "<|im_end|>"}

// leastVocabulary is the bytes and the control tokens.
const leastVocabulary = 256 + 3

// chatTemplate is the common form of a chat with these control tokens.
const chatTemplate = `{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

// bytesVocabulary writes a byte-level BPE tokenizer of n tokens: every byte is a
// token, followed by control tokens and by tokens that no text has.
func bytesVocabulary(w *gguf.Writer, pre string, n int) {
	tokens, types := make([]string, n), make([]int32, n)
	for i := range tokens {
		switch {
		case i < 256:
			tokens[i], types[i] = string(tokenizer.Symbol(byte(i))), int32(tokenizer.Normal)
		case i < leastVocabulary:
			tokens[i], types[i] = controlTokens[i-256], int32(tokenizer.Control)
		default:
			tokens[i], types[i] = fmt.Sprintf("<|unused_%d|>", i), int32(tokenizer.Unused)
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
	w.KV("tokenizer.chat_template", chatTemplate)
}
